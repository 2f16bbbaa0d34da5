"""What the engine hands on: micro-Doppler slices and the axes they stand on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True)
class Slices:
    """Micro-Doppler slices, and the range-time energy that they were gated with.

    ``power[k, d]`` is the echo power at velocity d around ``time_s[k]``, summed over the range
    gate and the virtual antennas without phase; white noise of variance s^2 (ADC counts) gives
    s^2 times the number of bins and antennas summed.

    Attributes
    ----------
    time_s : float64 (n,), centres of the windows, seconds since the start of the recording
    power : float32 (n, n_velocity), linear; 0 where nothing was received
    valid : float32 (n,), fraction of the window's chirps that were received
    range_m : float32 (n,), where the walker's body is believed to be
    presence_db : float32 (n,), level of that range bin over the noise; 0 where lost
    angle_rad : float32 (n,), azimuth of the walker; NaN where it was not estimated
    track : int32 (n,), number of the walker; several walkers have slices at equal times
    planes : float32 (n, n_more, n_velocity), further planes of the image; see `DspParams.planes`
    frame_time_s : float64 (n_frames,), centres of the track's steps (frames, usually)
    range_energy : float32 (n_frames, n_bins), moving energy; NaN where nothing was received
    """

    time_s: np.ndarray
    power: np.ndarray
    valid: np.ndarray
    range_m: np.ndarray
    presence_db: np.ndarray
    angle_rad: np.ndarray
    track: np.ndarray
    planes: np.ndarray
    frame_time_s: np.ndarray
    range_energy: np.ndarray

    def __len__(self) -> int:
        return len(self.time_s)

    @staticmethod
    def concatenate(parts: Iterable[Slices]) -> Slices:
        """Join slices in the order given; at least one part is needed."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(Slices)]
        return Slices(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        )

    def between(self, start_s: float, stop_s: float = np.inf) -> Slices:
        """Slices, and steps of the range-time energy, in start_s <= time < stop_s (views)."""
        own = slice(*np.searchsorted(self.time_s, (start_s, stop_s)))
        steps = slice(*np.searchsorted(self.frame_time_s, (start_s, stop_s)))
        return self._part(own, steps)

    def tracks(self) -> list[int]:
        """Numbers of the walkers that have slices, ascending."""
        return [int(track) for track in np.unique(self.track)]

    def of(self, track: int) -> Slices:
        """One walker's slices; the range-time energy stays that of all."""
        own = self.track == track
        return self if own.all() else self._part(own, slice(None))

    def _part(self, own: slice | np.ndarray, steps: slice) -> Slices:
        kept = {field.name: getattr(self, field.name)[own] for field in fields(Slices)[:-2]}
        return Slices(
            **kept, frame_time_s=self.frame_time_s[steps], range_energy=self.range_energy[steps]
        )


@dataclass(frozen=True, slots=True)
class Axes:
    """What the numbers of `Slices` stand for.

    Attributes
    ----------
    velocity_mps : float32 (n_velocity,), ascending; positive is away
    range_m : float64 (n_bins,), centres of the kept range bins
    slice_interval_s : longest regular distance between two slices
    regime : 'frame', 'continuous' or 'burst'
    """

    velocity_mps: np.ndarray
    range_m: np.ndarray
    slice_interval_s: float
    regime: str
