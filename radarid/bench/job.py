"""The definition of the image that all contenders compute, and its double-precision reference."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path

import numpy as np

from capture.file.recording import FileRecording
from capture.types import AdcFrame
from radarid.bench.workload import Workload
from radarid.dsp import convert, slowtime
from radarid.dsp.clips import columns_at
from radarid.dsp.range_fft import taper
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream

_NEVER_W = 1e-30
_FRAMES_AT_ONCE = 16  # that are pushed,
_SLICES_AT_ONCE = 512  # and slices that become columns
_SPAN_DB = 45.0


class Job:
    """A capture on disk and the image that is wanted of it.

    Parameters
    ----------
    path : raw words, groups IIQQ
    workload : waveform and parameters; all kept bins are summed

    Attributes
    ----------
    n_frames, n_chirps, n_rx, n_samples, n_bins : of the capture, and of a frame of it
    n_slow : chirps of the whole capture
    kept : range bins that are kept
    range_taper, slow_taper : float32, unit energy
    starts : int array (n_slices,), first chirp of each window in the whole capture
    window, n_fft : chirps of a window, points of its transform
    time_s : float64 (image_size,), columns of the image
    """

    def __init__(self, path: Path, workload: Workload) -> None:
        self.path, self.workload = path, workload
        self.radar, self.params = radar, params = workload.radar, workload.params
        self.n_chirps, self.n_rx, self.n_samples = radar.n_chirps, radar.n_rx, radar.n_samples
        self.n_frames = path.stat().st_size // radar.frame_bytes
        self.n_slow = self.n_frames * self.n_chirps
        self.kept = convert.kept_bins(
            radar, radar.n_samples, params.min_range_m, params.max_range_m
        )
        self.n_bins = self.kept.stop - self.kept.start
        self.grid = grid = slowtime.plan(radar, params)
        self.window = grid.window
        self.n_fft = 1 << (params.velocity_oversampling * grid.window - 1).bit_length()
        self.range_taper = taper(params.range_window, radar.n_samples)
        self.slow_taper = taper(params.doppler_window, grid.window)
        self.starts = self._starts()
        chirp_s = self.chirp_time_s(np.arange(self.n_slow))
        self.slice_s = (chirp_s[self.starts] + chirp_s[self.starts + self.window - 1]) / 2
        self.time_s = np.linspace(self.slice_s[0], self.slice_s[-1], params.image_size)
        self.to_pixels = self._to_pixels()

    def _starts(self) -> np.ndarray:
        if self.grid.regime != "frame":
            return np.arange(0, self.n_slow - self.window + 1, self.grid.hop)
        frames = np.arange(self.n_frames)[:, None] * self.n_chirps
        return np.ravel(frames + np.array(self.grid.starts))

    def chirp_time_s(self, chirp: np.ndarray) -> np.ndarray:
        """Time of chirps counted through the whole capture, seconds."""
        frame, own = np.divmod(chirp, self.n_chirps)
        return np.asarray(frame * self.radar.frame_period_s + self.grid.offset_s[own])

    @property
    def capture_s(self) -> float:
        """Length of the capture, seconds."""
        return self.n_frames * self.radar.frame_period_s

    @property
    def n_ffts(self) -> tuple[int, int]:
        """Range transforms, and slow-time transforms."""
        return self.n_slow * self.n_rx, len(self.starts) * self.n_rx * self.n_bins

    @property
    def flop(self) -> float:
        """Nominal operations of the transforms, 5 N log2 N each, and of nothing else."""
        return sum(
            5 * count * n * np.log2(n)
            for count, n in zip(self.n_ffts, (self.n_samples, self.n_fft), strict=True)
        )

    def words(self) -> np.ndarray:
        """The file, mapped: int16 of all whole frames; what is written stays in memory."""
        mapped = np.memmap(self.path, "<i2", mode="c")
        return np.asarray(mapped[: self.n_frames * self.radar.frame_bytes // 2])

    # -- from spectra to pixels -----------------------------------------------------------
    def _to_pixels(self) -> np.ndarray:
        """Weights of Doppler bins in each velocity pixel, float64 (n_fft, image_size).

        Linear between bins; exact where the window's lags all show in the bins.
        """
        velocity = slowtime.velocity_axis_mps(self.radar, self.params, self.grid)
        frequency = convert.velocity_to_doppler_hz(self.radar, velocity) * self.grid.interval_s
        if self.n_fft >= 2 * self.window - 1:
            lag = np.arange(1, self.window)[:, None, None]
            bins = np.arange(self.n_fft)[:, None] / self.n_fft
            waves = np.zeros((self.n_fft, len(frequency)))
            for part in np.array_split(lag, 8):
                waves += 2 * np.cos(2 * np.pi * part * (frequency - bins)).sum(axis=0)
            return (1 + waves) / self.n_fft
        place = frequency * self.n_fft
        below = np.floor(place).astype(int)
        weights = np.zeros((self.n_fft, len(place)))
        pixel = np.arange(len(place))
        weights[below % self.n_fft, pixel] = 1 - (place - below)
        weights[(below + 1) % self.n_fft, pixel] += place - below
        return weights

    def finish(self, power: np.ndarray) -> np.ndarray:
        """Power of all slices (n_slices, n_fft) -> image in dB (n_velocity, n_time)."""
        place = np.interp(self.time_s, self.slice_s, np.arange(len(self.slice_s)))
        after = np.clip(np.ceil(place).astype(int), 1, len(power) - 1)
        share = (place - (after - 1)).astype(power.dtype)[:, None]
        columns = power[after - 1] * (1 - share) + power[after] * share
        pixels = columns @ self.to_pixels.astype(power.dtype, copy=False)
        return 10 * np.log10(np.maximum(pixels.T, _NEVER_W))

    # -- the reference --------------------------------------------------------------------
    def reference(self) -> np.ndarray:
        """The image in complex128, by `numpy.fft`, from the definition."""
        words = self.words().reshape(self.n_slow, self.n_rx, -1, 2, 2)
        profiles = np.empty((self.n_slow, self.n_rx * self.n_bins), np.complex128)
        hann = _unit_hann(self.n_samples)
        for start in range(0, self.n_slow, self.n_chirps):
            part = words[start : start + self.n_chirps].astype(float)
            samples = (part[..., 0, :] + 1j * part[..., 1, :]).reshape(len(part), self.n_rx, -1)
            ranged = np.fft.fft(samples * hann)[..., self.kept]
            profiles[start : start + self.n_chirps] = ranged.reshape(len(part), -1)
        return self.finish(self._spectra(profiles))

    def _spectra(self, profiles: np.ndarray) -> np.ndarray:
        power = np.empty((len(self.starts), self.n_fft))
        hann = _unit_hann(self.window)[:, None]
        for k, start in enumerate(self.starts):
            windowed = profiles[start : start + self.window]
            mean = windowed.mean(axis=0)
            if self.grid.regime == "frame":
                first = start - start % self.n_chirps
                mean = profiles[first : first + self.n_chirps].mean(axis=0)
            spectrum = np.fft.fft((windowed - mean) * hann, self.n_fft, axis=0)
            power[k] = np.sum(spectrum.real**2 + spectrum.imag**2, axis=1)
        return power


def _unit_hann(n: int) -> np.ndarray:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return np.asarray(hann / np.sqrt(np.sum(hann**2)))


class ImageColumns:
    """Columns of the image, made as slices arrive, so that slices need not be kept.

    Parameters
    ----------
    stream : where the slices come from
    time_s : float64 (n_time,), ascending
    """

    def __init__(self, stream: SpectrogramStream, time_s: np.ndarray) -> None:
        self._stream, self._time_s = stream, time_s
        self._power = np.zeros((len(time_s), len(stream.velocity_mps)), np.float32)
        self._n_done = 0
        self._tail: list[Slices] = []

    def add(self, slices: Slices) -> None:
        """Take slices in order of time."""
        if not len(slices):
            return
        known = Slices.concatenate([*self._tail, slices])
        stop = int(np.searchsorted(self._time_s, known.time_s[-1] + 1e-9))
        if stop > self._n_done and len(known) > 1:
            wanted = self._time_s[self._n_done : stop]
            columns = columns_at(known, self._stream.axes, self._stream.params, wanted)
            self._power[self._n_done : stop] = columns.power
            self._n_done = stop
        self._tail = [known.between(float(known.time_s[-2:][0]))]

    def image(self) -> np.ndarray:
        """Pixels in dB, float32 (n_velocity, n_time)."""
        return np.asarray(10 * np.log10(np.maximum(self._power.T, _NEVER_W)))


def image_of_stream(
    stream: SpectrogramStream,
    frames: FileRecording | Iterable[AdcFrame],
    time_s: np.ndarray,
) -> np.ndarray:
    """The engine's image of any number of frames, in memory that does not grow with them."""
    columns, held = ImageColumns(stream, time_s), list[Slices]()
    if isinstance(frames, FileRecording):
        parts = stream.parts(frames)
    else:
        rest = iter(frames)
        parts = (stream.push(chain([frame], islice(rest, _FRAMES_AT_ONCE - 1))) for frame in rest)
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= _SLICES_AT_ONCE:
            columns.add(Slices.concatenate(held))
            held = []
    columns.add(Slices.concatenate([*held, stream.flush()]))
    return columns.image()


def differences_db(image: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Largest and median difference within 45 dB of the reference's peak."""
    near = reference > reference.max() - _SPAN_DB
    difference = np.abs(image - reference)[near]
    return {"max": float(difference.max()), "median": float(np.median(difference))}
