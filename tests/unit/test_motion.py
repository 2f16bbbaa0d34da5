"""BodyMotion: exact on polynomials and on walks that have a closed form."""

import numpy as np
import pytest

from capture.errors import SimulationError
from capture.simulate.motion import JOINTS, BodyMotion, stride_hz

RATE_HZ = 0.8  # a stride of 125 samples at 100 Hz
L_ANKLE, R_ANKLE = JOINTS.index("l_ankle"), JOINTS.index("r_ankle")


def walker(time_s: np.ndarray, speed_mps: float = 1.2) -> np.ndarray:
    """A rigid body at constant speed whose ankles swing against each other."""
    position = np.zeros((time_s.size, len(JOINTS), 3))
    position[..., 1] = speed_mps * time_s[:, None]
    position[..., 2] = np.linspace(0.1, 1.7, len(JOINTS))
    turn = 2 * np.pi * RATE_HZ * time_s
    position[:, L_ANKLE, 1] += 0.3 * np.sin(turn) + 0.03 * np.sin(3 * turn)
    position[:, R_ANKLE, 1] -= 0.3 * np.sin(turn) + 0.03 * np.sin(3 * turn)
    position[..., 2] += 0.02 * np.cos(2 * turn)[:, None]
    return position


def recorded(duration_s: float) -> BodyMotion:
    time_s = np.arange(round(duration_s * 100) + 1) / 100
    return BodyMotion(time_s, walker(time_s))


def test_a_cubic_path_is_interpolated_exactly() -> None:
    powers = np.array([[1.0, 0.5, -0.2, 0.1], [0.0, 1.0, 0.3, -0.05], [0.9, 0.0, 0.02, 0.01]])
    time_s = np.sort(np.random.default_rng(1).uniform(0, 3, 40))
    path = np.stack([np.polynomial.polynomial.polyval(time_s, row) for row in powers], axis=-1)
    motion = BodyMotion(time_s, np.repeat(path[:, None], len(JOINTS), axis=1))
    wanted = np.linspace(time_s[0], time_s[-1], 77)
    expected = np.stack([np.polynomial.polynomial.polyval(wanted, row) for row in powers], axis=-1)
    np.testing.assert_allclose(motion.at(wanted)[:, 5], expected, atol=1e-9)
    np.testing.assert_allclose(motion.resample(wanted).joint("head"), expected, atol=1e-9)


def test_nothing_is_extrapolated() -> None:
    with pytest.raises(SimulationError, match="outside the motion.*expected 0.000 to 2.000 s"):
        recorded(2.0).at([2.5])


@pytest.mark.parametrize(
    ("time_s", "position", "message"),
    [
        (np.arange(10.0), np.zeros((10, 17, 3)), "do not fit"),
        (np.arange(10.0), np.zeros((9, 18, 3)), "do not fit"),
        (np.arange(5.0), np.zeros((5, 18, 3)), "too few"),
        (np.arange(10.0), np.full((10, 18, 3), np.nan), "not finite"),
        (np.zeros(10), np.zeros((10, 18, 3)), "do not ascend"),
    ],
)
def test_broken_motions_are_refused(
    time_s: np.ndarray, position: np.ndarray, message: str
) -> None:
    with pytest.raises(SimulationError, match=message):
        BodyMotion(time_s, position)


def test_unknown_joint_is_named() -> None:
    with pytest.raises(SimulationError, match="no joint 'tail'"):
        recorded(1.0).joint("tail")


def test_speed_is_displacement_over_time() -> None:
    assert recorded(3.0).mean_speed_mps == pytest.approx(1.2, abs=1e-12)


@pytest.mark.parametrize("duration_s", [1.6, 2.5, 6.0])
def test_stride_rate_of_a_known_walk(duration_s: float) -> None:
    assert stride_hz(recorded(duration_s)) == pytest.approx(RATE_HZ, abs=0.004)


def test_standing_has_no_stride() -> None:
    time_s = np.arange(200) / 100
    with pytest.raises(SimulationError, match="no stride found"):
        stride_hz(BodyMotion(time_s, np.ones((200, len(JOINTS), 3))))


def test_a_part_starts_at_the_origin_again() -> None:
    part = recorded(4.0).between(1.0, 2.0)
    assert part.time_s[0] == 0.0
    assert part.duration_s == pytest.approx(1.0)
    np.testing.assert_allclose(part.joint("pelvis")[0, :2], 0.0, atol=1e-12)
    # The ankle keeps its lead over the pelvis: 0.3 sin + 0.03 sin of the third, at t = 1.
    lead = 0.3 * np.sin(1.6 * np.pi) + 0.03 * np.sin(4.8 * np.pi)
    assert part.joint("l_ankle")[0, 1] == pytest.approx(lead, abs=1e-12)


def test_a_periodic_walk_is_continued_as_itself() -> None:
    longer = recorded(2.0).extend(9.0)
    assert longer.duration_s >= 9.0
    np.testing.assert_allclose(longer.position_m, walker(longer.time_s), atol=1e-9)


def test_a_long_enough_walk_is_left_alone() -> None:
    motion = recorded(3.0)
    assert motion.extend(2.9) is motion


def test_a_walk_below_one_stride_cannot_be_continued() -> None:
    with pytest.raises(SimulationError, match="too short to repeat a stride"):
        recorded(1.2).extend(5.0)


def test_a_walk_that_slows_down_is_continued_without_a_jump() -> None:
    time_s = np.arange(401) / 100
    position = walker(time_s, speed_mps=0.0)
    position[..., 1] += (1.3 * time_s - 0.08 * time_s**2)[:, None]
    longer = BodyMotion(time_s, position).extend(15.0)
    speed = np.gradient(longer.joint("pelvis")[:, 1], 0.01)
    assert speed.min() > 1.3 - 2 * 0.08 * 4.0 - 0.05
    assert speed.max() < 1.35
    assert np.abs(np.diff(speed)).max() < 0.05
