"""The kernels that go LANES abreast against the definition of the DFT, and against plain ones."""

from __future__ import annotations

import cmath
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from naive import dsp as naive

from capture.config import Chirp, RadarConfig
from capture.file.recording import open_recording
from capture.layouts import LAYOUTS
from capture.types import AdcFrame
from radarid.dsp import kernels, kernels_lanes
from radarid.dsp.moments import Moments
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.slowtime import plan
from radarid.dsp.stft import SliceTransform

LANES = kernels.LANES


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


class Number(complex):
    """One lane of a `kernels_lanes.Complex`."""

    def __add__(self, other: complex) -> Number:
        return Number(complex(self) + other)

    def __sub__(self, other: complex) -> Number:
        return Number(complex(self) - other)

    def turned(self, k: int, n: int) -> Number:
        return Number(complex(self) * cmath.exp(-2j * cmath.pi * k / n))


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_a_butterfly_is_the_dft_of_its_points(n: int) -> None:
    x = noise(n, seed=n).astype(complex)
    got = dict(kernels_lanes.butterfly(n, lambda q: Number(x[q])))  # type: ignore[arg-type, return-value]
    assert sorted(got) == list(range(n))
    for k, value in got.items():
        assert abs(value - naive.dft(x, k / n)) < 1e-12  # type: ignore[operator]


@pytest.mark.parametrize("n", [32, 64, 128, 256, 512, 1024, 2048, 4096])
def test_plan_has_twiddle_factors_for_every_pass(n: int) -> None:
    radices, twiddles = kernels_lanes.plan(n)
    assert np.prod(radices) == n
    assert radices[-1] == 16
    n_left = n // np.cumprod(radices)
    assert twiddles.size == 2 * (radices * n_left).sum()
    j, k = n_left[0] - 1, radices[0] - 1
    turn = complex(*twiddles[2 * (radices[0] * j + k) :][:2])
    assert abs(turn - cmath.exp(-2j * cmath.pi * j * k / n)) < 1e-6


@pytest.mark.parametrize("filled", [1.0, 0.8, 0.5, 0.3])
@pytest.mark.parametrize("n_fft", [32, 64, 128, 256, 512, 1024, 2048])
def test_windows_abreast_are_the_plain_ones(n_fft: int, filled: float, monkeypatch: Any) -> None:
    window = int(n_fft * filled)
    radar = RadarConfig(n_loops=max(window, 16) + 9, frame_period_s=1.0)
    oversampling = 2 if filled == 0.5 else 4 if filled == 0.3 else 1
    params = DspParams(
        window_chirps=window, velocity_oversampling=oversampling, max_velocity_mps=8.0
    )
    grid = plan(radar, params)
    transform = SliceTransform(radar, params, grid, np.linspace(-6, 6, 32))
    x, valid = noise(window + 9, 2, LANES + 3), np.ones(window + 9, bool)
    valid[2:5] = False
    starts, gates = np.array([0, 7]), np.array([[0, LANES + 3], [2, 7]])
    clutter, of = noise(2, 2, LANES + 3, seed=2), np.array([1, 0])
    abreast, plain = np.empty((2, 2, 32), np.float32)
    transform.many(x, valid, starts, gates, clutter, of, abreast)
    monkeypatch.setattr(kernels, "vectors_fit", lambda *_: False)
    transform.many(x, valid, starts, gates, clutter, of, plain)
    np.testing.assert_allclose(abreast, plain, rtol=1e-4, atol=1e-6 * plain.max())


@pytest.mark.parametrize("gate", [(0, 1), (1, LANES - 1), (LANES - 1, LANES + 2), (1, LANES + 3)])
def test_bins_beside_the_gate_do_not_matter(gate: tuple[int, int]) -> None:
    radar = RadarConfig(n_loops=64, frame_period_s=1.0)
    params = DspParams(window_chirps=64, max_velocity_mps=8.0)
    transform = SliceTransform(radar, params, plan(radar, params), np.linspace(-6, 6, 32))
    x, clutter, valid = noise(64, 2, LANES + 3), noise(1, 2, LANES + 3, seed=2), np.ones(64, bool)
    power = transform(x, valid, clutter[0], slice(*gate))
    beside = np.ones(LANES + 3, bool)
    beside[slice(*gate)] = False
    x[..., beside] = clutter[..., beside] = np.nan
    np.testing.assert_array_equal(transform(x, valid, clutter[0], slice(*gate)), power)
    assert (power > 0).any()


def radar_for(layout: str, **change: object) -> RadarConfig:
    order = {"iq_order": "QI"} if layout.startswith("Q") or layout.endswith("QI") else {}
    lanes = 4 if layout.startswith("four") else 2
    values: dict[str, object] = {"n_loops": 2 * LANES + 5, "n_samples": 64, "n_lanes": lanes}
    return RadarConfig(**(values | order | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if LAYOUTS[name].components])
@pytest.mark.parametrize("rx_mask", [0b1, 0b101, 0b1110, 0b1111])
@pytest.mark.parametrize("bits", [16, 12])
def test_range_stage_abreast_is_the_plain_one(
    layout: str, rx_mask: int, bits: int, monkeypatch: Any
) -> None:
    radar = radar_for(layout, rx_mask=rx_mask, adc_bits=bits)
    params = DspParams(min_range_m=1.0, max_range_m=30.0)
    stage = RangeStage(radar, params)
    assert stage._vectors
    rng = np.random.default_rng(3)
    shape = (radar.n_chirps, radar.words_per_chirp)
    words = rng.integers(-32768, 32768, shape).astype(np.int16)
    frame = AdcFrame(radar, layout, 0, 0.0, words, np.ones(radar.n_chirps, bool))
    got, _ = stage(frame)
    monkeypatch.setattr(kernels, "vectors_fit", lambda *_: False)
    expected, _ = RangeStage(radar, params)(frame)
    assert np.abs(got - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("n_samples", "n_fft"), [(100, 128), (200, 1024), (48, 64), (512, 512), (2048, 2048)]
)
def test_zero_padded_range_stage_by_definition(n_samples: int, n_fft: int) -> None:
    radar = radar_for("IIQQ", n_samples=n_samples, rx_mask=0b11)
    params = DspParams(n_fft_range=n_fft, min_range_m=0, max_range_m=np.inf)
    stage = RangeStage(radar, params)
    assert stage._vectors
    rng = np.random.default_rng(5)
    shape = (radar.n_chirps, radar.words_per_chirp)
    words = rng.integers(-2000, 2000, shape).astype(np.int16)
    first, _ = stage(AdcFrame(radar, "IIQQ", 0, 0.0, words, np.ones(radar.n_chirps, bool)))
    got, _ = stage(AdcFrame(radar, "IIQQ", 1, 0.0, words, np.ones(radar.n_chirps, bool)))
    np.testing.assert_array_equal(got, first)  # nothing is left over from the frame before
    rx_of, n_of = np.indices((2, n_samples))
    place = 2 * n_samples * rx_of + 4 * (n_of // 2) + n_of % 2  # I I Q Q, antenna by antenna
    samples = naive.window_samples(words, place, place + 2, naive.hann(n_samples))
    for chirp, rx, b in [(0, 0, 0), (7, 1, 3), (radar.n_chirps - 1, 1, n_fft - 1)]:
        expected = naive.dft(samples[chirp, rx], b / n_fft)
        assert abs(got[chirp, rx, b] - expected) < 1e-6 * np.abs(got).max()


def test_series_of_a_tdm_radar_stay_apart(monkeypatch: Any) -> None:
    radar = radar_for("IIQQ", chirps=(Chirp(tx_mask=1), Chirp(tx_mask=4)), n_loops=LANES + 3)
    params = DspParams(max_range_m=30.0)
    stage = RangeStage(radar, params)
    shape = (radar.n_chirps, radar.words_per_chirp)
    words = np.random.default_rng(6).integers(-999, 999, shape).astype(np.int16)
    got, _ = stage(AdcFrame(radar, "IIQQ", 0, 0.0, words, np.ones(radar.n_chirps, bool)))
    monkeypatch.setattr(kernels, "vectors_fit", lambda *_: False)
    expected, _ = RangeStage(radar, params)(
        AdcFrame(radar, "IIQQ", 0, 0.0, words, np.ones(radar.n_chirps, bool))
    )
    assert got.shape == (radar.n_loops, 8, len(stage.range_m))
    assert np.abs(got - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("gate", [(0, 1), (3, 12), (0, LANES), (1, LANES + 5), (LANES, LANES + 7),
                                  (0, LANES + 7)])  # fmt: skip
def test_window_power_of_any_gate_is_the_sum_of_dfts(gate: tuple[int, int]) -> None:
    radar = RadarConfig(n_loops=24)
    params = DspParams(window_chirps=24, velocity_oversampling=2, max_velocity_mps=8.0)
    grid = plan(radar, params)
    bins = np.arange(-24, 24) / 64
    velocity = bins / grid.interval_s * radar.wavelength_m / 2
    transform = SliceTransform(radar, params, grid, velocity)
    n_bins = 2 * LANES + 7
    x, clutter = noise(24, 2, n_bins), noise(1, 2, n_bins, seed=5)[0]
    valid = np.ones(24, bool)
    valid[3:6] = False
    got = transform(x, valid, clutter, slice(*gate))
    expected = [naive.slice_power(x, valid, clutter, range(*gate), f) for f in bins[::6]]
    np.testing.assert_allclose(got[::6], expected, rtol=1e-5, atol=1e-6 * max(expected))


def test_what_lies_outside_the_gate_does_not_leak_in() -> None:
    radar = RadarConfig(n_loops=32)
    params = DspParams(window_chirps=32, max_velocity_mps=8.0)
    transform = SliceTransform(radar, params, plan(radar, params), np.linspace(-8, 8, 64))
    quiet = noise(32, 1, 2 * LANES)
    loud = quiet * np.float32(1e6)
    loud[:, :, 5:9] = quiet[:, :, 5:9]
    clutter, valid = np.zeros((1, 2 * LANES), np.complex64), np.ones(32, bool)
    one, other = (transform(x, valid, clutter, slice(5, 9)) for x in (quiet, loud))
    np.testing.assert_array_equal(one, other)


def test_short_frames_and_odd_lengths_take_the_plain_way() -> None:
    radar = radar_for("IIQQ", n_samples=100)
    assert not RangeStage(radar, DspParams())._vectors
    few = dataclasses.replace(radar_for("IIQQ"), n_loops=LANES - 1)
    assert not RangeStage(few, DspParams(max_range_m=30.0))._vectors
    real = radar_for("real", adc_format="real")
    assert not RangeStage(real, DspParams(max_range_m=20.0))._vectors


@pytest.mark.parametrize(("window", "hop"), [(64, 16), (60, 16), (50, 7), (64, 64), (40, 64)])
def test_windows_less_their_own_means_are_those_less_given_ones(
    window: int, hop: int, monkeypatch: Any
) -> None:
    radar = RadarConfig(n_loops=64, idle_s=33e-3 / 64 - 60e-6, frame_period_s=33e-3)
    params = DspParams(window_chirps=window, hop_chirps=hop, max_velocity_mps=1.5)
    grid = plan(radar, params)
    assert (grid.regime, grid.window, grid.hop) == ("continuous", window, hop)
    n_bins = LANES + 3  # so that a row of all antennas does not fill whole registers
    # Two walkers share the first window, and nobody is seen in some of the others.
    starts = 5 + hop * np.array([0, 0, 1, 3, 30])
    x, valid = noise(5 + 30 * hop + window, 3, n_bins) + 3, np.ones(5 + 30 * hop + window, bool)
    valid[9:20] = False
    gates = np.array([[0, n_bins], [3, n_bins - 1], [0, n_bins], [2, 7], [0, 1]])
    means = np.array([naive.mean_of_valid(x[s:][:window], valid[s:][:window]) for s in starts])
    transform = SliceTransform(radar, params, grid, np.linspace(-1.2, 1.2, 32))
    own, given, plain = np.empty((3, 5, 32), np.float32)
    rows = np.arange(5)
    transform.many(x, valid, starts, gates, means.astype(np.complex64), rows, given)
    transform.many(x, valid, starts, gates, None, rows, own)
    np.testing.assert_allclose(own, given, rtol=1e-4, atol=1e-5 * given.max())
    np.testing.assert_allclose(transform.mean(x[5:][:window], valid[5:][:window]), means[0], 1e-5)
    monkeypatch.setattr(kernels, "vectors_fit", lambda *_: False)
    transform.many(x, valid, starts, gates, None, rows, plain)
    np.testing.assert_allclose(own, plain, rtol=1e-4, atol=1e-5 * plain.max())


@pytest.mark.parametrize("n_bins", [3, LANES, 2 * LANES + 5])
def test_moments_abreast_are_the_plain_and_the_slow_ones(n_bins: int, monkeypatch: Any) -> None:
    x, valid = noise(41, 2, n_bins) + 100, np.ones(41, bool)
    valid[[3, 14, 15]] = valid[23:33] = False
    x[~valid] = np.nan
    abreast, plain = Moments(3, 10, 2, n_bins, first=3), Moments(3, 10, 2, n_bins, first=3)
    abreast.measure(x, valid)
    monkeypatch.setattr(kernels, "COMPILES", False)
    plain.measure(x, valid)
    np.testing.assert_allclose(abreast.means, plain.means, rtol=1e-6)
    np.testing.assert_allclose(abreast.energy, plain.energy, rtol=1e-5)
    for k, start in enumerate((3, 13)):
        own = slice(start, start + 10)
        slow = naive.moving_energy(x[own], valid[own])
        np.testing.assert_allclose(abreast.energy[k], slow, rtol=1e-4)
        np.testing.assert_allclose(abreast.means[k], naive.mean_of_valid(x[own], valid[own]), 1e-5)
    assert np.isnan(abreast.energy[2]).all()
    assert not abreast.means[2].any()


def test_blocks_are_measured_alike_while_they_are_read_and_afterwards(tmp_path: Path) -> None:
    radar = radar_for("IIQQ")
    path, rng = tmp_path / "some.bin", np.random.default_rng(0)
    words = rng.integers(-3000, 3000, (4, radar.n_chirps, radar.words_per_chirp), np.int16)
    path.write_bytes(words.tobytes())
    recording = open_recording(path, radar, "IIQQ")
    stage = RangeStage(radar, DspParams(max_range_m=30.0))
    n_virtual, n_bins = radar.n_virtual, len(stage.range_m)
    n, first = 2 * radar.n_slow - 6, 4  # blocks that begin and end anywhere in the frames
    together, after = (Moments(2, n, n_virtual, n_bins, first) for _ in range(2))
    profiles = np.empty((4 * radar.n_slow, n_virtual, n_bins), np.complex64)
    valid = stage.read(recording, 0, profiles, together)
    after.measure(profiles, valid)
    np.testing.assert_array_equal(together.means, after.means)
    np.testing.assert_array_equal(together.energy, after.energy)
