"""torchvision and facenet_pytorch import wherever torch does; the stand-in operator is right."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from naive.nms import nms as naive_nms

from capture.camera import torchvision_guard
from capture.camera.torchvision_guard import import_torchvision, nms
from capture.errors import CaptureError


def random_boxes(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(2, 30, (n, 2))], axis=1)
    scores = rng.permutation(n) / n
    return torch.tensor(boxes, dtype=torch.float64), torch.tensor(scores, dtype=torch.float64)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("n", [1, 2, 40, 120])
def test_nms_equals_the_definition(n: int, threshold: float) -> None:
    boxes, scores = random_boxes(n, seed=n)
    assert nms(boxes, scores, threshold).tolist() == naive_nms(
        boxes.tolist(), scores.tolist(), threshold
    )


def test_nms_by_hand() -> None:
    # Boxes 0 and 1 share 8 x 10 of 100 + 100 - 80 = 120: IoU 2/3. Box 2 touches neither.
    boxes = torch.tensor([[0.0, 0, 10, 10], [2, 0, 12, 10], [20, 20, 30, 30]])
    scores = torch.tensor([0.8, 0.9, 0.1])
    assert nms(boxes, scores, 0.66).tolist() == [1, 2]
    assert nms(boxes, scores, 0.67).tolist() == [1, 0, 2]


def test_nms_of_nothing_is_nothing() -> None:
    kept = nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


def test_the_operator_torchvision_uses_keeps_classes_apart() -> None:
    torchvision = import_torchvision()
    assert import_torchvision() is torchvision
    boxes, scores = random_boxes(80, seed=3)
    classes = torch.arange(80) % 3
    kept = torchvision.ops.batched_nms(boxes, scores, classes, 0.3).tolist()
    expected = []
    for name in range(3):
        own = np.flatnonzero(classes.numpy() == name)
        picked = naive_nms(boxes[own].tolist(), scores[own].tolist(), 0.3)
        expected += [int(own[k]) for k in picked]
    assert sorted(kept) == sorted(expected)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_facenet_pytorch_imports_after_the_guard_even_when_torchvision_failed_before() -> None:
    code = (
        "try:\n    import torchvision\nexcept RuntimeError:\n    pass\n"
        "from capture.camera.torchvision_guard import import_torchvision\n"
        "tv = import_torchvision()\nimport facenet_pytorch, torch\n"
        "print(tv.ops.nms(torch.tensor([[0., 0, 4, 4], [0, 0, 4, 3]]), torch.tensor([.1, .2]), .5))"
    )
    assert run(code) == "tensor([1])"  # IoU 12 / 16: only the better of the two stays


def test_compiled_operators_that_load_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    imported: list[str] = []
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    monkeypatch.setattr(torchvision_guard, "_defined", [])
    monkeypatch.setattr(
        torchvision_guard.importlib, "import_module",
        lambda name: imported.append(name) or types.ModuleType(name),
    )
    import_torchvision()
    assert [Path(path).stem.partition(".")[0] for path in loaded] == ["_C"]
    assert torchvision_guard._defined == []
    assert imported == ["torchvision"]  # and its record of what it has is not touched


def test_missing_torchvision_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(CaptureError, match="torchvision is not installed; remedy pip install"):
        import_torchvision()
