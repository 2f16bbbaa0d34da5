"""Stage features of the students, and ImageNet weights from a local file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from capture.camera.torchvision_guard import import_torchvision
from radarid.errors import TrainError
from radarid.learn.imagenet import load_imagenet
from radarid.learn.students import BACKBONES, FEATURES, Student, build_student

# What follows the last stage's map, and the stages' widths, from the papers of the four networks.
ACTIVATION = {
    "resnet18": functional.relu, "mobilenet_v2": functional.relu6,
    "efficientnet_b0": functional.silu, "vgg16": functional.relu,
}  # fmt: skip
WIDTHS = {
    "resnet18": (64, 128, 256, 512), "mobilenet_v2": (24, 32, 96, 1280),
    "efficientnet_b0": (24, 40, 112, 1280), "vgg16": (128, 256, 512, 512),
}  # fmt: skip
IMAGES = torch.randint(
    0, 256, (2, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(4)
)


def lively(name: str, channels: str = "repeat") -> Student:
    """A student whose BatchNorm statistics are those of some images, as after training."""
    torch.manual_seed(1)
    student = build_student(name, channels, 3)
    with torch.no_grad():
        for _ in range(0 if name == "vgg16" else 8):  # VGG has none
            student(IMAGES)
    return student.eval()


def plain(name: str, student: Student) -> torch.nn.Module:
    """torchvision's own network with the student's weights."""
    network: torch.nn.Module = getattr(import_torchvision().models, name)(weights=None)
    network.load_state_dict(student.backbone.state_dict(), strict=False)
    return network.eval()


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_the_stages_before_their_last_activation(name: str) -> None:
    student = lively(name)
    with torch.no_grad():
        embedding, logits, features = student.observe(IMAGES, FEATURES)
        assert torch.equal(logits, student(IMAGES)[1])
    for k, width in enumerate(WIDTHS[name]):
        side = 64 // (4 << k)
        assert features[f"layer{k + 1}"].shape == (2, width, side, side)
        assert float(features[f"layer{k + 1}"].min()) < -0.05  # nothing has clipped it
    assert torch.allclose(features["pooled"], features["layer4"].mean((2, 3)))
    after = ACTIVATION[name](features["layer4"])
    if name == "vgg16":
        places = functional.adaptive_avg_pool2d(after, 7).flatten(1)
        expected = student.backbone.get_submodule("classifier")(places)
    else:
        expected = after.mean((2, 3))
    assert torch.allclose(embedding, expected, atol=1e-5)
    assert student.feature_shapes(64, FEATURES) == {
        key: tuple(value.shape[1:]) for key, value in features.items()
    }


def test_features_of_resnet_are_those_of_torchvision() -> None:
    student = lively("resnet18")
    network, seen = plain("resnet18", student), {}
    for k in (1, 2, 3, 4):
        stage = network.get_submodule(f"layer{k}")
        stage.register_forward_hook(lambda _, __, out, k=k: seen.update({f"layer{k}": out}))
    with torch.no_grad():
        network(IMAGES[:, None].expand(-1, 3, -1, -1) / 255)
        features = student.observe(IMAGES, FEATURES[:4])[2]
    for name, value in features.items():
        assert torch.allclose(value.relu(), seen[name], atol=1e-4)


def test_vgg_pools_before_its_activations_to_the_same_end() -> None:
    student = lively("vgg16")
    network = plain("vgg16", student)
    images = (IMAGES[:, None].expand(-1, 3, -1, -1) / 255).clone()
    with torch.no_grad():
        features = student.observe(IMAGES, ("layer1", "layer4"))[2]
        for name, end in (("layer1", 10), ("layer4", 31)):
            expected = network.get_submodule("features")[:end](images.clone())  # type: ignore[index]
            assert torch.allclose(features[name].relu(), expected, atol=1e-5)


def test_a_gradient_flows_from_every_feature() -> None:
    student = build_student("resnet18", "repeat", 3)
    features = student.observe(IMAGES, FEATURES)[2]
    stem = student.backbone.get_submodule("conv1").weight
    for name in FEATURES:
        (gradient,) = torch.autograd.grad(
            features[name].square().sum(), stem, retain_graph=True  # type: ignore[arg-type]
        )
        assert float(gradient.abs().max()) > 0
    assert not student.backbone.get_submodule("layer1.1.relu")._forward_pre_hooks


def test_no_such_feature() -> None:
    with pytest.raises(TrainError, match="layer5.*of layer1"):
        build_student("resnet18", "repeat", 3).observe(IMAGES, ("layer5",))


# -- weights to start from -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(8)
    network = import_torchvision().models.resnet18(weights=None)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    save_file(network.state_dict(), path.with_suffix(".safetensors"))
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_taken_from_a_file(file: Path, suffix: str) -> None:
    student = build_student("resnet18", "repeat", 3)
    head = student.classifier.weight.detach().clone()
    load_imagenet(student, "resnet18", str(file.with_suffix(suffix)))
    wanted = torch.load(file, weights_only=True)
    for key, value in student.backbone.state_dict().items():
        assert torch.equal(value, wanted[key])
    assert torch.equal(student.classifier.weight, head)


def test_a_stem_of_one_plane_answers_as_the_whole_one(file: Path) -> None:
    answers = []
    for channels in ("repeat", "single"):
        student = build_student("resnet18", channels, 3).eval()
        load_imagenet(student, "resnet18", str(file))
        with torch.no_grad():
            answers.append(student(IMAGES)[0])
    assert torch.allclose(*answers, atol=1e-5)


def test_weights_that_do_not_fit_are_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    student = build_student("mobilenet_v2", "repeat", 3)
    with pytest.raises(TrainError, match=r"mobilenet_v2-.*\.pth.*model\.weights"):
        load_imagenet(student, "mobilenet_v2")
    with pytest.raises(TrainError, match="another network.*mobilenet_v2"):
        load_imagenet(student, "mobilenet_v2", str(file))
    for suffix in (".pth", ".safetensors"):
        broken = tmp_path / f"broken{suffix}"
        broken.write_bytes(file.with_suffix(suffix).read_bytes()[:3000])
        with pytest.raises(TrainError, match="cannot be read"):
            load_imagenet(student, "mobilenet_v2", str(broken))
