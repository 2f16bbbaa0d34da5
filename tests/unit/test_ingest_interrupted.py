"""Ingest stopped, killed or run twice at once: nothing finished is lost, nothing is mixed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from walk_files import DSP, content, recordings, write_three

from radarid.data import ingest as module
from radarid.data.ingest import ingest
from radarid.data.sources import RawFiles
from radarid.data.store import GaitStore
from radarid.errors import StoreError


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_three(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted store of the three walks."""
    out = tmp_path_factory.mktemp("whole") / "gait.h5"
    report = ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert [o.status for o in report.outcomes] == ["done"] * 3, report
    return out


def test_an_interrupted_run_goes_on_where_it_stopped(
    whole: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "gait.h5"
    worked: list[str] = []
    original = module.process

    def stop_at_w2(recording: RawFiles, *rest: object) -> object:
        worked.append(recording.name)
        if worked == ["w1", "w2"]:
            raise KeyboardInterrupt
        return original(recording, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "process", stop_at_w2)
    with pytest.raises(KeyboardInterrupt):
        ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert not out.exists()
    report = ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert worked == ["w1", "w2", "w2", "w3"]
    assert [o.status for o in report.outcomes] == ["done"] * 3
    assert content(out) == content(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["gait.h5"]


@pytest.mark.parametrize("moment", ["absorb", "fsync", "replace"])
def test_a_run_stopped_while_writing_leaves_the_old_store(
    moment: str, whole: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "gait.h5"
    ingest(recordings(raw, "w1"), out, DSP)
    before = content(out)
    n_calls = 0

    def stop(*_: object) -> None:
        nonlocal n_calls
        n_calls += 1
        raise KeyboardInterrupt

    targets = {"absorb": (GaitStore, "absorb"), "fsync": (os, "fsync")}
    if moment == "replace":
        replace = Path.replace
        monkeypatch.setattr(
            Path, "replace", lambda a, b: stop() if b == out else replace(a, b)
        )
    else:
        monkeypatch.setattr(*targets[moment], stop)
    with pytest.raises(KeyboardInterrupt):
        ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert n_calls == 1
    assert content(out) == before
    monkeypatch.undo()
    if moment != "absorb":  # parts are appended while others are being worked on
        monkeypatch.setattr(module, "process", None)  # the parts are enough
    ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert content(out) == content(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["gait.h5"]


KILLED = """
import sys, time, dataclasses
from pathlib import Path
sys.path.insert(0, {tests!r})
from unit import test_ingest_interrupted as t
original = t.module.process
def hang(recording, *rest):
    if recording.name == "w3":
        Path({marker!r}).touch()
        time.sleep(600)
    return original(recording, *rest)
t.module.process = hang
t.ingest(t.recordings(Path({raw!r}), "w1", "w2", "w3"), Path({out!r}), t.DSP)
"""


def test_a_killed_process_loses_nothing_that_was_finished(
    whole: Path, raw: Path, tmp_path: Path
) -> None:
    out, marker = tmp_path / "gait.h5", tmp_path / "hanging"
    tests = str(Path(__file__).parents[1])
    code = KILLED.format(tests=tests, marker=str(marker), raw=str(raw), out=str(out))
    victim = subprocess.Popen([sys.executable, "-c", code])
    while not marker.exists():
        assert victim.poll() is None
        time.sleep(0.05)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    marker.unlink()
    parts = tmp_path / "gait.h5.parts"
    assert len(list(parts.glob("*.h5"))) == 2
    assert all(p.stat().st_mode & 0o077 == 0 for p in (parts, *parts.iterdir()))
    ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert content(out) == content(whole)


ORPHANS = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from unit import test_ingest_interrupted as t
from radarid.data.pool import Workers
with Workers(2) as workers:
    list(workers.map(t.tell_and_wait, [{folder!r}] * 2))
"""


def tell_and_wait(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    code = ORPHANS.format(tests=tests, folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code])
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.05)
    workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    for worker in alive:
        worker.kill()
    assert not alive


def test_two_at_once_are_refused(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "gait.h5"
    with (
        module._locked(tmp_path / "gait.h5.parts"),
        pytest.raises(StoreError, match="another ingest is writing"),
    ):
        ingest(recordings(raw, "w1"), out, DSP)
    ingest(recordings(raw, "w1"), out, DSP)
