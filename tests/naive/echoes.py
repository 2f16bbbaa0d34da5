"""Captures of point targets, straight from the beat-frequency formula; for tests of `inspect`."""

from __future__ import annotations

import numpy as np

from capture.config import RadarConfig
from capture.layouts import default_layout, encode


def point_targets(
    config: RadarConfig,
    n_frames: int,
    seed: int,
    snr_db: float = 15.0,
    layout: str | None = None,
    n_still: int = 5,
    n_moving: int = 2,
) -> np.ndarray:
    """Raw words of still and moving points in noise, int16 (n_chirps, words_per_chirp).

    Every point is a tone exp(2 pi j (f n / fs)) with f = 2 S R / c, the phase 4 pi R / lambda, and
    plane-wave phases over RX (half a wavelength apart) and TX (two wavelengths apart).
    """
    rng = np.random.default_rng(seed)
    starts_s = np.arange(n_frames)[:, None] * config.frame_period_s + config.chirp_start_s
    time_s = starts_s.ravel()
    definition = np.arange(len(time_s)) % len(config.chirps)
    tx = np.array([sum(4 * k for k in range(4) if c.tx_mask >> k & 1) for c in config.chirps])
    samples = np.zeros((len(time_s), config.n_rx, config.n_samples), np.complex128)
    for number in range(n_still + n_moving):
        still = number < n_still
        velocity_mps = 0.0 if still else rng.uniform(0.3, 1.5) * rng.choice([-1, 1])
        range_m = rng.uniform(0.03, 0.3) * config.max_range_m + velocity_mps * time_s
        sine = rng.uniform(-0.8, 0.8)
        cycles = range_m / config.range_per_hz_m / config.sample_rate_hz
        phase = 4 * np.pi * range_m / config.wavelength_m + np.pi * sine * tx[definition]
        over_rx = np.exp(1j * np.pi * sine * np.array(config.rx_antennas))
        tone = np.exp(2j * np.pi * cycles[:, None] * np.arange(config.n_samples))
        amplitude = 300 * rng.uniform(0.3, 1) * (1.0 if still else 0.5)
        tone *= amplitude * np.exp(1j * phase)[:, None]
        samples += tone[:, None, :] * over_rx[:, None]
    rms = np.sqrt(np.mean(np.abs(samples) ** 2) / 10 ** (snr_db / 10) / 2)
    samples += rms * (rng.standard_normal(samples.shape) + 1j * rng.standard_normal(samples.shape))
    if not config.is_complex:
        samples = samples.real
    return encode(samples, layout or default_layout(config), config)
