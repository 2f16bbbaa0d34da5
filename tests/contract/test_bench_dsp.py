"""The throughput bench runs as a command, and its contenders agree before they are timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radarid.bench import chain, lineup, timing
from radarid.bench.timing import Sample

BENCH = Path(__file__).parents[2] / "benches" / "dsp_throughput.py"


def test_quick_run(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    subprocess.run(
        [sys.executable, str(BENCH), "--quick", "--json", str(report_file)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(report_file.read_text())
    names = {one.name for one in lineup.CONTENDERS}
    assert set(report["whole"]["contenders"]) | set(report["skipped"]) == names
    assert {lineup.ONE, lineup.TWO, lineup.SCIPY_THREADS} <= set(report["whole"]["contenders"])
    assert all(db["max"] < 0.02 for db in report["whole"]["equality"].values())
    assert report["whole"]["contenders"][lineup.TWO]["over_radarid_2t"]["median"] == 1


def test_a_wrong_image_stops_the_bench() -> None:
    image = np.random.default_rng(0).uniform(-40, 0, (256, 256))
    assert chain.check_equality({"same": image}, image)["same"]["max"] == 0
    with pytest.raises(chain.ContendersDisagreeError, match="mirrored"):
        chain.check_equality({"same": image, "mirrored": image[::-1]}, image)


def test_ratios_are_those_of_the_same_round() -> None:
    """10/5, 12/3 and 8/8: 2, 4 and 1; the ratio of the medians would be 10/5."""
    ours = [Sample(wall_s, wall_s, 0.0) for wall_s in (5.0, 3.0, 8.0)]
    other = [Sample(wall_s, wall_s, 0.0) for wall_s in (10.0, 12.0, 8.0)]
    assert timing.paired(other, ours) == {"median": 2.0, "min": 1.0, "max": 4.0}
