"""Motion capture of real people: their legs, speeds and strides are those that the table lists."""

import csv
from pathlib import Path

import numpy as np
import pytest

from capture.simulate import mocap
from capture.simulate.motion import BodyMotion, stride_hz

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, str], dict[str, str]]:
    with (SHARED / "mocap" / "trials.csv").open(encoding="utf-8") as file:
        return {(row["subject"], row["trial"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def walks() -> list[mocap.MocapWalk]:
    return mocap.list_walks(SHARED / "mocap")


@pytest.fixture(scope="module")
def cmu(walks: list[mocap.MocapWalk]) -> list[tuple[mocap.MocapWalk, BodyMotion]]:
    return [(walk, walk.load()) for walk in walks if walk.source == "cmu"]


@pytest.fixture(scope="module")
def qtm25(walks: list[mocap.MocapWalk]) -> list[tuple[mocap.MocapWalk, BodyMotion]]:
    chosen = [walk for walk in walks if walk.source == "qtm25"][::8]
    return [(walk, walk.load()) for walk in chosen]


@real_data
def test_everybody_is_listed(
    walks: list[mocap.MocapWalk], table: dict[tuple[str, str], dict[str, str]]
) -> None:
    assert len({walk.subject_id for walk in walks}) == 33
    assert sum(walk.source == "qtm25" for walk in walks) == 419
    # 67 trials, of which four people have only one, given as two halves.
    halves = [walk for walk in walks if walk.part != (0.0, 1.0)]
    assert sum(walk.source == "cmu" for walk in walks) == 67 + 4
    assert {walk.subject_id for walk in halves} == {"CMU05", "CMU06", "CMU10", "CMU55"}
    assert len({(walk.subject_id, walk.take) for walk in walks}) == len(walks)
    for walk in walks:
        row = table[walk.subject_id, walk.take.rstrip("ab")]
        share = walk.part[1] - walk.part[0]
        assert walk.duration_s == pytest.approx(share * float(row["seconds"]), abs=0.006)
        assert walk.session == ("d1" if walk.source == "cmu" else f"d{row['session']}")


@real_data
def test_speeds_and_stride_rates_agree_with_the_table(
    cmu: list[tuple[mocap.MocapWalk, BodyMotion]],
    qtm25: list[tuple[mocap.MocapWalk, BodyMotion]],
    table: dict[tuple[str, str], dict[str, str]],
) -> None:
    differences = []
    for walk, motion in [*cmu, *qtm25]:
        if walk.part != (0.0, 1.0):
            continue
        row = table[walk.subject_id, walk.take]
        assert motion.mean_speed_mps == pytest.approx(float(row["speed_mps"]), abs=0.025)
        differences.append(stride_hz(motion) - float(row["stride_hz"]))
    # The table's rates come from another method and are rounded to 0.01.
    assert np.abs(differences).max() < 0.06
    assert np.median(np.abs(differences)) < 0.02


@real_data
def test_two_halves_are_one_trial(cmu: list[tuple[mocap.MocapWalk, BodyMotion]]) -> None:
    halves = [motion for walk, motion in cmu if walk.take in ("05_01a", "05_01b")]
    # 503 frames in the table.
    assert sum(motion.time_s.size for motion in halves) == 503
    for motion in halves:
        longer = motion.extend(6.0)
        assert longer.duration_s >= 6.0
        assert longer.mean_speed_mps == pytest.approx(motion.mean_speed_mps, rel=0.1)
        assert top_speed(longer) < 8.0


def top_speed(motion: BodyMotion) -> float:
    even = motion.at(np.arange(motion.time_s[0], motion.time_s[-1], 0.01))
    return float(np.linalg.norm(np.gradient(even, 0.01, axis=0), axis=2).max())


@real_data
def test_cmu_legs_are_rigid_and_as_long_as_the_table_says(
    cmu: list[tuple[mocap.MocapWalk, BodyMotion]], table: dict[tuple[str, str], dict[str, str]]
) -> None:
    for walk, motion in cmu:
        thigh = np.linalg.norm(motion.joint("l_knee") - motion.joint("l_hip"), axis=1)
        shank = np.linalg.norm(motion.joint("l_ankle") - motion.joint("l_knee"), axis=1)
        assert np.ptp(thigh) < 1e-6
        assert np.ptp(shank) < 1e-6
        row = table[walk.subject_id, walk.take.rstrip("ab") if walk.part != (0, 1) else walk.take]
        assert thigh[0] + shank[0] == pytest.approx(float(row["leg_m"]), abs=0.001)


@real_data
@pytest.mark.parametrize("source", ["cmu", "qtm25"])
def test_real_walkers_walk(source: str, request: pytest.FixtureRequest) -> None:
    for walk, motion in request.getfixturevalue(source):
        pelvis = motion.joint("pelvis")
        np.testing.assert_allclose(pelvis[0, :2], 0.0, atol=1e-9)
        assert pelvis[-1, 1] > 1.0
        assert abs(pelvis[-1, 0]) < 0.35
        assert 0.7 < np.median(pelvis[:, 2]) < 1.25
        assert (motion.joint("r_hip")[:, 0] - motion.joint("l_hip")[:, 0]).min() > 0.02
        lead = {name: motion.joint(name)[:, 1] - pelvis[:, 1]
                for name in ("l_ankle", "r_ankle", "l_wrist", "r_wrist")}
        assert np.corrcoef(lead["l_ankle"], lead["r_ankle"])[0, 1] < -0.5, walk
        feet = np.stack([motion.joint(f"{side}_toe")[:, 2] for side in "lr"]).min(axis=0)
        assert feet.min() > -0.05, walk
        assert np.percentile(feet, 95) < 0.12, walk
        # Once a stride each foot leads: two changes of lead, but for the ends of the walk.
        changes = np.count_nonzero(np.diff(np.sign(lead["l_ankle"] - lead["r_ankle"])))
        assert abs(changes - 2 * stride_hz(motion) * motion.duration_s) < 3.0, walk
        assert top_speed(motion) < 8.0, walk


@real_data
def test_completed_feet_stand_while_they_carry(
    qtm25: list[tuple[mocap.MocapWalk, BodyMotion]],
) -> None:
    for walk, motion in qtm25:
        steady = slice(motion.time_s.size // 4, -motion.time_s.size // 4)
        for side in "lr":
            ankle = np.gradient(motion.joint(f"{side}_ankle"), 0.01, axis=0)[steady, :2]
            slow = np.percentile(np.linalg.norm(ankle, axis=1), 20)
            assert slow < 0.45 * motion.mean_speed_mps, walk


@real_data
def test_two_days_are_two_sessions(walks: list[mocap.MocapWalk]) -> None:
    days = {(walk.subject_id, walk.session) for walk in walks if walk.source == "qtm25"}
    assert len(days) == 2 * 21
