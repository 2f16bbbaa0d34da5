"""Bodies, rooms and whole simulated recordings: geometry, levels, seeds, files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from naive.synthesis import ellipsoid_rcs

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError, SimulationError
from capture.file.recording import open_recording
from capture.file.sidecar import Sidecar, read_sidecar
from capture.formats.load import find_config, load_radar_config
from capture.layouts import decode
from capture.simulate.motion import JOINTS, BodyMotion
from capture.simulate.parametric import WalkerTraits, walk
from capture.simulate.scatterers import Scatterers, body_scatterers, ellipsoid_rcs_m2
from capture.simulate.scene import Scene, clutter, place
from capture.simulate.source import SimulatedRecording
from capture.simulate.synthesis import beat_signal
from capture.simulate.truth import read_truth

SMALL = RadarConfig(sample_rate_hz=1.25e6, n_samples=32, n_loops=20, rx_mask=1)
POSE = {
    "pelvis": (0, 0, 1.0), "chest": (0, 0, 1.3), "neck": (0, 0, 1.5), "head": (0, 0, 1.65),
    "l_shoulder": (-0.2, 0, 1.45), "l_elbow": (-0.22, 0, 1.15), "l_wrist": (-0.22, 0.05, 0.9),
    "r_shoulder": (0.2, 0, 1.45), "r_elbow": (0.22, 0, 1.15), "r_wrist": (0.22, 0.05, 0.9),
    "l_hip": (-0.1, 0, 0.95), "l_knee": (-0.1, 0, 0.5), "l_ankle": (-0.1, 0, 0.1),
    "l_toe": (-0.1, 0.2, 0.03), "r_hip": (0.1, 0, 0.95), "r_knee": (0.1, 0, 0.5),
    "r_ankle": (0.1, 0, 0.1), "r_toe": (0.1, 0.2, 0.03),
}  # fmt: skip


def statue(speed_mps: float = 0.0, duration_s: float = 1.0) -> BodyMotion:
    """A stiff body pulled along +y."""
    time_s = np.arange(round(duration_s * 100) + 1) / 100
    moved = np.zeros((time_s.size, 1, 3))
    moved[:, 0, 1] = speed_mps * time_s
    return BodyMotion(time_s, np.array([POSE[name] for name in JOINTS]) + moved)


@pytest.fixture(scope="module")
def walker() -> BodyMotion:
    return walk(WalkerTraits(), 1.0, np.random.default_rng(1))


def words(recording: SimulatedRecording) -> np.ndarray:
    return np.stack([frame.words for frame in recording])


# -- scatterers -------------------------------------------------------------------------------
def test_a_sphere_has_the_cross_section_of_its_disc() -> None:
    some_way = np.array([0.6, 0.0, 0.8])
    assert ellipsoid_rcs_m2(some_way, np.full(3, 0.1)) == pytest.approx(math.pi * 0.01)


def test_ellipsoid_equals_the_naive_formula_and_a_rod_shines_broadside() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        theta, phi = rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi)
        a, b, c = rng.uniform(0.02, 0.5, 3)
        cosines = np.array(
            [math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta)]
        )
        assert ellipsoid_rcs_m2(cosines, np.array([a, b, c])) == pytest.approx(
            ellipsoid_rcs(theta, phi, a, b, c)
        )
    thigh = np.array([0.07, 0.07, 0.21])
    # broadside pi c^2, end on pi a^4 / c^2: 19 dB apart for a 3 to 1 rod (3^4 = 81)
    broadside, end_on = ellipsoid_rcs_m2(np.eye(3)[[0, 2]], thigh)
    assert broadside == pytest.approx(math.pi * 0.21**2)
    assert broadside / end_on == pytest.approx(81)


def test_a_walker_has_the_cross_section_of_a_person_and_the_torso_dominates(
    walker: BodyMotion,
) -> None:
    scene = Scene(near_m=4.0)
    body = body_scatterers(place(walker, scene), scene.radar_position_m)
    share = {
        name: body.rcs_m2[:, [n == name for n in body.names]].sum(axis=1).mean()
        for name in set(body.names)
    }
    assert -10 < 10 * math.log10(sum(share.values())) < 0
    assert max(share, key=lambda name: share[name]) == "torso"


def test_a_body_twice_as_large_seen_alike_sends_four_times_as_much() -> None:
    small = place(statue(), Scene(near_m=3.0))
    large = BodyMotion(small.time_s, 2 * small.position_m)
    one = body_scatterers(small, [0, 0, 1.0])
    two = body_scatterers(large, [0, 0, 2.0])
    np.testing.assert_allclose(two.rcs_m2, 4 * one.rcs_m2, rtol=1e-9)
    np.testing.assert_allclose(two.position_m, 2 * one.position_m)


def test_points_lie_on_their_segments() -> None:
    body = body_scatterers(statue(), [0, -3, 1.0])
    shank = body.position_m[0, [n == "l_shank" for n in body.names]]
    np.testing.assert_allclose(shank[:, :2], [[-0.1, 0.0]] * len(shank))
    assert ((shank[:, 2] > 0.1) & (shank[:, 2] < 0.5)).all()
    assert len(shank) == 6


def test_positions_between_samples_follow_a_smooth_path() -> None:
    time_s = np.arange(101) / 100
    circle = np.stack([np.cos(2 * np.pi * time_s), np.sin(2 * np.pi * time_s), 0 * time_s], -1)
    points = Scatterers(time_s, ("p",), circle[:, None], (1 + time_s)[:, None])
    wanted = np.array([0.1234, 0.5678])
    turn = 2 * np.pi * wanted
    expected = np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1)
    np.testing.assert_allclose(points.position_at(wanted)[:, 0], expected, atol=1e-7)
    np.testing.assert_allclose(points.rcs_at(wanted)[:, 0], 1 + wanted)
    with pytest.raises(SimulationError, match="does not last"):
        points.position_at([1.2])


def test_scatterers_of_wrong_shape_are_refused() -> None:
    with pytest.raises(SimulationError, match="do not fit times and names"):
        Scatterers(np.arange(3.0), ("a",), np.zeros((3, 2, 3)), np.zeros((3, 1)))


# -- scene ------------------------------------------------------------------------------------
@pytest.mark.parametrize("direction", ["away", "towards"])
def test_the_walked_line_is_the_one_that_was_asked_for(direction: str) -> None:
    angle = math.radians(10)
    scene = Scene(direction=direction, near_m=1.5, lateral_m=0.3, crossing_angle_rad=angle)
    path = place(statue(1.2), scene).joint("pelvis")
    np.testing.assert_allclose(path[:, 0], 0.3 + path[:, 1] * math.tan(angle))
    near, far = (path[0], path[-1]) if direction == "away" else (path[-1], path[0])
    assert near[1] == pytest.approx(1.5)
    assert far[1] == pytest.approx(1.5 + 1.2 * math.cos(angle))
    np.testing.assert_allclose(path[:, 2], 1.0)


def test_the_right_hip_stays_on_the_walkers_right() -> None:
    away = place(statue(1.0), Scene(direction="away"))
    towards = place(statue(1.0), Scene(direction="towards"))
    assert (away.joint("r_hip")[:, 0] > away.joint("l_hip")[:, 0]).all()
    assert (towards.joint("r_hip")[:, 0] < towards.joint("l_hip")[:, 0]).all()


def test_a_walk_into_the_radar_is_refused() -> None:
    with pytest.raises(SimulationError, match="nearer to the radar than 1"):
        Scene(near_m=0.5)
    with pytest.raises(SimulationError, match="right angle"):
        Scene(crossing_angle_rad=1.6)
    # at 45 degrees the line x = y - 2 starts 2.1 m away but passes the radar at 1.41 m / 2
    with pytest.raises(SimulationError, match="too near"):
        place(statue(1.0), Scene(near_m=0.6, lateral_m=-0.9, crossing_angle_rad=math.pi / 4))


def test_the_reference_target_has_the_level_that_was_asked_for() -> None:
    scene = Scene(reference_dbfs=-30.0)
    signal = scene.gain * beat_signal(SMALL, np.tile([0, 3.0, 0], (20, 1, 1)), np.ones((20, 1)))
    assert 20 * math.log10(abs(signal[0, 0, 0])) == pytest.approx(-30.0, abs=1e-4)


def test_a_room_is_its_seed() -> None:
    first, again, other = (clutter(Scene(clutter_seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.allclose(first[0], other[0])
    louder = clutter(Scene(clutter_seed=1, clutter_db=10))
    np.testing.assert_allclose(louder[1], 10 * first[1])
    assert clutter(Scene(clutter=False))[0].shape == (0, 3)


# -- recordings -------------------------------------------------------------------------------
def test_frames_hold_the_beat_signal_of_their_own_time(walker: BodyMotion) -> None:
    scene = Scene(snr_db=200.0, dc_offset_dbfs=-200.0, clutter=False)
    recording = SimulatedRecording(SMALL, walker, scene)
    frame = list(recording)[7]
    time_s = 7 * SMALL.frame_period_s + SMALL.chirp_start_s
    body = recording.scatterers
    expected = 2**15 * 10 ** (-36 / 20) * 9 * beat_signal(
        SMALL, body.position_at(time_s), body.rcs_at(time_s), [0, 0, 1]
    )
    assert frame.time_s == pytest.approx(7 * 0.033)
    assert frame.index == 7
    samples = decode(frame.words, frame.layout, SMALL)
    # rounding moves I and Q by at most half a step each
    assert np.abs((samples - expected).real).max() <= 0.5 + 1e-3
    assert np.abs((samples - expected).imag).max() <= 0.5 + 1e-3


def test_the_recording_lasts_as_long_as_the_walk() -> None:
    # the last chirp of a frame starts 19 * 120 us + 60 us = 2.34 ms after the frame: of 1.000 s,
    # frame 30 (0.990 to 0.99234 s) still fits, frame 31 does not
    assert len(SimulatedRecording(SMALL, statue(), Scene())) == 31
    with pytest.raises(SimulationError, match="shorter than one frame"):
        SimulatedRecording(RadarConfig(frame_period_s=2.0, n_loops=10_000), statue(), Scene())
    with pytest.raises(SimulationError, match="no such frame"):
        SimulatedRecording(SMALL, statue(), Scene()).frame(31)


@pytest.mark.parametrize("adc_format", ["complex1x", "complex2x", "real"])
def test_snr_is_the_one_of_the_definition(adc_format: str) -> None:
    config = RadarConfig(
        sample_rate_hz=1.25e6, n_samples=64, n_loops=130, adc_format=adc_format
    )
    scene = Scene(snr_db=13.0, dc_offset_dbfs=-200.0)
    recording = SimulatedRecording(config, statue(), scene, seed=5)
    frame = recording.frame(2)
    clean = recording.beat(2)
    clean = clean if config.is_complex else clean.real
    noise = decode(frame.words, frame.layout, config) - clean
    target = 2**15 * scene.gain * beat_signal(
        config, np.tile([0, 3.0, 0], (130, 1, 1)), np.ones((130, 1))
    )
    power = np.mean(np.abs(target) ** 2) if config.is_complex else np.mean(target.real**2)
    # 33,280 samples: the power's standard error is 0.03 dB
    assert 10 * math.log10(power / np.mean(np.abs(noise) ** 2)) == pytest.approx(13.0, abs=0.15)


def test_noise_is_white_over_chirps_antennas_and_i_and_q() -> None:
    config = RadarConfig(sample_rate_hz=1.25e6, n_samples=64, n_loops=130)
    recording = SimulatedRecording(config, statue(), Scene(dc_offset_dbfs=-200), seed=5)
    frame = recording.frame(0)
    noise = decode(frame.words, frame.layout, config) - recording.beat(0)
    unit = noise / np.sqrt(np.mean(np.abs(noise) ** 2))
    limit = 5 / math.sqrt(noise.size / 4)
    assert abs(np.mean(unit[1:] * unit[:-1].conj())) < limit
    assert abs(np.mean(unit[:, 1:] * unit[:, :-1].conj())) < limit
    assert abs(np.mean(unit[..., 1:] * unit[..., :-1].conj())) < limit
    assert abs(np.mean(unit.real * unit.imag)) < limit
    later = recording.frame(1)
    other = decode(later.words, later.layout, config) - recording.beat(1)
    assert abs(np.mean(unit * other.conj())) < limit * np.sqrt(np.mean(np.abs(other) ** 2))


def test_things_that_stand_still_are_the_same_in_every_chirp() -> None:
    with_room = SimulatedRecording(SMALL, statue(1.0), Scene(clutter_seed=3))
    without = SimulatedRecording(SMALL, statue(1.0), Scene(clutter=False))
    room = with_room.beat(4) - without.beat(4)
    position_m, rcs_m2 = clutter(Scene(clutter_seed=3))
    expected = beat_signal(
        SMALL, np.tile(position_m, (20, 1, 1)), np.tile(rcs_m2, (20, 1)), [0, 0, 1]
    ) * (2**15 * Scene().gain)
    scale = np.abs(with_room.beat(4)).max()
    np.testing.assert_allclose(room, expected, atol=1e-6 * scale)


def test_dc_offset_is_the_mean_of_i_and_the_negative_mean_of_q() -> None:
    config = RadarConfig(n_samples=256, n_loops=50, rx_mask=1)
    recording = SimulatedRecording(config, statue(), Scene(dc_offset_dbfs=-40, snr_db=30))
    frame = recording.frame(0)
    offset = np.mean(decode(frame.words, frame.layout, config) - recording.beat(0))
    assert offset == pytest.approx(327.68 - 327.68j, abs=0.5)


@pytest.mark.parametrize(("adc_bits", "top"), [(16, 32767), (12, 2047)])
def test_a_loud_scene_clips_at_full_scale(adc_bits: int, top: int) -> None:
    config = RadarConfig(n_samples=32, n_loops=4, adc_bits=adc_bits)
    frame = SimulatedRecording(config, statue(), Scene(reference_dbfs=20.0)).frame(0)
    samples = decode(frame.words, frame.layout, config)
    assert samples.real.max() == samples.imag.max() == top
    assert samples.real.min() == samples.imag.min() == -top - 1


def test_equal_seeds_give_equal_words_and_other_seeds_others() -> None:
    first, again, other = (
        words(SimulatedRecording(SMALL, statue(1.0, 0.2), Scene(), seed=seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) > 0.5


def test_frames_depend_on_nothing_but_their_index(walker: BodyMotion) -> None:
    recording = SimulatedRecording(SMALL, walker, Scene(), n_threads=1)
    in_order = words(recording)
    fresh = SimulatedRecording(SMALL, walker, Scene(), n_threads=3)
    backwards = [fresh.frame(index).words for index in reversed(range(len(fresh)))][::-1]
    np.testing.assert_array_equal(in_order, np.stack(backwards))
    part = list(fresh.frames(5, 9))
    assert [frame.index for frame in part] == [5, 6, 7, 8]
    np.testing.assert_array_equal(in_order[5:9], np.stack([frame.words for frame in part]))


def test_tdm_chirps_are_told_apart() -> None:
    config = RadarConfig(n_samples=32, n_loops=4, chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4)))
    scene = Scene(clutter=False, lateral_m=1.0)
    beat = SimulatedRecording(config, statue(), scene).beat(0)
    np.testing.assert_allclose(beat[0::2], beat[:1].repeat(4, 0), rtol=1e-5)
    assert np.abs(beat[1] - beat[0]).max() > 0.1 * np.abs(beat[0]).max()


# -- truth and files --------------------------------------------------------------------------
def test_truth_of_a_pulled_statue_is_plain_geometry() -> None:
    scene = Scene(near_m=2.0, lateral_m=0.5)
    truth = SimulatedRecording(SMALL, statue(1.2), scene).truth()
    range_m, speed = truth.segment("head")
    y = 2.0 + 1.2 * truth.time_s
    expected = np.sqrt(0.5**2 + y**2 + 0.65**2)
    np.testing.assert_allclose(range_m, expected, rtol=1e-6)
    # the first difference looks 1 ms ahead only: half a millisecond of curvature
    np.testing.assert_allclose(speed, 1.2 * y / expected, rtol=1e-4)
    assert math.isnan(truth.stride_hz)
    assert truth.mean_speed_mps == pytest.approx(1.2)
    with pytest.raises(SimulationError, match="no segment 'tail'"):
        truth.segment("tail")


def test_walking_towards_the_radar_has_negative_speed(walker: BodyMotion) -> None:
    for direction, sign in (("away", 1), ("towards", -1)):
        truth = SimulatedRecording(SMALL, walker, Scene(direction=direction)).truth()
        speed = truth.segment("torso")[1].mean()
        assert sign * speed == pytest.approx(walker.mean_speed_mps, rel=0.1)
        assert truth.range_m.min() > 0.5


def test_saved_files_read_back(tmp_path: Path, walker: BodyMotion) -> None:
    who = Sidecar(subject="p01", session="s2", take="t03")
    recording = SimulatedRecording(
        SMALL, walker, Scene(), name="p01_s2_t03", sidecar=who, traits={"kind": "test"}
    )
    path, sidecar_path, truth_path = recording.save(tmp_path, camera="p01_s2_t03.avi")
    config_path = find_config(path)
    assert config_path is not None
    config = load_radar_config(config_path)
    assert config == SMALL
    source = open_recording(path, config)
    assert len(source) == len(recording)
    assert path.stat().st_size == len(recording) * SMALL.frame_bytes
    np.testing.assert_array_equal(
        np.stack([frame.words for frame in source]), words(recording)
    )
    side = read_sidecar(sidecar_path)
    assert (side.subject, side.session, side.take) == ("p01", "s2", "t03")
    assert side.camera == "p01_s2_t03.avi"
    truth = read_truth(truth_path)
    np.testing.assert_array_equal(truth.range_m, recording.truth().range_m)
    assert truth.traits == {"kind": "test"}
    assert truth.stride_hz == pytest.approx(0.93, rel=0.1)
    assert truth.range_m.dtype == np.float32


def test_the_written_cfg_is_the_same_waveform(tmp_path: Path) -> None:
    SimulatedRecording(SMALL, statue(0.0, 0.1), Scene()).save(tmp_path)
    config = load_radar_config(tmp_path / "radar.cfg")
    assert config.slow_time_interval_s == pytest.approx(SMALL.slow_time_interval_s)
    assert config.sampled_bandwidth_hz == pytest.approx(SMALL.sampled_bandwidth_hz)
    assert config.frame_bytes == SMALL.frame_bytes


def test_a_folder_keeps_to_one_radar(tmp_path: Path) -> None:
    SimulatedRecording(SMALL, statue(0.0, 0.1), Scene()).save(tmp_path)
    other = RadarConfig(n_samples=32, n_loops=10)
    with pytest.raises(ConfigError, match="another radar configuration.*n_loops: 10 != 20"):
        SimulatedRecording(other, statue(0.0, 0.1), Scene()).save(tmp_path)


def test_a_truth_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "walk.truth.npz"
    with pytest.raises(SimulationError, match="not a readable truth file"):
        read_truth(path)
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(SimulationError, match="not a readable truth file"):
        read_truth(path)
    np.savez(path, time_s=np.zeros(3))
    with pytest.raises(SimulationError, match="not a readable truth file"):
        read_truth(path)
