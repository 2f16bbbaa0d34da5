"""Contenders that work on tiles with a compiled step of their own: FFTW, rocket-fft, torch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import numpy as np

from radarid.bench.contenders import Run, empty_map, halves, keep, raw_frames
from radarid.bench.job import Job

_CHIRPS_AT_ONCE = 100
_TORCH_WINDOWS = 8
Ranges = Callable[[np.ndarray, range], None]
Slices = Callable[[np.ndarray, range, np.ndarray], None]


def _two_phases(job: Job, n_threads: int, make: Callable[[], tuple[Ranges, Slices]]) -> Run:
    """Chirps to the map, windows of the map to power, both shared between Python threads."""
    pool = ThreadPoolExecutor(n_threads)
    steps = [make() for _ in range(n_threads)]
    kept = empty_map(job)

    def run() -> np.ndarray:
        power = np.zeros((len(job.starts), job.n_fft), np.float32)
        chirps, slices = halves(job.n_slow, n_threads), halves(len(power), n_threads)
        list(pool.map(lambda step, own: step[0](kept, own), steps, chirps))
        list(pool.map(lambda step, own: step[1](kept, own, power), steps, slices))
        return job.finish(power)

    return run


def fftw_tiles(job: Job) -> Run:
    """Numba decodes and tapers into tiles, FFTW (planned with measurements) transforms them."""
    from radarid.dsp import kernels_peers

    pyfftw = import_module("pyfftw")

    def plan(*shape: int) -> tuple[np.ndarray, Callable[[], object]]:
        tile = pyfftw.empty_aligned(shape, np.complex64)
        return tile, pyfftw.FFTW(tile, tile, axes=(-1,), flags=("FFTW_MEASURE",))

    def make() -> tuple[Ranges, Slices]:
        samples, transform = plan(_CHIRPS_AT_ONCE, job.n_rx, job.n_samples)
        tile, slow_transform = plan(job.n_rx * job.n_bins, job.n_fft)

        def ranges(kept: np.ndarray, own: range) -> None:
            words = job.words().reshape(job.n_slow, job.n_rx, -1)
            for first in own[::_CHIRPS_AT_ONCE]:
                stop = min(first + _CHIRPS_AT_ONCE, own.stop)
                kernels_peers.decode(words[first:stop], job.range_taper, samples)
                transform()
                kernels_peers.keep(samples, stop - first, job.kept.start, first, kept)

        def slices(kept: np.ndarray, own: range, power: np.ndarray) -> None:
            for k in own:
                kernels_peers.load_window(kept, job.starts[k], job.slow_taper, tile)
                slow_transform()
                kernels_peers.add_power(tile, power[k])

        return ranges, slices

    return _two_phases(job, 2, make)


def rocket_fft(job: Job) -> Run:
    """The same tiles with rocket-fft, PocketFFT inside Numba: one compiled call a share."""
    from radarid.dsp import kernels_peers

    def make() -> tuple[Ranges, Slices]:
        samples = np.empty((_CHIRPS_AT_ONCE, job.n_rx, job.n_samples), np.complex64)
        tile = np.empty((job.n_rx * job.n_bins, job.n_fft), np.complex64)

        def ranges(kept: np.ndarray, own: range) -> None:
            words = job.words().reshape(job.n_slow, job.n_rx, -1)
            kernels_peers.rocket_ranges(
                words, own.start, own.stop, job.range_taper, samples, job.kept.start, kept
            )

        def slices(kept: np.ndarray, own: range, power: np.ndarray) -> None:
            starts = job.starts[own.start : own.stop]
            kernels_peers.rocket_slices(
                kept, starts, job.slow_taper, tile, power[own.start : own.stop]
            )

        return ranges, slices

    return _two_phases(job, 2, make)


def torch_tiles(job: Job) -> Run:
    """torch on the CPU with two threads of its own, frame by frame and eight windows at a time."""
    import torch

    range_taper = torch.from_numpy(job.range_taper)
    slow_taper = torch.from_numpy(job.slow_taper)
    kept = empty_map(job)
    tile = torch.empty((len(kept), _TORCH_WINDOWS, job.window), dtype=torch.complex64)
    spectra = torch.empty_like(tile)

    def power_of(windows: torch.Tensor) -> torch.Tensor:
        own, spectrum = tile[:, : windows.shape[1]], spectra[:, : windows.shape[1]]
        torch.sub(windows, windows.mean(dim=-1, keepdim=True), out=own)
        own *= slow_taper
        torch.fft.fft(own, out=spectrum)
        return torch.view_as_real(spectrum).square_().sum(dim=(0, -1))

    def run() -> np.ndarray:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        for k, frame in enumerate(raw_frames(job)):
            words = torch.from_numpy(frame).float()
            parts = words.movedim(-2, -1).reshape(job.n_chirps, job.n_rx, job.n_samples, 2)
            ranged = torch.fft.fft(torch.view_as_complex(parts) * range_taper)
            keep(job, ranged.numpy(), k, kept)
        view = torch.from_numpy(kept).unfold(1, job.window, job.grid.hop)
        power = torch.empty((len(job.starts), job.n_fft))
        for k in range(0, len(power), _TORCH_WINDOWS):
            power[k : k + _TORCH_WINDOWS] = power_of(view[:, k : k + _TORCH_WINDOWS])
        torch.set_num_threads(before)
        return job.finish(power.numpy())

    return run
