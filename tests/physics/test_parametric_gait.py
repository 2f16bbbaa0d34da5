"""Parametric walkers obey their traits and the floor."""

from pathlib import Path

import numpy as np
import pytest

from capture.errors import SimulationError
from capture.simulate import gait
from capture.simulate.mocap import list_walks
from capture.simulate.motion import BodyMotion, stride_hz
from capture.simulate.parametric import SAMPLES_PER_S, WalkerTraits, draw_traits, walk

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
PEOPLE = [draw_traits(np.random.default_rng(seed)) for seed in range(8)]


def speed_of(motion: BodyMotion, joint: str) -> np.ndarray:
    return np.gradient(motion.joint(joint), 1 / SAMPLES_PER_S, axis=0)


@pytest.fixture(scope="module")
def walks() -> list[BodyMotion]:
    return [walk(traits, 6.0, np.random.default_rng(3)) for traits in PEOPLE]


def test_speed_and_stride_rate_follow_the_traits() -> None:
    for traits in PEOPLE[:4]:
        taken = [walk(traits, 8.0, np.random.default_rng(seed)) for seed in range(12)]
        speeds = np.array([motion.mean_speed_mps for motion in taken])
        rates = np.array([stride_hz(motion) for motion in taken])
        # Twelve walks of 4 % spread: the mean is known to 4 / sqrt(12) = 1.2 %; 3 sigma.
        assert speeds.mean() == pytest.approx(traits.speed_mps, rel=0.036)
        assert rates.mean() == pytest.approx(traits.stride_hz, rel=0.03)
        assert 0.015 < speeds.std() / speeds.mean() < 0.07


def test_segments_are_rigid(walks: list[BodyMotion]) -> None:
    for traits, motion in zip(PEOPLE, walks, strict=True):
        for side in "lr":
            thigh = motion.joint(f"{side}_knee") - motion.joint(f"{side}_hip")
            shank = motion.joint(f"{side}_ankle") - motion.joint(f"{side}_knee")
            lengths = np.linalg.norm(thigh, axis=1), np.linalg.norm(shank, axis=1)
            expected = traits.thigh_to_height, traits.shank_to_height
            for length, ratio in zip(lengths, expected, strict=True):
                np.testing.assert_allclose(length, ratio * traits.height_m, rtol=1e-9)


def test_the_foot_that_carries_does_not_skate(walks: list[BodyMotion]) -> None:
    for motion in walks:
        for side in "lr":
            ankle = speed_of(motion, f"{side}_ankle")[:, :2]
            slow = np.sort(np.linalg.norm(ankle, axis=1))
            # Flat on the floor for a third of the stride; swinging at about 4 m/s otherwise.
            assert slow[: slow.size // 3].max() < 0.25
            assert slow[: slow.size // 5].max() < 0.12
            assert 3.0 < slow[-1] < 6.5


def test_feet_are_on_the_floor_and_not_below(walks: list[BodyMotion]) -> None:
    for motion in walks:
        toes = np.stack([motion.joint("l_toe")[:, 2], motion.joint("r_toe")[:, 2]])
        ankles = np.stack([motion.joint("l_ankle")[:, 2], motion.joint("r_ankle")[:, 2]])
        assert toes.min() > 0.0
        assert np.percentile(toes.min(axis=0), 90) < 0.09
        assert ankles.min(axis=0).max() < 0.16


def test_legs_alternate_and_arms_oppose_them(walks: list[BodyMotion]) -> None:
    for motion in walks:
        pelvis = motion.joint("pelvis")[:, 1]
        lead = {
            name: motion.joint(name)[:, 1] - pelvis
            for name in ("l_ankle", "r_ankle", "l_wrist", "r_wrist")
        }
        assert np.corrcoef(lead["l_ankle"], lead["r_ankle"])[0, 1] < -0.6
        assert np.corrcoef(lead["l_ankle"], lead["l_wrist"])[0, 1] < -0.6
        assert np.corrcoef(lead["r_ankle"], lead["r_wrist"])[0, 1] < -0.6
        assert (motion.joint("r_hip")[:, 0] > motion.joint("l_hip")[:, 0]).all()


def test_knees_bend_backwards_only(walks: list[BodyMotion]) -> None:
    for motion in walks:
        for side in "lr":
            hip, knee, ankle = (motion.joint(f"{side}_{n}") for n in ("hip", "knee", "ankle"))
            thigh, shank = knee - hip, ankle - knee
            # x component of shank x thigh: positive when the shank trails the thigh.
            bend = shank[:, 1] * thigh[:, 2] - shank[:, 2] * thigh[:, 1]
            assert bend.min() > -1e-9
            assert np.percentile(bend, 95) > 0.05


def test_pelvis_rides_smoothly_with_two_bobs_a_stride(walks: list[BodyMotion]) -> None:
    for motion in walks:
        pelvis = speed_of(motion, "pelvis")
        assert pelvis[:, 1].min() > 0.4 * motion.mean_speed_mps
        height = motion.joint("pelvis")[:, 2]
        assert 0.005 < np.ptp(height) < 0.08
        spectrum = np.abs(np.fft.rfft((height - height.mean()) * np.hanning(height.size)))
        frequency = np.fft.rfftfreq(height.size, 1 / SAMPLES_PER_S)
        strides = frequency[spectrum.argmax()] / stride_hz(motion)
        # Two steps a stride, and their own harmonics: never once a stride.
        assert min(abs(strides - 2), abs(strides - 4)) < 0.25


def test_no_joint_jumps(walks: list[BodyMotion]) -> None:
    for motion in walks:
        speed = np.linalg.norm(np.gradient(motion.position_m, 0.01, axis=0), axis=2)
        assert speed.max() < 8.0


def test_tall_people_take_longer_strides() -> None:
    rng = np.random.default_rng(5)
    people = [draw_traits(rng) for _ in range(300)]
    height = [traits.height_m for traits in people]
    stride = [traits.speed_mps / traits.stride_hz for traits in people]
    assert np.corrcoef(height, stride)[0, 1] > 0.3
    assert np.corrcoef(height, [traits.weight_kg for traits in people])[0, 1] > 0.4
    assert 1.65 < np.mean(height) < 1.78
    assert 0.85 < np.mean([traits.stride_hz for traits in people]) < 1.0


def test_equal_seeds_give_equal_walks_and_others_differ() -> None:
    one, two, other = (walk(PEOPLE[0], 3.0, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.position_m, two.position_m)
    assert np.abs(one.position_m - other.position_m).max() > 0.02
    assert one.duration_s >= 3.0


def test_people_differ_more_than_their_walks() -> None:
    features = np.array([[_gait_features(walk(traits, 5.0, np.random.default_rng(seed)))
                          for seed in range(4)] for traits in PEOPLE])
    within = features.var(axis=1, ddof=1).mean(axis=0)
    between = features.mean(axis=1).var(axis=0, ddof=1)
    # F ratios, 7 and 24 degrees of freedom: 3.5 is the 1 % point.
    assert (4 * between / within > 3.5).all()


def _gait_features(motion: BodyMotion) -> list[float]:
    lead = {n: np.std(motion.joint(n)[:, 1] - motion.joint("pelvis")[:, 1])
            for n in ("l_ankle", "l_wrist", "r_wrist")}
    return [stride_hz(motion), motion.mean_speed_mps, *map(float, lead.values())]


def test_speeds_out_of_reach_are_refused() -> None:
    with pytest.raises(SimulationError, match="cannot walk like this"):
        walk(WalkerTraits(speed_mps=2.1, stride_hz=0.62), 3.0, np.random.default_rng(0))
    with pytest.raises(SimulationError, match="needs a duration"):
        walk(WalkerTraits(), 0.0, np.random.default_rng(0))


def test_a_foot_is_kept_out_of_the_floor() -> None:
    size = gait.BodySize.of_height(1.7)
    height = np.linspace(0.0, 0.3, 301)
    for wanted in (-0.8, 0.0, 0.6):
        pitch = gait.above_floor(size, height, np.full_like(height, wanted))
        heel, toe = size.sole_m
        standing = np.maximum(height, size.ankle_m)
        for point in (heel, toe):
            reached = standing + point[1] * np.sin(pitch) + point[2] * np.cos(pitch)
            # Both limits are soft to two degrees of a lever of 0.1 of stature: 2 ln 2 = 1.4.
            assert reached.min() > -0.17 * np.deg2rad(2.0 * 1.4)
        assert pitch[-1] == pytest.approx(wanted, abs=0.01)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
@pytest.mark.parametrize(("name", "tolerance_deg"), [("thigh_pitch", 3.0), ("knee_flexion", 4.0)])
def test_mean_curves_are_those_of_measured_walkers(name: str, tolerance_deg: float) -> None:
    chosen = {walk.subject_id: walk for walk in list_walks(SHARED / "mocap")
              if walk.source == "cmu" and walk.part == (0.0, 1.0)}
    grid = np.arange(0, 1, 0.02)
    curves = [_measured_curve(walk.load(), name, grid) for walk in chosen.values()]
    fitted = np.rad2deg(gait.curve(gait.LIMB_CURVES[name], grid))
    assert len(curves) == 8
    difference = np.mean(curves, axis=0) - fitted
    assert np.sqrt(np.mean(difference**2)) < tolerance_deg


def _measured_curve(motion: BodyMotion, name: str, grid: np.ndarray) -> np.ndarray:
    """Mean over phase bins of the left leg's angle, degrees: no Fourier fit involved."""
    hip, knee, ankle = (motion.joint(f"l_{joint}") for joint in ("hip", "knee", "ankle"))
    thigh, shank = knee - hip, ankle - knee
    pitch = np.rad2deg(np.arctan2(thigh[:, 1], -thigh[:, 2]))
    flexion = pitch - np.rad2deg(np.arctan2(shank[:, 1], -shank[:, 2]))
    turn = 2 * np.pi * stride_hz(motion) * motion.time_s
    basis = np.stack([np.ones_like(turn), np.cos(turn), np.sin(turn)], axis=1)
    _, cosine, sine = np.linalg.lstsq(basis, pitch, rcond=None)[0]
    phase = (turn - np.arctan2(sine, cosine)) / (2 * np.pi) % 1
    values = pitch if name == "thigh_pitch" else flexion
    near = np.abs((phase[:, None] - grid + 0.5) % 1 - 0.5) < 0.03
    return np.array([values[column].mean() for column in near.T])
