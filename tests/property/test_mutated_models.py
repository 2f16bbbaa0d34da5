"""Damaged and forged models by the hundred: refused with an error, or students that still run.

What gets behind the seal is read by ONNX Runtime, and what that runs by OpenVINO, so that is done
in a process of its own, whose end by a fault of memory would be seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bfloat16_here import needs_bfloat16
from tiny_student import tiny_student

from radarid.errors import RadaridError
from radarid.live.onnx_file import seal
from radarid.live.onnx_graph import to_onnx
from radarid.live.onnx_student import load_onnx, pack

N_FORGED = 300


@pytest.fixture(scope="module")
def model() -> bytes:
    return pack(to_onnx(tiny_student()), tiny_student(), "float32", "f" * 16)


def mutate(raw: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes of bytes and lengths."""
    data = bytearray(raw)
    for kind in rng.choice(["flip", "cut", "insert", "zero", "number"], rng.integers(1, 4)):
        place, amount = int(rng.integers(len(data))), int(rng.integers(1, 40))
        if kind == "flip":
            data[place] ^= amount % 255 + 1
        elif kind == "cut":
            del data[place : place + amount]
        elif kind == "insert":
            data[place:place] = rng.bytes(amount)
        elif kind == "zero":
            data[place : place + amount] = bytes(len(data[place : place + amount]))
        else:
            data[place : place + 8] = b"\xff" * len(data[place : place + 8])
    return bytes(data)


def test_no_damage_passes(model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "d.onnx"
    for seed in range(400):
        data = mutate(model, np.random.default_rng(seed))
        if data == model:
            continue
        path.write_bytes(data)
        with pytest.raises(RadaridError):
            load_onnx(path)


def load_forged(source: Path, n_models: int, precision: str) -> None:
    """Load models that were changed behind their seal; print how many were refused, and ran."""
    bfloat16 = precision == "bfloat16"
    raw, path = source.read_bytes(), source.with_name("forged.onnx")
    counts = {"refused": 0, "ran": 0}
    for seed in range(n_models):
        path.write_bytes(seal(mutate(raw, np.random.default_rng(seed)), {}))
        try:
            student = load_onnx(path, 1, bfloat16=bfloat16)
            student.embed(np.zeros((1, 48, 48), np.uint8))
            counts["ran"] += 1
        except RadaridError:
            counts["refused"] += 1
    print(counts["refused"], counts["ran"])


@pytest.mark.parametrize(
    "precision", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)]
)
def test_forged_models_are_refused_or_run(model: bytes, precision: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model)
    done = subprocess.run(
        [sys.executable, __file__, str(path), precision], capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    n_refused, n_ran = (int(word) for word in done.stdout.split()[-2:])
    assert n_refused + n_ran == N_FORGED
    assert min(n_refused, n_ran) > N_FORGED / 20  # both happen


if __name__ == "__main__":
    load_forged(Path(sys.argv[1]), N_FORGED, sys.argv[2])
