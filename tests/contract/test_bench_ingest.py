"""The ingest bench runs as a command, and its stopwatch counts every second once."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "benches" / "ingest_throughput.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ingest_throughput", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quick_run(bench: ModuleType, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    command = [sys.executable, str(BENCH), "--quick", "--jobs", "1", "2", "--folder", str(tmp_path),
               "--json", str(report_file)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(report_file.read_text())
    # 30 frames of 33 ms
    assert (report["files"], report["radar_s"]) == (2, pytest.approx(0.99))
    assert sorted(report["jobs"]) == ["1", "2"]
    assert set(report["stages_ms_per_radar_s"]) == {stage.strip() for stage in bench.STAGES}
    assert all(cost > 0 for cost in report["stages_ms_per_radar_s"].values())
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_every_second_belongs_to_one_part(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0

    def work(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    monkeypatch.setattr(bench.time, "thread_time", lambda: now_s)
    watch = bench.Stopwatch()
    inner = watch.wrap("inner", work)

    def frames() -> Iterator[int]:
        for k in range(2):
            inner(10.0)
            yield k

    def consume() -> None:
        work(1.0)
        for _ in frames():
            work(2.0)
        failing = watch.wrap("failing", int)
        with pytest.raises(ValueError, match="no number"):
            failing("no number")

    watch.wrap("outer ", consume)()
    assert watch.cpu_s == {"inner": 20.0, "outer": 5.0, "failing": 0.0}
