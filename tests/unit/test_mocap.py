"""Motion capture: kinematics worked by hand, completion of known legs."""

from pathlib import Path

import numpy as np
import pytest

from capture.errors import SimulationError
from capture.simulate import asf, mocap, qtm
from capture.simulate.motion import JOINTS, BodyMotion

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
