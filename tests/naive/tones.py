"""Frames of point scatterers in closed form, written without any code of the project but types.

The IF signal of a scatterer at range R is exp(j 4 pi R (f + S t) / c), f the frequency when the
ADC starts and t since then: the beat frequency 2 S R / c in fast time, and a phase that rises as
the scatterer recedes, by 4 pi / lambda per metre with lambda of the middle of the sampled ramp.
R is held during a chirp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from capture.config import RadarConfig
from capture.types import AdcFrame, RecordingInfo

C_MPS = 299_792_458.0
Path = Callable[[np.ndarray], np.ndarray]


def tiny_radar(**changes: object) -> RadarConfig:
    """The paper's timing with few samples and one antenna: quick, with the same gap."""
    table: dict[str, object] = {
        "n_samples": 64, "sample_rate_hz": 1.25e6, "ramp_end_s": 60e-6, "rx_mask": 1,
    }  # fmt: skip
    return RadarConfig(**(table | changes))  # type: ignore[arg-type]


def echo(radar: RadarConfig, range_m: np.ndarray, amplitude: float) -> np.ndarray:
    """Samples of one scatterer, complex128 (n_chirps, 1, n_samples)."""
    t = np.arange(radar.n_samples) / radar.sample_rate_hz
    first_hz = radar.start_frequency_hz + radar.slope_hz_per_s * radar.adc_start_s
    phase = 4 * np.pi / C_MPS * range_m[:, None] * (first_hz + radar.slope_hz_per_s * t)
    return amplitude * np.exp(1j * phase)[:, None, :]


def iiqq(samples: np.ndarray) -> np.ndarray:
    """Words I0 I1 Q0 Q1 I2 I3 .. of each antenna after the other, by explicit interleaving."""
    n_chirps, n_rx, n_samples = samples.shape
    words = np.zeros((n_chirps, n_rx, n_samples // 2, 4), np.int16)
    words[..., 0] = np.rint(samples.real[..., 0::2])
    words[..., 1] = np.rint(samples.real[..., 1::2])
    words[..., 2] = np.rint(samples.imag[..., 0::2])
    words[..., 3] = np.rint(samples.imag[..., 1::2])
    return words.reshape(n_chirps, -1)


class Tones:
    """A frame source of scatterers with amplitudes, on paths range_m(time_s), plus noise."""

    def __init__(
        self,
        radar: RadarConfig,
        n_frames: int,
        scatterers: list[tuple[float, Path]],
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.radar, self.n_frames, self.scatterers = radar, n_frames, scatterers
        self.noise, self.seed = noise, seed

    @property
    def info(self) -> RecordingInfo:
        return RecordingInfo("tones", self.radar, "IIQQ", self.n_frames)

    def __iter__(self) -> Iterator[AdcFrame]:
        rng = np.random.default_rng(self.seed)
        radar = self.radar
        shape = (radar.n_chirps, radar.n_rx, radar.n_samples)
        for k in range(self.n_frames):
            start_s = k * radar.frame_period_s
            samples = np.zeros(shape, np.complex128)
            for amplitude, path in self.scatterers:
                samples += echo(radar, path(start_s + radar.chirp_start_s), amplitude)
            samples += self.noise * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
            valid = np.ones(radar.n_chirps, bool)
            yield AdcFrame(radar, "IIQQ", k, start_s, iiqq(samples), valid)


def moving(start_m: float, velocity_mps: float) -> Path:
    """Constant radial velocity; positive is away."""
    return lambda time_s: start_m + velocity_mps * time_s
