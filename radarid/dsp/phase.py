"""Phase of one range bin over time: what a person who sits still still shows, their breath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal

from capture.config import RadarConfig
from capture.types import FrameSource
from radarid.dsp import convert, kernels_means
from radarid.dsp.params import DspParams
from radarid.dsp.range_fft import RangeStage
from radarid.errors import ParameterError

BREATHING_HZ = (0.1, 0.6)
"""Rates at which people breathe at rest, with a margin: 6 to 36 a minute."""


@dataclass(frozen=True, slots=True)
class RangeTime:
    """Mean complex range profile of every frame, static echoes included.

    Attributes
    ----------
    time_s : float64 (n_frames,), frame starts
    profile : complex64 (n_frames, n_virtual, n_bins), mean over the frame's valid chirps
    valid : bool (n_frames,), whether any chirp of the frame was received
    range_m : float64 (n_bins,), centres of the kept bins
    first_bin : number of the first kept bin of the range transform
    """

    time_s: np.ndarray
    profile: np.ndarray
    valid: np.ndarray
    range_m: np.ndarray
    first_bin: int

    @property
    def strongest(self) -> int:
        """Index of the kept bin with the greatest mean power over frames and antennas."""
        power = np.mean(np.abs(self.profile[self.valid]) ** 2, axis=(0, 1))
        return int(np.argmax(power))


def range_time(source: FrameSource, params: DspParams) -> RangeTime:
    """Mean range profile of every frame, without clutter removal.

    Parameters
    ----------
    source : a recording
    params : range window, transform length and kept range; nothing else matters here

    Raises
    ------
    ParameterError
        No frame was received, or the parameters do not fit the radar.
    """
    stage = RangeStage(source.info.config, params)
    times, profiles, received = [], [], []
    for frame in source:
        chirps, valid = stage(frame)
        mean = np.empty(chirps.shape[1:], np.complex64)
        kernels_means.mean_of_valid(chirps, valid, mean)
        times.append(frame.time_s)
        profiles.append(mean)
        received.append(bool(valid.any()))
    if not any(received):
        raise ParameterError("no frame was received", where=source.info.name)
    return RangeTime(
        np.array(times), np.array(profiles), np.array(received), stage.range_m, stage.bins.start
    )


def displacement_m(radar: RadarConfig, motion: RangeTime, bin_index: int) -> np.ndarray:
    """Radial displacement of the echo in one bin, from its unwrapped phase.

    Parameters
    ----------
    radar : for the wavelength
    motion : mean range profiles
    bin_index : which of the kept bins

    Returns
    -------
    float64 array, shape (n_frames,)
        Metres, positive away, mean 0; interpolated over lost frames. Right as long as the body
        moves less than a quarter of a wavelength from frame to frame.

    Notes
    -----
    The phase is taken on the antenna with the strongest echo and unwrapped in time;
    displacement is lambda phase / 4 pi.
    """
    echo = motion.profile[:, :, bin_index]
    antenna = int(np.argmax(np.sum(np.abs(echo[motion.valid]) ** 2, axis=0)))
    phase = np.unwrap(np.angle(echo[motion.valid, antenna]))
    whole = np.interp(motion.time_s, motion.time_s[motion.valid], phase)
    return convert.phase_to_displacement_m(radar, whole - whole.mean())


def can_show_breathing(n_frames: int, frame_period_s: float) -> bool:
    """Whether a recording holds a whole slow breath, and samples a fast one twice."""
    low_hz, high_hz = BREATHING_HZ
    return n_frames * frame_period_s >= 1 / low_hz and frame_period_s * 2 * high_hz <= 1


def breaths_per_minute(displacement: np.ndarray, frame_period_s: float) -> float:
    """Rate of the strongest periodic motion at a breathing rate, per minute.

    Parameters
    ----------
    displacement : float64 array, shape (n_frames,), metres
    frame_period_s : time between its samples

    Raises
    ------
    ParameterError
        Too short (see `can_show_breathing`; 20 s are well enough), or sampled too slowly.

    Notes
    -----
    The highest line of the Hann-tapered, zero-padded spectrum after removal of a straight line.
    """
    n = len(displacement)
    low_hz, high_hz = BREATHING_HZ
    if not can_show_breathing(n, frame_period_s):
        raise ParameterError(
            "the recording cannot show breathing",
            got=f"{n} frames every {frame_period_s:.3g} s",
            expected=f"at least {1 / low_hz:.3g} s, a frame every {1 / (2 * high_hz):.2g} s",
        )
    still = scipy.signal.detrend(displacement) * scipy.signal.windows.hann(n, sym=False)
    n_fft = 1 << (16 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(still, n_fft))
    rate_hz = np.fft.rfftfreq(n_fft, frame_period_s)
    inside = (rate_hz >= low_hz) & (rate_hz <= high_hz)
    return float(60 * rate_hz[inside][np.argmax(spectrum[inside])])
