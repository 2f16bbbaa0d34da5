"""The throughput bench runs as a command, and its contenders agree before they are timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radarid.bench import chain, goals, lineup, timing
from radarid.bench.job import Job, differences_db
from radarid.bench.timing import Patience, Sample
from radarid.bench.workload import evenly_spaced, gapped, write_capture

BENCH = Path(__file__).parents[2] / "benches" / "dsp_throughput.py"


@pytest.mark.slow
def test_quick_run(tmp_path: Path) -> None:
    report_file, picture = tmp_path / "report.json", tmp_path / "report.png"
    done = subprocess.run(
        [sys.executable, str(BENCH), "--quick", "--json", str(report_file), "--picture", picture],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(report_file.read_text())
    names = {one.name for one in lineup.CONTENDERS}
    whole = report["whole"]
    assert set(whole["contenders"]) | set(report["skipped"]) == names
    assert {lineup.ONE, lineup.TWO, lineup.SCIPY_THREADS} <= set(whole["contenders"])
    assert all(db["max"] < 0.02 for db in whole["equality"].values())
    assert whole["contenders"][lineup.TWO]["over_radarid_2t"]["median"] == 1
    measured = {row["goal"] for row in report["goals"] if row["met"] != "not measured"}
    absent = {f"faster than {name}" for name in report["skipped"]}
    assert measured | absent >= {goal.name for goal in goals.GOALS}
    assert picture.stat().st_size > 10_000
    assert all(goal.name in done.stdout for goal in goals.GOALS)


def test_a_wrong_image_stops_the_bench() -> None:
    image = np.random.default_rng(0).uniform(-40, 0, (256, 256))
    assert chain.check_equality({"same": image}, image)["same"]["max"] == 0
    with pytest.raises(chain.ContendersDisagreeError, match="mirrored"):
        chain.check_equality({"same": image, "mirrored": image[::-1]}, image)


def test_ratios_are_those_of_the_same_round() -> None:
    """20/5, 6/3 and 8/8: 4, 2 and 1; the ratio of the medians would be 8/5."""
    ours = [Sample(wall_s, wall_s, 0.0) for wall_s in (5.0, 3.0, 8.0)]
    other = [Sample(wall_s, wall_s, 0.0) for wall_s in (20.0, 6.0, 8.0)]
    assert timing.paired(other, ours) == {"median": 2.0, "min": 1.0, "max": 4.0}


def test_rounds_rotate_and_turn_round_and_warm_up_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_LEAST_S", 0.0)
    calls: list[str] = []

    def does(what: str) -> Any:
        return lambda: calls.append(what)

    runs, warm_up = {k: does(k) for k in "abc"}, {k: does(f"warm {k}") for k in "abc"}
    samples = timing.rounds(runs, warm_up, 3, Patience(0.0))
    assert [len(own) for own in samples.values()] == [3, 3, 3]
    assert [call for call in calls[3:] if len(call) == 1] == [*"abc", *"acb", *"cab"]
    assert all(calls[k - 1] == f"warm {calls[k]}" for k in range(4, len(calls), 2))


def test_cpu_time_counts_and_sleep_does_not() -> None:
    """A sleeping run has wall time and hardly any CPU time; two runs are one run's share."""
    import time

    one = timing.sample(lambda: time.sleep(0.05), n_times=2)
    assert one.wall_s >= 0.05
    assert one.cpu_s < 0.02


def test_goal_verdicts() -> None:
    speed = goals.Goal("speed", "x", 2.0, 3.0, lambda report: report.get("x"), is_speed=True)
    small = goals.Goal("small", "ms", 5.0, 2.0, lambda report: report.get("x"))
    verdicts = {value: (speed.row({"x": value})["met"], small.row({"x": value})["met"])
                for value in (1.0, 2.5, 3.0, 6.0)}  # fmt: skip
    assert verdicts == {
        1.0: ("no", "aim"), 2.5: ("yes", "yes"), 3.0: ("aim", "yes"), 6.0: ("aim", "no"),
    }  # fmt: skip
    assert speed.row({})["met"] == "not measured"


def test_the_reference_workload_is_the_one_of_the_goals(tmp_path: Path) -> None:
    """200 chirps of 165 us, 64 bins; (10 frames * 200 - 256) / 16 + 1 = 110 windows."""
    workload = evenly_spaced()
    assert workload.radar.is_continuous
    assert workload.radar.slow_time_interval_s == pytest.approx(165e-6)
    path = tmp_path / "walk.bin"
    write_capture(path, workload.radar, 10)
    job = Job(path, workload)
    assert path.stat().st_size == 10 * 200 * 4 * 256 * 4
    assert (job.n_bins, job.n_fft, job.window, job.grid.hop) == (64, 256, 256, 16)
    assert job.n_ffts == (10 * 200 * 4, 110 * 4 * 64)
    assert job.flop == (8_000 + 28_160) * 5 * 256 * 8


@pytest.mark.parametrize("workload", [evenly_spaced(), gapped()], ids=lambda one: one.name)
def test_the_reference_image_shows_the_walker(workload: Any, tmp_path: Path) -> None:
    """Fastest at t = 3 s: 2.5 m * 2 pi / 12 s = 1.309 m/s away, in the brightest row then."""
    path = tmp_path / "walk.bin"
    write_capture(path, workload.radar, workload.n_frames(3.3))
    job = Job(path, workload)
    image = job.reference()
    column = int(np.argmin(np.abs(job.time_s - 3.0)))
    velocity = np.linspace(-4, 4, 256)
    brightest = velocity[image[:, column - 3 : column + 4].mean(axis=1).argmax()]
    width = workload.radar.wavelength_m / 2 / (job.window * job.grid.interval_s)
    assert abs(brightest - 1.309) < width
    engine = lineup.by_name(lineup.ONE).make(job)()
    assert differences_db(engine, image)["max"] < 0.02


def test_the_peak_kernel_does_what_it_counts() -> None:
    """v -> a v + b from 0 on, n times: b (1 - a^n) / (1 - a), in every lane of every chain."""
    from radarid.dsp import kernels_peak

    n_rounds = 1000
    n = n_rounds * kernels_peak.FLOP_PER_ROUND // (2 * kernels_peak.LANES * kernels_peak.N_CHAINS)
    values = np.zeros(kernels_peak.LANES * kernels_peak.N_CHAINS, np.float32)
    kernels_peak.multiply_add(n_rounds, values)
    a, b = float(np.float32(0.999999)), 1e-6
    np.testing.assert_allclose(values, b * (1 - a**n) / (1 - a), rtol=5e-3)
