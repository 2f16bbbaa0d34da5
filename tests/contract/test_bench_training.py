"""The training bench runs as a command, and what it calls FaceNet in the loop is that."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from radarid.learn.config import FaceUse
from radarid.learn.face_bank import FaceBank

BENCH = Path(__file__).parents[2] / "benches" / "training.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_bench", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["training_bench"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_quick_run(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    command = [sys.executable, str(BENCH), "--quick", "--json", str(report_file)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(report_file.read_text())
    assert list(report["students"]) == ["resnet18"]
    assert list(report["loading"]) == [
        "as they are, 0 workers", "every variation, 0 workers", "degraded, 0 workers"
    ]  # fmt: skip
    rows = [*report["students"].values(), *report["loading"].values(),
            *report["cache"]["32"].values()]  # fmt: skip
    for row in rows:
        assert row["least_s"] <= row["seconds"] <= row["most_s"]
        assert row["clips_per_s"] == pytest.approx(4 * 2 / row["seconds"])
        assert 0 <= row["loading_share"] < 1
    assert set(report["cache"]["32"]) == {"on", "off"}
    assert report["embedding"]["n_faces"] == 32 * 9


class CountingTeacher:
    """Counts the crops that it is shown."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.n_crops = 0

    def measure(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.n_crops += len(crops)
        return np.ones((len(crops), 512), np.float32), np.ones(len(crops), np.float32)


def test_the_loop_shows_faces_to_the_teacher_at_every_step_and_the_cache_never(
    bench: ModuleType,
) -> None:
    teacher, rng = CountingTeacher(), np.random.default_rng(0)
    bank = FaceBank(torch.ones(5, 3, 512))
    crops = rng.integers(0, 256, (5, 160, 160, 3)).astype(np.uint8)
    live = bench.LiveFaces(bank, crops, teacher, FaceUse())
    sizes = bench.Sizes(32, 4, 2, 1, "cpu")
    bench.epochs(sizes, bench.CachedFaces(bank), "resnet18")
    assert teacher.n_crops == 0
    bench.epochs(sizes, live, "resnet18")
    assert teacher.n_crops == 2 * 2 * 4  # two epochs of two batches of four
