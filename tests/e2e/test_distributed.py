"""Two processes train what one does: same batches, same losses over all clips, same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import distributed_job
import pytest
import torch
from safetensors.torch import load_file
from toy_store import make_store

from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.errors import TrainError
from radarid.learn import distributed
from radarid.learn.config import TrainConfig
from radarid.learn.loader import EpochBatches
from radarid.learn.trainer import train
from radarid.learn.training_data import load_training_data

TESTS = Path(__file__).parents[1]


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in two processes of one thread each, over loopback."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
    return subprocess.run(
        [*launch, "--nproc-per-node", "2", *command],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "gait.h5", n_walks=5, n_clips=2)


def result(folder: Path, rank: int) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    lines = json.loads((folder / f"{rank}.json").read_text())
    for line in lines:
        del line["seconds"], line["loading_share"]
    return load_file(folder / f"{rank}.safetensors"), lines


@pytest.mark.slow
def test_two_processes_come_to_the_weights_of_one(store: Path, tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    alone.mkdir()
    both.mkdir()
    try:
        distributed_job.main(store, alone)
    finally:
        torch.set_default_dtype(torch.float32)
    done = torchrun(str(TESTS / "distributed_job.py"), str(store), str(both))
    assert done.returncode == 0, done.stderr[-3000:]
    expected, expected_lines = result(alone, 0)
    for rank in (0, 1):
        found, lines = result(both, rank)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            # float64 throughout; Adam divides by gradients, of which some are rounding alone.
            assert torch.allclose(found[name], value, rtol=1e-6, atol=1e-9), name
        for line, same in zip(lines, expected_lines, strict=True):
            assert line["losses"] == pytest.approx(same["losses"], rel=1e-9)
            for key in ("loss", "gradient_norm", "val_cross_entropy", "train_accuracy"):
                assert line[key] == pytest.approx(same[key], rel=1e-9), key
    ours, theirs = result(both, 0)[0], result(both, 1)[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    # The test can fail: what was trained is far from where it began.
    assert max(float(v.abs().max()) for n, v in expected.items() if n.startswith("gradient")) > 1e-3


@pytest.mark.slow
def test_the_command_runs_in_two_processes_and_speaks_once(store: Path, tmp_path: Path) -> None:
    changes = ("model.input.size=32", "optim.n_epochs=2", "optim.batch_size=8", "optim.lr=1e-6",
               "runtime.log_tensorboard=true")  # fmt: skip
    options = [each for change in changes for each in ("--set", change)]
    out = tmp_path / "run"
    done = torchrun("-m", "radarid", "train", "baseline", "--store", str(store), "--out", str(out),
                    *options, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["n_train"] == 18
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 2
    assert (out / "student.json").is_file()
    assert done.stderr.count("epoch 1 of 2") == 1
    config = configs.load(TrainConfig, "train", "baseline", changes)
    alone = train(store, tmp_path / "alone", config)
    lines = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (out, alone.run)
    ]
    for found, same in zip(*lines, strict=True):  # float32, and steps too small to amplify it
        assert found["loss"] == pytest.approx(same["loss"], rel=1e-3)
    # What two processes left behind, one can go on with.
    assert train(store, out, None).candidates == report["candidates"]


def test_batches_that_cannot_be_shared_are_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 6)
    changes = ("model.input.size=32", "optim.batch_size=5", 'recipe="baseline"')
    config = configs.load(TrainConfig, "train", None, changes)
    with GaitStore.open(store) as opened:
        data = load_training_data(opened, config, None, tmp_path)
    with pytest.raises(TrainError, match="4 clips and 6 processes"):
        EpochBatches.draw(data, config, False, 0)


@pytest.mark.parametrize(("n", "size"), [(7, 3), (4, 4), (2, 3), (0, 2), (64, 1)])
def test_shares_make_up_the_whole(n: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    monkeypatch.setattr(distributed, "size", lambda: size)
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        part = list(range(n))[distributed.share(n)]
        assert len(part) in (n // size, n // size + 1)
        found += part
    assert found == list(range(n))
