"""Ingest over a Dask cluster: the store of a single process, whoever did the work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner
from walk_files import DSP, recordings, write_three

from radarid.cli import app
from radarid.data import cluster
from radarid.data.ingest import ingest
from radarid.errors import IngestError

distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
HOST = "127.0.0.44"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_three(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def alone(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that one process makes."""
    out = tmp_path_factory.mktemp("alone") / "gait.h5"
    ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    return out


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Scheduler of two processes of one thread each, as far as Dask knows on other machines."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host=HOST, dashboard_address=":0", processes=True
    ) as running:
        yield running.scheduler_address


def raw_content(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Type, shape and bytes of every data set and attribute but the histories."""
    items: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        items.update({f"@{name}": np.asarray(value) for name, value in file.attrs.items()})
        file.visititems(lambda name, item: items.__setitem__(name, np.asarray(item[()]))
                        if isinstance(item, h5py.Dataset) else None)
    del items["@history"], items["recordings/history"]
    return {
        name: (str(item.dtype), item.shape,
               repr(item.tolist()).encode() if item.dtype.hasobject else item.tobytes())
        for name, item in items.items()
    }


def test_a_cluster_makes_the_store_of_one_process(
    alone: Path, raw: Path, address: str, tmp_path: Path
) -> None:
    out = tmp_path / "gait.h5"
    report = ingest(recordings(raw, "w1", "w2", "w3"), out, DSP, dask=address)
    assert [o.status for o in report.outcomes] == ["done"] * 3, report
    content = raw_content(out)
    assert content == raw_content(alone)
    assert len(content["clips/spectrogram"][2]) == 9 * 32 * 32  # three clips a walk
    assert [p.name for p in tmp_path.iterdir()] == ["gait.h5"]


def test_the_command_takes_relative_paths(
    alone: Path, raw: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(raw)
    out = os.path.relpath(tmp_path / "gait.h5", raw)
    small = [f"--set={key}={getattr(DSP, key)}"
             for key in ("clip_s", "hop_s", "image_size", "window_chirps")]
    done = CliRunner().invoke(
        app, ["ingest", "w1.bin", "w2.bin", "w3.bin", "-o", out, "--dask", address, *small]
    )
    assert done.exit_code == 0, done.output
    assert raw_content(tmp_path / "gait.h5") == raw_content(alone)


def test_the_history_is_that_of_the_command_that_was_given(
    raw: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/radarid", "ingest", "w1.bin"])
    ingest(recordings(raw, "w1"), tmp_path / "gait.h5", DSP, dask=address)
    with h5py.File(tmp_path / "gait.h5") as file:
        assert "[radarid ingest w1.bin]" in file["recordings/history"].asstr()[0]


def test_what_cannot_be_read_fails_alone(raw: Path, address: str, tmp_path: Path) -> None:
    wanted = [*recordings(raw, "w1"), *recordings(tmp_path, "missing"), *recordings(raw, "w1")]
    report = ingest(wanted, tmp_path / "gait.h5", DSP, dask=address)
    assert [o.status for o in report.outcomes] == ["done", "failed", "skipped"]
    assert "missing.bin" in report.failed[0].reason


def die(_: int) -> None:
    os._exit(1)


def test_a_worker_that_dies_again_and_again_is_one_clear_error(
    address: str, tmp_path: Path
) -> None:
    with (
        cluster.dask_workers(address, tmp_path) as workers,
        pytest.raises(IngestError, match="a process was killed"),
    ):
        workers.result(workers.submit(die, 0))


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    for address in (f"{HOST}:1", "nonsense"):
        with (
            pytest.raises(IngestError, match="no Dask scheduler answers.*dask scheduler"),
            cluster.dask_workers(address, tmp_path),
        ):
            pass


def test_workers_with_other_versions_or_other_files_are_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(IngestError, match=r"does not see the folder.*expected .*nowhere"),
        cluster.dask_workers(address, tmp_path / "nowhere"),
    ):
        pass
    own = cluster.versions() | {"numpy": "1.0", "h5py": "2.0"}
    monkeypatch.setattr(cluster, "versions", lambda: own)
    with (
        pytest.raises(IngestError, match=r"other versions.*numpy \d\S+ != 1.0, h5py \d\S+ != 2.0"),
        cluster.dask_workers(address, tmp_path),
    ):
        pass


def test_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, host=HOST, dashboard_address=":0") as empty,
        pytest.raises(IngestError, match="has no workers"),
        cluster.dask_workers(empty.scheduler_address, tmp_path),
    ):
        pass


def test_without_dask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(IngestError, match=r"Dask is not installed.*radarid\[cluster\]"),
        cluster.dask_workers(f"{HOST}:1", tmp_path),
    ):
        pass


def test_ingest_needs_no_dask(raw: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['distributed'] = sys.modules['dask'] = None\n"
        "from radarid.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "ingest", str(raw / "w1.bin"), "-o", "gait.h5", "-j", "1"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )
    assert (tmp_path / "gait.h5").is_file(), done.stderr
