"""What is measured: waveforms, parameters, and a seeded walker written as a raw capture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capture.config import C_MPS, RadarConfig
from capture.types import AdcFrame
from radarid.dsp import convert
from radarid.dsp.params import DspParams

_FRAME_S, _SAMPLING_S = 33e-3, 51.2e-6
_FIRST_BIN = 5
_N_NOISES = 8  # noise frames that are used in turn


@dataclass(frozen=True)
class Workload:
    """One waveform with the parameters that make an image of it."""

    name: str
    radar: RadarConfig
    params: DspParams

    def n_frames(self, capture_s: float) -> int:
        """Frames that a capture of about this length has."""
        return max(1, round(capture_s / self.radar.frame_period_s))


def evenly_spaced(
    n_rx: int = 4,
    n_samples: int = 256,
    n_chirps: int = 200,
    n_bins: int = 64,
    window: int = 256,
    hop: int = 16,
) -> Workload:
    """Chirps without a gap, every window's own mean removed, all kept bins summed.

    The defaults are the reference of the goals: 4 antennas, 256 samples, 200 chirps every 33 ms,
    64 range bins, 256-point Hann windows, one every 16 chirps.

    Parameters
    ----------
    n_rx : receive antennas, 1 to 4
    n_samples : of a chirp; they take 51.2 us and span the same band whatever their number
    n_chirps : per frame of 33 ms
    n_bins : range bins kept, from bin 5 on, as far as there are any
    window, hop : chirps of a slow-time window, and from one to the next
    """
    radar = RadarConfig(
        sample_rate_hz=n_samples / _SAMPLING_S,
        n_samples=n_samples,
        rx_mask=(1 << n_rx) - 1,
        n_loops=n_chirps,
        idle_s=_FRAME_S / n_chirps - 60e-6,
        frame_period_s=_FRAME_S,
    )
    params = DspParams(
        window_chirps=window,
        hop_chirps=hop,
        velocity_oversampling=1,
        gate_m=float("inf"),
        min_range_m=_edge_m(radar, 0),
        max_range_m=_edge_m(radar, min(n_bins, n_samples - _FIRST_BIN)),
        max_velocity_mps=min(DspParams().max_velocity_mps, radar.max_velocity_mps),
    )
    name = f"{n_rx} RX, {n_samples} samples, {n_chirps} chirps, window {window}, hop {hop}"
    return Workload(name, radar, params)


def gapped() -> Workload:
    """The paper's radar: 230 chirps, then silence until 33 ms are over; windows inside frames.

    128 chirps of each window are transformed with 256 points, so that every transform is as long
    as the reference's; 14 windows a frame give about the same mix of range and slow-time ones.
    """
    radar = RadarConfig()
    params = DspParams(
        window_chirps=128,
        slices_per_frame=14,
        velocity_oversampling=2,
        gate_m=float("inf"),
        min_range_m=_edge_m(radar, 0),
        max_range_m=_edge_m(radar, 64),
    )
    return Workload("gapped: 230 chirps of 120 us in 33 ms", radar, params)


def _edge_m(radar: RadarConfig, n_bins: int) -> float:
    """Range between two bins, of which the lower is the last of `n_bins` from bin 5 on."""
    return (_FIRST_BIN + n_bins - 0.5) * convert.range_bin_m(radar, radar.n_samples)


def frame_words(radar: RadarConfig, n_frames: int) -> Iterator[np.ndarray]:
    """A body that walks to and fro with two swinging limbs, a wall and noise; groups IIQQ.

    Yields
    ------
    int16 array, shape (n_chirps, words_per_chirp)
    """
    rng = np.random.default_rng(0)
    shape = (radar.n_chirps, radar.n_rx, radar.n_samples // 2, 2, 2)  # .., I or Q, in the pair
    noises = [40 * rng.standard_normal(shape, np.float32) for _ in range(_N_NOISES)]
    first_hz = radar.start_frequency_hz + radar.slope_hz_per_s * radar.adc_start_s
    sample = np.arange(radar.n_samples)
    sweep_hz = first_hz + radar.slope_hz_per_s * sample / radar.sample_rate_hz
    for k in range(n_frames):
        t = k * radar.frame_period_s + radar.chirp_start_s
        body = 5.5 - 2.5 * np.cos(2 * np.pi * t / 12)
        swing = 0.25 * np.sin(2 * np.pi * 0.9 * t)
        echoes = [(300, body), (60, body + swing), (60, body - swing), (900, 0 * t + 9.1)]
        signal = sum(a * np.exp(4j * np.pi / C_MPS * r[:, None] * sweep_hz) for a, r in echoes)
        pairs = np.reshape(signal, (radar.n_chirps, 1, -1, 2))
        words = noises[k % _N_NOISES].copy()
        words[..., 0, :] += pairs.real
        words[..., 1, :] += pairs.imag
        yield np.rint(words).astype("<i2").reshape(radar.n_chirps, -1)


def write_capture(path: Path, radar: RadarConfig, n_frames: int) -> None:
    """Write the walker's frames as a .bin file."""
    with path.open("wb") as file:
        for words in frame_words(radar, n_frames):
            file.write(words.tobytes())


def endless_frames(radar: RadarConfig, n_frames: int, n_kept: int = 16) -> Iterator[AdcFrame]:
    """Frames from memory, the same few in turn: a stream of any length without a file."""
    ring = list(frame_words(radar, n_kept))
    valid = np.ones(radar.n_chirps, bool)
    for k in range(n_frames):
        yield AdcFrame(radar, "IIQQ", k, k * radar.frame_period_s, ring[k % n_kept], valid)
