"""LPIPS: its arithmetic on known features, its network beside torchvision's, its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from capture.camera.torchvision_guard import import_torchvision
from radarid.errors import TrainError
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import Loss, LossInputs, Outputs, Sizes
from radarid.learn.losses.lpips import GROUPS

SIZES = Sizes(3, 4, 4)
TAPS = (3, 8, 15, 22, 29)  # the last rectified convolution of each group, in torchvision's count
Files = tuple[torch.nn.Sequential, Path, Path, list[np.ndarray]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """VGG16 of random weights, its file, a file of channel weights and these weights."""
    folder = tmp_path_factory.mktemp("lpips")
    models = import_torchvision().models
    torch.manual_seed(1)
    vgg = models.vgg.make_layers(models.vgg.cfgs["D"], batch_norm=False)
    weights = {f"features.{key}": value for key, value in vgg.state_dict().items()}
    save_file(weights, folder / "vgg16.safetensors")
    linear = [torch.rand(1, group[-1], 1, 1) for group in GROUPS]
    torch.save({f"lin{i}.model.1.weight": w for i, w in enumerate(linear)}, folder / "vgg.pth")
    arrays = [w.flatten().double().numpy() for w in linear]
    return vgg, folder / "vgg16.safetensors", folder / "vgg.pth", arrays


def images(n: int = 2, size: int = 20, seed: int = 0) -> LossInputs:
    generator = torch.Generator().manual_seed(seed)
    made, clean = (
        torch.rand(n, 1, size, size, dtype=torch.float64, generator=generator) for _ in range(2)
    )
    student = Outputs(reconstruction=made.requires_grad_())
    return LossInputs(labels=torch.zeros(n, dtype=torch.int64), student=student, clean=clean)


def built(**options: object) -> Loss:
    loss = build_loss("lpips", options)
    loss.build(SIZES)
    return loss


def by_hand(vgg: torch.nn.Sequential, inputs: LossInputs, linear: list[np.ndarray],
            rescale: bool) -> float:
    """The distance by loops over places, on torchvision's features."""
    planes = []
    for picture in (inputs.get("student.reconstruction"), inputs.get("clean")):
        shown = (2 * picture - 1 if rescale else picture).detach().expand(-1, 3, -1, -1)
        mean = torch.tensor([-0.030, -0.088, -0.188], dtype=torch.float64)[:, None, None]
        spread = torch.tensor([0.458, 0.448, 0.450], dtype=torch.float64)[:, None, None]
        planes.append((shown - mean) / spread)
    total, (a, b) = 0.0, planes
    for number, layer in enumerate(vgg.double()[: TAPS[-1] + 1]):
        a, b = layer(a), layer(b)
        if number not in TAPS:
            continue
        weight = linear[TAPS.index(number)]
        places = list(np.ndindex(a.shape[0], a.shape[2], a.shape[3]))
        for i, y, x in places:
            u, v = (m[i, :, y, x].detach().numpy() for m in (a, b))
            u, v = (w / (np.sqrt((w**2).sum()) + 1e-10) for w in (u, v))
            total += float((weight * (u - v) ** 2).sum()) / len(places)
    return total


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("calibrated", [True, False])
def test_equals_its_twin_on_the_features_of_torchvision(
    files: Files, rescale: bool, calibrated: bool
) -> None:
    vgg, weights, linear_file, linear = files
    file = str(linear_file) if calibrated else ""
    loss = built(weights=str(weights), linear=file, rescale=rescale)
    inputs = images()
    used = linear if calibrated else [np.ones_like(w) for w in linear]
    expected = by_hand(vgg, inputs, used, rescale)
    assert loss(inputs).item() == pytest.approx(expected, rel=1e-9)


def test_reconstruction_gets_a_gradient_and_the_network_is_not_trained(files: Files) -> None:
    loss = built(weights=str(files[1]), linear=str(files[2]))
    inputs = images()
    loss(inputs).backward()
    gradient = inputs.get("student.reconstruction").grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 1e-6
    assert not list(loss.parameters())
    assert not loss.state_dict()


def test_a_clip_is_no_distance_from_itself(files: Files) -> None:
    inputs = images()
    same = LossInputs(
        labels=inputs.labels, clean=inputs.clean, student=Outputs(reconstruction=inputs.clean)
    )
    assert built(weights=str(files[1]))(same).item() == 0


def test_half_precision_runs_in_single(files: Files) -> None:
    inputs = images()
    halves = LossInputs(
        labels=inputs.labels, clean=inputs.get("clean").bfloat16(),
        student=Outputs(reconstruction=inputs.get("student.reconstruction").detach().bfloat16()),
    )
    whole = LossInputs(
        labels=inputs.labels, clean=halves.get("clean").double(),
        student=Outputs(reconstruction=halves.get("student.reconstruction").double()),
    )
    loss = built(weights=str(files[1]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        computed = loss(halves)
    assert computed.dtype == torch.float32
    assert computed.item() == pytest.approx(loss(whole).item(), rel=1e-4)


def test_says_where_the_weights_are(tmp_path: Path, files: Files) -> None:
    for name in ("", str(tmp_path / "none.pth")):
        with pytest.raises(TrainError, match=r"vgg16-397923af\.pth.*option 'weights'"):
            built(weights=name)
    with pytest.raises(TrainError, match=r"richzhang.*option 'linear'"):
        built(weights=str(files[1]), linear=str(tmp_path / "none.pth"))


def test_other_files_are_refused(tmp_path: Path, files: Files) -> None:
    with pytest.raises(TrainError, match="another network"):
        built(weights=str(files[2]))
    with pytest.raises(TrainError, match="another network"):
        built(weights=str(files[1]), linear=str(files[1]))
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"not weights")
    with pytest.raises(TrainError, match="cannot be read"):
        built(weights=str(broken))


def test_small_images_are_refused(files: Files) -> None:
    with pytest.raises(TrainError, match="15 x 15"):
        built(weights=str(files[1]))(images(size=15))
