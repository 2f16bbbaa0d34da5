"""The one home of conversions between bins and metres, Doppler and metres per second.

Sign: a receding scatterer's slow-time phase rises, so positive Doppler and positive velocity mean
moving away from the radar.
"""

from __future__ import annotations

import numpy as np

from capture.config import RadarConfig


def range_bin_m(radar: RadarConfig, n_fft: int) -> float:
    """Distance between two bins of an `n_fft`-point range transform, metres."""
    return radar.sample_rate_hz * radar.range_per_hz_m / n_fft


def bins_to_range_m(radar: RadarConfig, n_fft: int, bins: np.ndarray) -> np.ndarray:
    """Range of (fractional) bins, the board's bias taken off, float64, metres."""
    return np.asarray(bins, dtype=np.float64) * range_bin_m(radar, n_fft) - radar.range_bias_m


def kept_bins(radar: RadarConfig, n_fft: int, min_m: float, max_m: float) -> slice:
    """Bins whose centres lie in `min_m` to `max_m` and inside the unambiguous range."""
    n_usable = n_fft if radar.adc_format == "complex1x" else n_fft // 2
    width_m = range_bin_m(radar, n_fft)
    min_m, max_m = min_m + radar.range_bias_m, max_m + radar.range_bias_m
    first = np.ceil(min(min_m / width_m - 1e-9, n_usable))
    last = np.floor(min(max_m / width_m + 1e-9, n_usable - 1))
    return slice(max(0, int(first)), int(last) + 1)


def doppler_to_velocity_mps(radar: RadarConfig, doppler_hz: np.ndarray) -> np.ndarray:
    """Radial velocity of a Doppler frequency, lambda f / 2; positive is away."""
    return np.asarray(doppler_hz, dtype=np.float64) * radar.wavelength_m / 2


def velocity_to_doppler_hz(radar: RadarConfig, velocity_mps: np.ndarray) -> np.ndarray:
    """Doppler frequency of a radial velocity, 2 v / lambda."""
    return 2 * np.asarray(velocity_mps, dtype=np.float64) / radar.wavelength_m


def unambiguous_velocity_mps(radar: RadarConfig, interval_s: float) -> float:
    """Largest speed that slow-time samples every `interval_s` can tell, lambda / 4 T, m/s."""
    return radar.wavelength_m / (4 * interval_s)


def phase_to_displacement_m(radar: RadarConfig, phase_rad: np.ndarray) -> np.ndarray:
    """Radial displacement of a (unwrapped) phase, lambda phase / 4 pi, metres."""
    return np.asarray(phase_rad) * radar.wavelength_m / (4 * np.pi)
