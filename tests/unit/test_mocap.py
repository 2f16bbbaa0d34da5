"""Motion capture: kinematics worked by hand, completion of known legs, and the real people."""

import csv
from pathlib import Path

import numpy as np
import pytest

from capture.errors import SimulationError
from capture.simulate import asf, mocap, qtm
from capture.simulate.motion import JOINTS, BodyMotion, stride_hz

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")

# Units of 0.0254 make one unit one metre.
ASF = """:version 1.10
:units
  mass 1.0
  length 0.0254
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name upper
     direction 0 -1 0
     length 2
     axis 0 0 0 XYZ
     dof rx
  end
  begin
     id 2
     name lower   # a comment
     direction 1 0 0
     length 1
     axis 0 0 90 XYZ
     dof rx
  end
:hierarchy
  begin
    root upper
    upper lower
  end
"""
AMC = """:FULLY-SPECIFIED
:DEGREES
7
root 0 0 0 0 0 0
upper 0
lower 0
8
root 1 2 3 0 90 0
upper 90
lower 90
9
root 0 0 0 90 0 90
upper 0
lower 0
"""


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "tiny.asf").write_text(ASF)
    (tmp_path / "tiny.amc").write_text(AMC)
    return tmp_path / "tiny.asf", tmp_path / "tiny.amc"


def test_forward_kinematics_by_hand(tiny: tuple[Path, Path]) -> None:
    skeleton = asf.read_asf(tiny[0])
    ends = asf.forward_kinematics(skeleton, asf.read_amc(tiny[1], skeleton))
    # Frame 1: rest. Upper hangs 2 down, lower points 1 along x from there.
    # Frame 2: Ry(90) takes (x, y, z) to (z, y, -x), Rx(90) to (x, -z, y).
    #   upper: (0,-2,0) -Rx-> (0,0,-2) -Ry-> (-2,0,0); from the root (1,2,3): (-1,2,3).
    #   lower turns 90 about its own x, which its axis Rz(90) lays on y, so Ry(90) first:
    #   (1,0,0) -> (0,0,-1) -Rx-> (0,1,0) -Ry-> (0,1,0); ends at (-1,3,3).
    # Frame 3: the root turns about x first, then z. (0,-2,0) -Rx-> (0,0,-2) -Rz-> (0,0,-2);
    #   (1,0,0) -Rx-> (1,0,0) -Rz-> (0,1,0): lower ends at (0,1,-2).
    expected_upper = [[0, -2, 0], [-1, 2, 3], [0, 0, -2]]
    expected_lower = [[1, -2, 0], [-1, 3, 3], [0, 1, -2]]
    np.testing.assert_allclose(ends["root"], [[0, 0, 0], [1, 2, 3], [0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(ends["upper"], expected_upper, atol=1e-12)
    np.testing.assert_allclose(ends["lower"], expected_lower, atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("angle deg", "angle rad", "units not understood"),
        ("order TX TY TZ", "order TZ TY TX", "root not understood"),
        ("length 2", "length two", "bone not understood"),
        ("0 0 90 XYZ", "0 0 90 ZYX", "axis order"),
        ("upper lower", "upper hand", "unknown bone"),
        (":hierarchy", ":nothing", "not an .asf skeleton"),
    ],
)
def test_broken_skeletons_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "broken.asf"
    path.write_text(ASF.replace(old, new))
    with pytest.raises(SimulationError, match=message):
        asf.read_asf(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lower 90", "lower 90 1", "does not fit the skeleton"),
        ("lower 90\n", "", "frames missing"),
        ("upper 90", "upper ninety", "not a number"),
    ],
)
def test_broken_motions_are_refused(
    tiny: tuple[Path, Path], old: str, new: str, message: str
) -> None:
    tiny[1].write_text(AMC.replace(old, new))
    with pytest.raises(SimulationError, match=message):
        asf.read_amc(tiny[1], asf.read_asf(tiny[0]))


def test_smoothing_unwraps_turns_and_keeps_slow_motion() -> None:
    time_s = np.arange(600) / 120
    slow = 180 + 20 * np.sin(2 * np.pi * time_s)
    wrapped = (slow + 180) % 360 - 180
    root = np.zeros((600, 6))
    smooth = asf.smooth({"root": root, "arm": wrapped[:, None]}, 120.0)["arm"][:, 0]
    inner = slice(60, -60)
    # Gain of the Butterworth at 1 Hz run both ways: 1 / (1 + (1/12)^4) = 1 - 5e-5.
    offset = np.round((smooth - slow)[300] / 360) * 360
    np.testing.assert_allclose((smooth - offset)[inner], slow[inner], atol=0.02)


def test_a_turn_is_cut_off() -> None:
    straight = np.stack([np.zeros(400), np.arange(400) * 0.0125], axis=1)
    side = straight[-1] + np.stack([np.arange(1, 200) * 0.0125, np.zeros(199)], axis=1)
    kept = mocap.straight_part(np.concatenate([straight, side]), fps=100.0)
    # A window of 1 s that reaches d into the side leg turns by atan(d / (1 - d)): 20 degrees
    # at d = 0.267 s, so the part ends 0.267 s after the corner.
    assert kept.start == 0
    assert kept.stop == pytest.approx(427, abs=3)


def test_only_turns_are_refused() -> None:
    turn = np.linspace(0, 4 * np.pi, 400)  # 180 degrees a second
    with pytest.raises(SimulationError, match="no straight second"):
        mocap.straight_part(np.stack([np.cos(turn), np.sin(turn)], axis=1), fps=100.0)


def test_walker_frame_faces_ahead_from_the_origin() -> None:
    along = np.linspace(0, 4, 101)
    body = np.zeros((101, 2, 3))
    body[:, 0] = np.stack([5 - along, np.full(101, 3.0), np.full(101, 1.4)], axis=1)
    body[:, 1] = body[:, 0] + [0.0, 0.2, -0.9]  # walks towards -x: +y is its right hand
    turned = mocap.to_walker_frame(body)
    np.testing.assert_allclose(turned[-1, 0, :2], [0.0, 4.0], atol=1e-12)
    np.testing.assert_allclose(turned[:, 1, 0], 0.2, atol=1e-12)
    np.testing.assert_allclose(turned[:, :, 2], [[0.92, 0.02]] * 101, atol=1e-12)


def test_a_sloping_floor_is_levelled() -> None:
    time_s = np.arange(400) / 100
    turn = 2 * np.pi * 0.9 * time_s
    body = np.zeros((400, len(JOINTS), 3))
    body[..., 1] = 1.3 * time_s[:, None]
    body[..., 2] = 1.0
    for name, lag in (("l_ankle", 0.0), ("r_ankle", np.pi)):
        # y' = 1.3 (1 - cos)  is 0 once a stride, where the foot is lowest too.
        foot = body[:, JOINTS.index(name)]
        foot[:, 1] -= 1.3 / (2 * np.pi * 0.9) * np.sin(turn + lag)
        foot[:, 2] = 0.08 + 0.1 * (1 - np.cos(turn + lag)) / 2
    angle = np.deg2rad(2.0)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                     [0, np.sin(angle), np.cos(angle)]])
    levelled = mocap.level(body @ tilt.T)
    # The feet stand at a few places only: the slope is found to about 0.1 degree.
    drift = np.polynomial.Polynomial.fit(time_s * 1.3, levelled[:, 0, 2], 1).convert().coef[1]
    assert abs(np.rad2deg(drift)) < 0.15


def test_short_holes_are_bridged_and_long_ones_refused() -> None:
    time = np.arange(100.0)
    track = np.stack([time**2, time, 3 - time], axis=1) * 1e-3
    holed = track.copy()
    holed[40:55] = np.nan
    np.testing.assert_allclose(qtm.fill_holes(holed, "ias"), track, atol=1e-12)
    holed[40:70] = np.nan
    with pytest.raises(SimulationError, match="'ias' is lost for too long; got 0.30 s"):
        qtm.fill_holes(holed, "ias")
    at_end = track.copy()
    at_end[95:] = np.nan
    with pytest.raises(SimulationError, match="at an end"):
        qtm.fill_holes(at_end, "ias")


def test_phase_follows_a_walk_that_speeds_up() -> None:
    time_s = np.arange(600) / 100
    strides = 0.8 * time_s + 0.02 * time_s**2
    phase, swing = qtm.swing_phase(time_s, 0.1 + 0.4 * np.cos(2 * np.pi * strides))
    error = phase - strides - np.round(phase - strides)
    np.testing.assert_allclose(error[100:-100], 0.0, atol=0.02)
    np.testing.assert_allclose(error, 0.0, atol=0.08)
    np.testing.assert_allclose(swing[100:-100], 0.4, rtol=0.05)
    assert (np.diff(phase) > 0).all()


def known_markers(side: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Markers of a leg whose thigh pitch and knee flexion are known cosines."""
    time_s = np.arange(700) / 100
    turn = 2 * np.pi * 0.9 * time_s
    pitch = 0.1 + 0.4 * np.cos(turn)
    flexion = np.deg2rad(30 - 25 * np.cos(turn + 2.0))
    out = 1.0 if side == "R" else -1.0
    hip = np.stack([np.full(700, 0.09 * out), 1.1 * time_s, np.full(700, 0.9)], axis=1)

    def swung(angle: np.ndarray, right: float, ahead: float, up: float) -> np.ndarray:
        across = np.full(700, right)
        return np.stack([across, np.cos(angle) * ahead - np.sin(angle) * up,
                         np.sin(angle) * ahead + np.cos(angle) * up], axis=1)

    knee = hip + swung(pitch, 0.0, 0.0, -0.42)
    shank = pitch - flexion
    # Bell's offsets the other way round, for an inter-ASIS distance of 0.24 m.
    tracks = {
        "ias": hip + 0.24 * np.array([0.14 * out, 0.19, 0.30]),
        "ftc": hip + swung(pitch, 0.07 * out, 0.0, -0.03),
        "fle": knee + swung(pitch, 0.05 * out, 0.0, 0.0),
        "fme": knee + swung(pitch, -0.05 * out, 0.0, 0.0),
        "fax": knee + swung(shank, 0.05 * out, -0.02, -0.04),
        "ttc": knee + swung(shank, 0.0, 0.04, -0.06),
    }
    axes = {name: np.stack([t[:, 1], -t[:, 0], t[:, 2]], axis=1) for name, t in tracks.items()}
    return axes, pitch, flexion


def angles_of(motion: BodyMotion, side: str) -> tuple[np.ndarray, np.ndarray]:
    hip, knee, ankle = (motion.joint(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    thigh, shank = knee - hip, ankle - knee
    pitch = np.arctan2(thigh[:, 1], -thigh[:, 2])
    return pitch, pitch - np.arctan2(shank[:, 1], -shank[:, 2])


@pytest.mark.parametrize("side", ["L", "R"])
def test_a_known_leg_is_recovered_and_mirrored_in_time(side: str) -> None:
    markers, pitch, flexion = known_markers(side)
    motion = qtm.complete(markers, side)
    own, other = ("l", "r") if side == "L" else ("r", "l")
    inner = slice(60, -60)
    found_pitch, found_flexion = angles_of(motion, own)
    np.testing.assert_allclose(found_pitch[inner], pitch[inner], atol=0.01)
    np.testing.assert_allclose(found_flexion[inner], flexion[inner], atol=0.01)
    # Half a stride of 1/0.9 s later: the cosines change sign.
    turn = 2 * np.pi * 0.9 * motion.time_s
    other_pitch, other_flexion = angles_of(motion, other)
    middle = slice(120, -120)
    np.testing.assert_allclose(other_pitch[middle], (0.1 - 0.4 * np.cos(turn))[middle], atol=0.03)
    expected = np.deg2rad(30 + 25 * np.cos(turn + 2.0))
    np.testing.assert_allclose(other_flexion[middle], expected[middle], atol=0.03)
    assert (motion.joint("r_hip")[:, 0] > motion.joint("l_hip")[:, 0]).all()
    thigh = motion.joint(f"{own}_knee") - motion.joint(f"{own}_hip")
    np.testing.assert_allclose(np.linalg.norm(thigh, axis=1), 0.42, atol=0.002)


def test_incomplete_marker_sets_are_refused() -> None:
    markers, _, _ = known_markers("L")
    del markers["fax"]
    with pytest.raises(SimulationError, match="markers missing.*expected"):
        qtm.complete(markers, "L")
    with pytest.raises(SimulationError, match="side unknown"):
        qtm.complete(known_markers("L")[0], "X")


def test_an_empty_folder_has_no_walks(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="no walks found"):
        mocap.list_walks(tmp_path)


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
