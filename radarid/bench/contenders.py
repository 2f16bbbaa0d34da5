"""Who computes the image: one function each, from the raw file to the pixels.

A contender is made for a `Job` (plans, pools and scratch memory, not timed) and gives a function
without arguments that reads the file and returns the image. All use the tapers of the job.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np

from capture.file.recording import open_recording
from radarid.bench.job import Job, image_of_stream
from radarid.dsp.spectrogram import SpectrogramStream

Run = Callable[[], np.ndarray]
_WINDOWS_AT_ONCE = 4


@dataclass(frozen=True)
class Contender:
    """One way to the image.

    Attributes
    ----------
    name : in tables
    n_threads : how many it computes with
    make : from the job to the function that is timed
    packages : names (import, distribution) of what it needs beside radarid's own libraries
    """

    name: str
    n_threads: int
    make: Callable[[Job], Run]
    packages: tuple[tuple[str, str], ...] = ()

    @property
    def missing(self) -> list[str]:
        """Distributions that would have to be installed."""
        return [dist for name, dist in self.packages if importlib.util.find_spec(name) is None]

    @property
    def versions(self) -> dict[str, str]:
        """Versions of what it needs, as far as that is installed."""
        missing = self.missing
        return {dist: metadata.version(dist) for _, dist in self.packages if dist not in missing}


def radarid(n_threads: int, *, is_open: bool = False) -> Callable[[Job], Run]:
    """The engine, from opening the recording (which examines its layout), or after it."""

    def make(job: Job) -> Run:
        opened = open_recording(job.path, job.radar) if is_open else None

        def run() -> np.ndarray:
            recording = opened or open_recording(job.path, job.radar)
            stream = SpectrogramStream(job.radar, job.params, n_threads)
            return image_of_stream(stream, recording, job.time_s)

        return run

    return make


# -- what the array contenders share ------------------------------------------------------------
def raw_frames(job: Job) -> np.ndarray:
    """The file, mapped: int16 (n_frames, n_chirps, n_rx, pairs, I or Q, in the pair)."""
    return job.words().reshape(job.n_frames, job.n_chirps, job.n_rx, -1, 2, 2)


def sample_scratch(job: Job) -> np.ndarray:
    """Room for the samples of a frame, complex64 (n_chirps, n_rx, n_samples)."""
    return np.empty((job.n_chirps, job.n_rx, job.n_samples), np.complex64)


def decode(frame: np.ndarray, samples: np.ndarray) -> None:
    """Words of a frame -> samples, by strided copies."""
    pairs = samples.reshape(*samples.shape[:2], -1, 2)
    pairs.real, pairs.imag = frame[..., 0, :], frame[..., 1, :]


def empty_map(job: Job) -> np.ndarray:
    """Room for the range-time map, complex64 (n_rx n_bins, n_slow): slow time lies together."""
    return np.empty((job.n_rx * job.n_bins, job.n_slow), np.complex64)


def keep(job: Job, ranged: np.ndarray, frame: int, kept: np.ndarray) -> None:
    """Copy the kept bins of one frame's spectra to the map."""
    own = slice(frame * job.n_chirps, (frame + 1) * job.n_chirps)
    kept[:, own] = ranged[..., job.kept].reshape(job.n_chirps, -1).T


class WindowTiles:
    """Windows of the map, some at a time, in memory that is used again and stays in the cache.

    Their means come off the spectra: a constant under a Hann taper shows in three bins only.
    """

    def __init__(self, job: Job, kept: np.ndarray) -> None:
        every = np.lib.stride_tricks.sliding_window_view(kept, job.window, axis=1)
        self._windows = every[:, :: job.grid.hop].swapaxes(0, 1)
        self._taper = job.slow_taper
        self._tile = np.empty((_WINDOWS_AT_ONCE, len(kept), job.window), np.complex64)
        self._of_one = np.fft.fft(job.slow_taper)[[0, 1, -1]].astype(np.complex64)

    def power(
        self, own: range, transform: Callable[[np.ndarray], np.ndarray], power: np.ndarray
    ) -> None:
        """Set the rows `own` of power (n_slices, n_fft) by a transform along the last axis."""
        for k in own[::_WINDOWS_AT_ONCE]:
            stop = min(k + _WINDOWS_AT_ONCE, own.stop)
            windows = self._windows[k:stop]
            tile = np.multiply(windows, self._taper, out=self._tile[: stop - k])
            spectrum = transform(tile)
            spectrum[..., [0, 1, -1]] -= windows.mean(axis=-1, keepdims=True) * self._of_one
            numbers = spectrum.view(np.float32)
            squares = np.einsum("wcf,wcf->wf", numbers, numbers)
            power[k:stop] = squares[:, 0::2] + squares[:, 1::2]


def halves(n: int, n_threads: int) -> list[range]:
    """Equal shares of n things."""
    edges = np.linspace(0, n, n_threads + 1).astype(int)
    return [range(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


# -- SciPy ---------------------------------------------------------------------------------------
def scipy_careful(n_workers: int, n_threads: int) -> Callable[[Job], Run]:
    """SciPy frame by frame and four windows at a time, so that work stays in cache, in float32.

    Either `scipy.fft` runs its own workers, or Python threads share the frames and the windows.
    """

    def make(job: Job) -> Run:
        import scipy.fft

        pool = ThreadPoolExecutor(n_threads)
        kept = empty_map(job)
        scratches = [sample_scratch(job) for _ in range(n_threads)]
        tiles = [WindowTiles(job, kept) for _ in range(n_threads)]

        def ranges(frames: range, samples: np.ndarray) -> None:
            words = raw_frames(job)
            for k in frames:
                decode(words[k], samples)
                samples *= job.range_taper
                ranged = scipy.fft.fft(samples, overwrite_x=True, workers=n_workers)
                keep(job, ranged, k, kept)

        def transform(tile: np.ndarray) -> np.ndarray:
            return np.asarray(scipy.fft.fft(tile, overwrite_x=True, workers=n_workers))

        def run() -> np.ndarray:
            power = np.empty((len(job.starts), job.n_fft), np.float32)
            list(pool.map(ranges, halves(job.n_frames, n_threads), scratches))
            shares = halves(len(power), n_threads)
            list(pool.map(lambda tile, own: tile.power(own, transform, power), tiles, shares))
            return job.finish(power)

        return run

    return make


# -- radar libraries -----------------------------------------------------------------------------
def openradar(job: Job) -> Run:
    """OpenRadar's organiser and range transform, then `scipy.signal.stft` per antenna."""
    from mmwave.dataloader import DCA1000
    from mmwave.dsp import range_processing

    stft: Any = import_module("scipy.signal").stft
    scale = np.float32(job.slow_taper.sum() ** 2)  # stft divides by the sum of the taper

    def run() -> np.ndarray:
        words = np.fromfile(job.path, "<i2").reshape(job.n_frames, -1)
        kept = empty_map(job)
        for k, frame in enumerate(words):
            samples = DCA1000.organize(frame, job.n_chirps, job.n_rx, job.n_samples)
            keep(job, range_processing(samples * job.range_taper), k, kept)
        power = np.zeros((job.n_fft, len(job.starts)), np.float32)
        for antenna in kept.reshape(job.n_rx, job.n_bins, -1):
            spectrum = stft(
                antenna, window=job.slow_taper, nperseg=job.window,
                noverlap=job.window - job.grid.hop, detrend="constant", return_onesided=False,
                boundary=None, padded=False,
            )[2]  # fmt: skip
            power += np.sum(np.abs(spectrum) ** 2, axis=0)
        return job.finish(power.T * scale)

    return run


def xwr_rsp(job: Job) -> Run:
    """xwr's decoder and its FFTW plans, frame by frame and windows in tiles."""
    from xwr.rsp import iq_from_iiqq
    from xwr.rsp.numpy import AWR1843Boost

    chain, kept = AWR1843Boost(), empty_map(job)
    tiles = WindowTiles(job, kept)

    def run() -> np.ndarray:
        words = job.words().reshape(job.n_frames, job.n_chirps, job.n_rx, -1)
        for k, frame in enumerate(words):
            samples = iq_from_iiqq(frame, sample_swap=True) * job.range_taper
            keep(job, chain.fft(samples, (2,)), k, kept)
        power = np.empty((len(job.starts), job.n_fft), np.float32)
        tiles.power(range(len(power)), lambda tile: chain.fft(tile, (2,)), power)
        return job.finish(power)

    return run


def mmwcore(job: Job) -> Run:
    """mmwcore's Rust decoder and transforms through its typed cubes."""
    core, dsp = import_module("mmwcore.core"), import_module("mmwcore.dsp")
    frame_spec = core.ADCFrameSpec(
        num_chirps=job.n_chirps, num_rx=job.n_rx, num_samples=job.n_samples,
        layout=core.ADCComplexLayout.GROUP2_I_THEN_Q,
    )  # fmt: skip
    range_spec = core.RangeFFTSpec(n_fft=job.n_samples, window=core.FFTWindow.NONE)
    slow_spec = core.DopplerFFTSpec(n_fft=job.n_fft, window=core.FFTWindow.NONE, fftshift=False)

    kept = empty_map(job)
    tiles = WindowTiles(job, kept)

    def transform(tile: np.ndarray) -> np.ndarray:
        cube = core.RadarCube(tile, axes=("frame", "range_bin", "chirp"))
        return np.asarray(dsp.doppler_fft(cube, slow_spec).data)

    def run() -> np.ndarray:
        words = job.words().reshape(job.n_frames, -1)
        for k, frame in enumerate(words):
            cube = dsp.organize_adc_samples(frame, frame_spec)
            tapered = core.RadarCube(cube.data * job.range_taper, axes=cube.axes)
            keep(job, dsp.range_fft(tapered, range_spec).data, k, kept)
        power = np.empty((len(job.starts), job.n_fft), np.float32)
        tiles.power(range(len(power)), transform, power)
        return job.finish(power)

    return run
