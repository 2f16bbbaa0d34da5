"""What the published chains share: chirps strung together across the gaps, and their axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import scipy.fft

from capture import layouts
from capture.config import RadarConfig
from capture.types import AdcFrame
from radarid.dsp import convert
from radarid.dsp.params import DspParams
from radarid.errors import ParameterError, RadaridError

IMAGE_SIZE = 256
HOP = 16  # chirps from one column of a Doppler transform to the next
FLOOR = 1e-9  # stands for zero before the logarithm: -180 dB


class NoWalkError(RadaridError):
    """A recording of which a published chain makes no image."""


@dataclass(frozen=True, slots=True)
class CompatSpectrogram:
    """An image of a published chain, with the axes it was published with and the true ones.

    Attributes
    ----------
    image : float64 array, shape (256, 256), dB; rows are velocity, columns time
    velocity_mps, published_velocity_mps : float64 arrays, shape (256,), of the rows; the
        published one takes the chirps to be spread over the whole frame period
    time_s, published_time_s : float64 arrays, shape (256,), of the columns, since the start of
        the recording; the published one likewise
    valid : float64 array, shape (256,), share of each column's chirps that were received
    range_m : distance of the strongest moving echo, on the true axis
    """

    image: np.ndarray
    velocity_mps: np.ndarray
    published_velocity_mps: np.ndarray
    time_s: np.ndarray
    published_time_s: np.ndarray
    valid: np.ndarray
    range_m: float


@dataclass(frozen=True, slots=True)
class Strung:
    """Slow time with all frames joined as if there were no gap between them.

    Attributes
    ----------
    radar : waveform
    profiles : complex128 array, shape (n_bins, n), of the first receive antenna and the first
        slow-time series; zeros for what was not received
    valid : bool array, shape (n,)
    range_m : float64 array, shape (n_bins,), centres of the bins, on the true axis
    start_s : start of the first frame, seconds since the start of the recording
    """

    radar: RadarConfig
    profiles: np.ndarray
    valid: np.ndarray
    range_m: np.ndarray
    start_s: float

    @property
    def published_rate_hz(self) -> float:
        """Chirps of a frame over the frame period; the true rate is higher by the gap's share."""
        return self.radar.n_slow / self.radar.frame_period_s

    def published_time_s(self, place: np.ndarray) -> np.ndarray:
        """Time of (fractional) samples, as if they were evenly spaced."""
        return self.start_s + np.asarray(place) / self.published_rate_hz

    def time_s(self, place: np.ndarray) -> np.ndarray:
        """True time of (fractional) samples."""
        n = self.radar.n_slow
        offset_s = self.radar.chirp_start_s[self.radar.slow_time_groups[0]]
        frame_s = self.start_s + np.arange(len(self.valid) // n) * self.radar.frame_period_s
        sample_s = (frame_s[:, None] + offset_s).ravel()
        return np.interp(place, np.arange(len(sample_s)), sample_s)

    def velocities_mps(self, cycles_per_sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """True and published velocity of a frequency on the strung samples."""
        true_hz = cycles_per_sample / self.radar.slow_time_interval_s
        return (
            convert.doppler_to_velocity_mps(self.radar, true_hz),
            convert.doppler_to_velocity_mps(
                self.radar, cycles_per_sample * self.published_rate_hz
            ),
        )


def string_together(
    frames: Iterable[AdcFrame], choose_bins: Callable[[RadarConfig], slice]
) -> Strung:
    """Range transform (symmetric Hann, no zero padding) of all frames, joined.

    Parameters
    ----------
    frames : in order; whole frames that are missing count as zeros, as TI's recorder fills them
    choose_bins : which range bins of a radar to keep

    Raises
    ------
    NoWalkError
        There is no frame.
    """
    profiles: list[np.ndarray] = []
    valid: list[np.ndarray] = []
    first, last_index = None, 0
    for frame in frames:
        radar, group = frame.config, frame.config.slow_time_groups[0]
        if first is None:
            first, bins = frame, choose_bins(radar)
            taper = np.hanning(radar.n_samples)
        else:
            n_lost = (frame.index - last_index - 1) * radar.n_slow
            profiles.append(np.zeros((n_lost, bins.stop - bins.start), complex))
            valid.append(np.zeros(n_lost, bool))
        samples = layouts.decode(frame.words[group], frame.layout, radar)[:, 0]
        samples[~frame.valid[group]] = 0
        profiles.append(scipy.fft.fft(samples * taper, axis=1)[:, bins])
        valid.append(frame.valid[group])
        last_index = frame.index
    if first is None:
        raise NoWalkError("the recording holds no whole frame")
    return Strung(
        radar=first.config,
        profiles=np.ascontiguousarray(np.concatenate(profiles).T),
        valid=np.concatenate(valid),
        range_m=convert.bins_to_range_m(
            first.config, first.config.n_samples, np.arange(bins.start, bins.stop)
        ),
        start_s=first.time_s,
    )


def merged_magnitude(profiles: np.ndarray, taper: np.ndarray) -> np.ndarray:
    """Doppler magnitudes of strung samples, summed over range bins.

    Parameters
    ----------
    profiles : complex array, shape (n_bins, n)
    taper : float64 array, shape (window,); windows are 16 samples apart, and each one's mean is
        taken off before (the default of `scipy.signal.spectrogram`, which the script leaves)

    Returns
    -------
    float64 array, shape (window, n_columns), standstill in row window // 2

    Raises
    ------
    NoWalkError
        There are fewer samples than a window has.
    """
    n, window = profiles.shape[1], len(taper)
    if n < window:
        raise NoWalkError("shorter than a Doppler window", got=f"{n} chirps", expected=window)
    total = np.zeros((1 + (n - window) // HOP, window))
    for row in profiles:
        stretches = np.lib.stride_tricks.sliding_window_view(row, window)[::HOP]
        shown = np.flatnonzero(stretches.any(axis=1))  # few, where a walker was cut out
        moving = stretches[shown] - stretches[shown].mean(axis=1, keepdims=True)
        total[shown] += np.abs(scipy.fft.fft(moving * taper, axis=1, overwrite_x=True))
    return np.fft.fftshift(total.T, axes=0)


def column_share(valid: np.ndarray, first: np.ndarray, n_samples: int) -> np.ndarray:
    """Share of received samples in stretches of `n_samples` from (fractional) samples `first`."""
    received = np.concatenate([[0], np.cumsum(valid)])
    place = np.clip(np.stack([first, first + n_samples]), 0, len(valid))
    start, stop = np.interp(place, np.arange(len(received)), received)
    return np.asarray((stop - start) / n_samples)


def check_fits(params: DspParams) -> None:
    """Raise `ParameterError` for parameters that no published chain can follow."""
    fixed = {"image_size": IMAGE_SIZE, "planes": "one", "max_walkers": 1}
    for key, value in fixed.items():
        if getattr(params, key) != value:
            raise ParameterError(
                f"compat = '{params.compat}' is a chain with its own image",
                where=key, got=getattr(params, key), expected=value,
            )  # fmt: skip


def resized_axis(first: float, n_pixels: int) -> np.ndarray:
    """Places of the centres of 256 pixels that cover `n_pixels`, the first of which is `first`."""
    return first + (np.arange(IMAGE_SIZE) + 0.5) * (n_pixels / IMAGE_SIZE) - 0.5
