"""Every kernel against its slow twin, on small cases (also meant for NUMBA_DISABLE_JIT=1)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from naive import dsp as naive

from capture.config import RadarConfig
from capture.layouts import word_order
from capture.types import AdcFrame
from radarid.dsp import kernels, kernels_means
from radarid.dsp.moments import Moments
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage, taper
from radarid.dsp.slowtime import plan
from radarid.dsp.stft import SliceTransform
from radarid.errors import ParameterError


def profiles(n: int, n_virtual: int, n_bins: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (n, n_virtual, n_bins)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize(
    ("layout", "change"),
    [("IIQQ", {}), ("QQII", {"iq_order": "QI"}), ("real", {"adc_format": "real"})],
)
def test_window_samples(layout: str, change: dict[str, str]) -> None:
    radar = RadarConfig(n_samples=6, n_loops=3, rx_mask=3, **change)  # type: ignore[arg-type]
    rng = np.random.default_rng(2)
    words = rng.integers(-32768, 32768, (3, radar.words_per_chirp)).astype(np.int16)
    window = rng.random(6).astype(np.float32)
    i_index, q_index = word_order(layout, radar)
    samples = np.empty((3, 2, 6), np.complex64)
    none = np.empty((0, 0), np.uint32)
    kernels.window_samples(words, i_index, none if q_index is None else q_index, window, samples)
    expected = naive.window_samples(words, i_index, q_index, window)
    np.testing.assert_allclose(samples, expected, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["all", "some", "one", "none"])
def test_mean_and_energy(pattern: str) -> None:
    x = profiles(9, 2, 5)
    valid = np.zeros(9, bool)
    valid[{"all": slice(None), "some": slice(1, 9, 3), "one": slice(4, 5), "none": slice(0)}[
        pattern]] = True  # fmt: skip
    x[~valid] = np.nan + 1j * np.nan  # what was not received must not be touched
    mean = np.empty((2, 5), np.complex64)
    kernels_means.mean_of_valid(x, valid, mean)
    np.testing.assert_allclose(mean, naive.mean_of_valid(x, valid), atol=1e-6)
    twice = Moments(2, 9, 2, 5)
    twice.measure(np.concatenate([x[::-1], x]), np.concatenate([valid[::-1], valid]))
    expected = naive.moving_energy(x, valid) if valid.any() else np.full(5, np.nan)
    for k in (0, 1):
        np.testing.assert_allclose(twice.means[k], naive.mean_of_valid(x, valid), atol=1e-6)
        np.testing.assert_allclose(twice.energy[k], expected, atol=1e-5)


def test_energy_of_a_mover_beside_a_wall_a_million_times_as_strong() -> None:
    # E |x|^2 - |mean|^2 would round the mover away: 1e12 has a last place of 65536 in float32.
    x = profiles(64, 1, 3) + np.complex64(1e6)
    moments = Moments(1, 64, 1, 3)
    moments.measure(x, np.ones(64, bool))
    expected = naive.moving_energy(x.astype(complex), np.ones(64, bool))
    np.testing.assert_allclose(moments.energy[0], expected, rtol=1e-5)


def test_load_window_and_add_power() -> None:
    x, clutter = profiles(6, 2, 5), profiles(1, 2, 5, seed=3)[0]
    weight = np.array([1, 2, 0, 3, 1, 1], np.float32)
    tile = np.full((2, 3, 8), np.nan, np.complex64)
    kernels.load_window(x, clutter, weight, 1, tile)
    expected = np.zeros((2, 3, 8), complex)
    for v, g, i in np.ndindex(2, 3, 6):
        expected[v, g, i] = (x[i, v, 1 + g] - clutter[v, 1 + g]) * weight[i]
    np.testing.assert_allclose(tile, expected, rtol=1e-6)
    power = np.full(8, np.nan, np.float32)
    kernels.add_power(tile, 0.5, power)
    np.testing.assert_allclose(power, 0.5 * (np.abs(expected) ** 2).sum((0, 1)), rtol=1e-6)


@pytest.mark.parametrize("n_samples", [16, 10])  # 10: not a power of two
@pytest.mark.parametrize("n_fft", [0, 24])
def test_range_stage_is_the_dft_of_tapered_samples(n_samples: int, n_fft: int) -> None:
    radar = RadarConfig(n_samples=n_samples, n_loops=3, rx_mask=3)
    stage = RangeStage(radar, DspParams(n_fft_range=n_fft, min_range_m=0, max_range_m=np.inf))
    rng = np.random.default_rng(4)
    words = rng.integers(-2000, 2000, (3, radar.words_per_chirp)).astype(np.int16)
    got, valid = stage(AdcFrame(radar, "IIQQ", 0, 0.0, words, np.ones(3, bool)))
    i_index, q_index = word_order("IIQQ", radar)
    samples = naive.window_samples(words, i_index, q_index, naive.hann(n_samples))
    n = n_fft or n_samples
    expected = [
        [[naive.dft(samples[c, r], b / n) for b in range(n)] for r in range(2)] for c in range(3)
    ]
    assert valid.all()
    np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())


def test_words_of_12_bit_are_sign_extended() -> None:
    radar = RadarConfig(n_samples=4, n_loops=1, rx_mask=1, adc_bits=12)
    params = DspParams(range_window="boxcar", min_range_m=0, max_range_m=np.inf)
    words = np.array([[0x0FFF, 0x0FFF, 0, 0, 0x0FFF, 0x0FFF, 0, 0]], np.int16)  # I = -1, Q = 0
    got, _ = RangeStage(radar, params)(AdcFrame(radar, "IIQQ", 0, 0.0, words, np.ones(1, bool)))
    # The sum of four samples of -1, over sqrt(4) of the unit-energy taper, in bin 0 alone.
    np.testing.assert_allclose(got[0, 0], [-2, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("n_missing", [0, 3])
def test_slice_power_is_the_dft_of_the_tapered_window(n_missing: int) -> None:
    radar = RadarConfig(n_loops=12)
    params = DspParams(window_chirps=12, velocity_oversampling=4, max_velocity_mps=8.0)
    grid = plan(radar, params)
    bins = np.arange(-24, 24) / 64  # on the bins of the 64-point transform, in cycles per chirp
    velocity = bins / grid.interval_s * radar.wavelength_m / 2
    transform = SliceTransform(radar, params, grid, velocity)
    assert transform.n_fft == 64
    x, clutter = profiles(12, 2, 5), profiles(1, 2, 5, seed=5)[0]
    valid = np.ones(12, bool)
    valid[2 : 2 + n_missing] = False
    got = transform(x, valid, clutter, slice(1, 4))
    expected = [naive.slice_power(x, valid, clutter, range(1, 4), f) for f in bins]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * max(expected))


def test_pixels_between_bins_have_the_power_of_the_dft_there() -> None:
    radar = RadarConfig(n_loops=12)
    params = DspParams(window_chirps=12, velocity_oversampling=2, max_velocity_mps=8.0)
    grid = plan(radar, params)
    frequency = np.linspace(-0.49, 0.49, 37)  # cycles per chirp
    velocity = frequency / grid.interval_s * radar.wavelength_m / 2
    transform = SliceTransform(radar, params, grid, velocity)
    x, clutter = profiles(12, 2, 5), profiles(1, 2, 5, seed=5)[0]
    valid = np.arange(12) != 4
    got = transform(x, valid, clutter, slice(0, 5))
    expected = [naive.slice_power(x, valid, clutter, range(5), f) for f in frequency]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6 * max(expected))


def test_with_one_bin_per_chirp_pixels_are_interpolated_linearly() -> None:
    radar = RadarConfig(n_loops=16)
    params = DspParams(window_chirps=16, velocity_oversampling=1, max_velocity_mps=8.0)
    grid = plan(radar, params)
    frequency = np.array([-8, -7.75, -7, -0.5, 0, 3.25, 7, 7.5]) / 16
    transform = SliceTransform(
        radar, params, grid, frequency / grid.interval_s * radar.wavelength_m / 2
    )
    assert transform.n_fft == 16
    x, none, valid = profiles(16, 1, 5), np.zeros((1, 5), np.complex64), np.ones(16, bool)
    got = transform(x, valid, none, slice(0, 5))
    bins = {b: naive.slice_power(x, valid, none, range(5), b / 16) for b in range(-8, 9)}
    shares = [(-8, 0), (-8, 0.25), (-7, 0), (-1, 0.5), (0, 0), (3, 0.25), (7, 0), (7, 0.5)]
    expected = [(1 - share) * bins[b] + share * bins[b + 1] if share else bins[b]
                for b, share in shares]  # fmt: skip
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "boxcar", "chebwin:120"])
def test_tapers_are_periodic_and_have_unit_energy(name: str) -> None:
    got = taper(name, 37)
    assert float((got**2).sum()) == pytest.approx(1, abs=1e-6)
    kind, *numbers = name.split(":")
    expected = scipy.signal.get_window((kind, *map(float, numbers)), 37)
    np.testing.assert_allclose(got / got.max(), expected / expected.max(), atol=1e-6)


@pytest.mark.parametrize("name", ["hunn", "kaiser", "chebwin:much"])
def test_an_unknown_taper_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="taper"):
        taper(name, 16)
