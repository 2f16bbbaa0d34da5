"""Numba kernels of the chain; they never raise: the shells that call them validate.

Two ways lead from words to profiles, and from profiles to power. `range_profiles` and
`window_power` go it at once, LANES chirps or range bins abreast, for transforms of 2^k points
(`vectors_fit`). `window_samples`, `load_window` and `add_power` are the steps around `scipy.fft`
for every other length, and for Python without the compiler.

Numba's cache of a kernel is renewed when this file changes, not when `kernels_lanes` does.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import njit

from radarid.dsp.kernels_lanes import transform
from radarid.dsp.kernels_vectors import (
    LANES,
    lane_sum,
    load,
    load_complex,
    load_half,
    splat,
    store,
    transpose_in,
    transpose_out,
)

_NO_COMPILER: bool = getattr(numba.config, "DISABLE_JIT")  # noqa: B009
# No 'nnan' and 'ninf' (NaN marks missing data), no 'reassoc' (sums keep their order).
_kernel = njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})


@_kernel
def window_samples(
    words: np.ndarray,
    i_index: np.ndarray,
    q_index: np.ndarray,
    taper: np.ndarray,
    samples: np.ndarray,
) -> None:
    """De-interleave int16 words to tapered complex samples; see `range_fft.RangeStage`.

    `q_index` is empty for a real ADC.
    """
    n_rx, n_samples = i_index.shape
    has_q = q_index.size > 0
    for c in range(words.shape[0]):
        for r in range(n_rx):
            if has_q:
                for n in range(n_samples):
                    samples[c, r, n] = complex(
                        taper[n] * words[c, i_index[r, n]], taper[n] * words[c, q_index[r, n]]
                    )
            else:
                for n in range(n_samples):
                    samples[c, r, n] = complex(taper[n] * words[c, i_index[r, n]], np.float32(0))


@_kernel
def mean_of_valid(x: np.ndarray, valid: np.ndarray, mean: np.ndarray) -> None:
    """Mean over the valid slow-time samples of x (n, n_virtual, n_bins); 0 where none is."""
    n_virtual, n_bins = mean.shape
    n_valid = 0
    mean[:] = 0
    for i in range(x.shape[0]):
        if valid[i]:
            n_valid += 1
            for v in range(n_virtual):
                for b in range(n_bins):
                    mean[v, b] += x[i, v, b]
    if n_valid > 0:
        scale = np.float32(1 / n_valid)
        for v in range(n_virtual):
            for b in range(n_bins):
                mean[v, b] *= scale


@_kernel
def moving_energy(
    x: np.ndarray, valid: np.ndarray, mean: np.ndarray, energy: np.ndarray
) -> None:
    """Mean over valid samples of |x - mean|^2, summed over virtual antennas, per range bin."""
    n_virtual, n_bins = mean.shape
    n_valid = 0
    energy[:] = 0
    for i in range(x.shape[0]):
        if valid[i]:
            n_valid += 1
            for v in range(n_virtual):
                for b in range(n_bins):
                    re = x[i, v, b].real - mean[v, b].real
                    im = x[i, v, b].imag - mean[v, b].imag
                    energy[b] += re * re + im * im
    if n_valid > 0:
        scale = np.float32(1 / n_valid)
        for b in range(n_bins):
            energy[b] *= scale


@_kernel
def load_window(
    x: np.ndarray, mean: np.ndarray, weight: np.ndarray, first_bin: int, tile: np.ndarray
) -> None:
    """Write (x - mean) * weight, slow time last, into tile (n_virtual, n_gate, n_fft)."""
    n_virtual, n_gate, n_fft = tile.shape
    n_window = weight.shape[0]
    for v in range(n_virtual):
        for g in range(n_gate):
            b = first_bin + g
            for i in range(n_window):
                tile[v, g, i] = (x[i, v, b] - mean[v, b]) * weight[i]
            for i in range(n_window, n_fft):
                tile[v, g, i] = 0


@_kernel
def add_power(spectrum: np.ndarray, scale: float, power: np.ndarray) -> None:
    """Set power[f] to scale times the sum over virtual antennas and bins of |spectrum|^2."""
    n_virtual, n_gate, n_fft = spectrum.shape
    power[:] = 0
    for v in range(n_virtual):
        for g in range(n_gate):
            for f in range(n_fft):
                re = spectrum[v, g, f].real
                im = spectrum[v, g, f].imag
                power[f] += re * re + im * im
    for f in range(n_fft):
        power[f] *= scale


def vectors_fit(n_fft: int, *at_least_lanes: int) -> bool:
    """Whether the kernels abreast can do it: 2^k points, and enough of whatever fills the lanes."""
    power_of_two = n_fft >= 2 and n_fft & (n_fft - 1) == 0
    return power_of_two and min(at_least_lanes) >= LANES and not _NO_COMPILER


def scratch(n_rows: int, n: int, dtype: type[np.generic]) -> np.ndarray:
    """Zeros (n_rows, n LANES) that begin at a cache line."""
    n_items = n_rows * n * LANES
    room: np.ndarray = np.zeros(n_items + 64, dtype)
    first = -room.ctypes.data % 64 // room.itemsize
    return room[first : first + n_items].reshape(n_rows, n * LANES)


@_kernel
def range_profiles(
    words: np.ndarray,
    order: tuple[np.ndarray, ...],
    down: np.int32,
    taper: np.ndarray,
    plan: tuple[np.ndarray, np.ndarray],
    first_bin: int,
    units: np.ndarray,
    work: np.ndarray,
    out: np.ndarray,
) -> None:
    """Words of LANES chirps at a time to their kept range bins; see `range_fft.RangeStage`.

    `order` says for I and Q of every sample where its pair of words stands in `units`, and how
    far up its sign is shifted before all are shifted `down`. The last block repeats some chirps
    of the one before it.
    """
    n_chirps, n_words = words.shape
    n_rx, n_samples = order[0].shape
    flat, numbers = words.reshape(-1), out.view(np.float32).reshape(-1)
    row = 2 * out.shape[1] * out.shape[2]
    for block in range(0, n_chirps, LANES):
        chirp = min(block, n_chirps - LANES)
        for u in range(0, n_words // 2, LANES):
            unit = min(u, n_words // 2 - LANES)
            transpose_in(flat, chirp * n_words + 2 * unit, n_words, units, unit * LANES)
        for r in range(n_rx):
            for n in range(n_samples):
                weight = splat(taper[n])
                i = load_half(units, order[0][r, n], order[1][r, n], down)
                q = load_half(units, order[2][r, n], order[3][r, n], down)
                store(work[0], n * LANES, i * weight)
                store(work[1], n * LANES, q * weight)
            work[:2, n_samples * LANES :] = 0
            re, im = transform(work[0], work[1], work[2], work[3], plan[0], plan[1])
            start = chirp * row + 2 * r * out.shape[2]
            _store_bins(re, im, first_bin, out.shape[2], numbers, start, row)


@_kernel
def _store_bins(
    re: np.ndarray,
    im: np.ndarray,
    first_bin: int,
    n_bins: int,
    numbers: np.ndarray,
    start: int,
    row: int,
) -> None:
    """Bins of LANES spectra to LANES rows of complex numbers, `row` floats apart."""
    whole = n_bins - n_bins % LANES
    for b in range(0, whole, LANES):
        transpose_out(re, im, (first_bin + b) * LANES, numbers, start + 2 * b, row)
    for b in range(whole, n_bins):
        for lane in range(LANES):
            numbers[start + lane * row + 2 * b] = re[(first_bin + b) * LANES + lane]
            numbers[start + lane * row + 2 * b + 1] = im[(first_bin + b) * LANES + lane]


LANE_MASKS = np.repeat(np.array([0, 1, 0], np.float32), LANES)
"""Ones between zeros: read at an offset, it switches lanes off from either end."""


@_kernel
def window_power(
    x: np.ndarray,
    mean: np.ndarray,
    weight: np.ndarray,
    gate: tuple[int, int],
    scale: float,
    plan: tuple[np.ndarray, np.ndarray],
    masks: np.ndarray,
    work: np.ndarray,
    power: np.ndarray,
) -> None:
    """Set power[f] to scale times the sum of |transform of (x - mean) weight|^2 over the gate.

    LANES range bins at a time; where fewer are left, bins of the block before it come again and
    are switched off.
    """
    n_virtual, n_bins = mean.shape
    n_window, n_fft = weight.shape[0], power.shape[0]
    numbers, means = x.view(np.float32).reshape(-1), mean.view(np.float32).reshape(-1)
    total = work[4]
    total[:] = 0
    for v in range(n_virtual):
        for first in range(gate[0], gate[1], LANES):
            bin_ = min(first, n_bins - LANES)
            place = 2 * (v * n_bins + bin_)
            mask = load(masks, LANES - (first - bin_)) * load(
                masks, 2 * LANES - min(gate[1] - bin_, LANES)
            )
            mean_re, mean_im = load_complex(means, place)
            for i in range(n_window):
                re, im = load_complex(numbers, place + 2 * i * n_virtual * n_bins)
                w = splat(weight[i]) * mask
                store(work[0], i * LANES, (re - mean_re) * w)
                store(work[1], i * LANES, (im - mean_im) * w)
            work[:2, n_window * LANES :] = 0
            out_re, out_im = transform(work[0], work[1], work[2], work[3], plan[0], plan[1])
            for f in range(0, n_fft * LANES, LANES):
                re, im = load(out_re, f), load(out_im, f)
                store(total, f, load(total, f) + re * re + im * im)
    for f in range(n_fft):
        power[f] = scale * lane_sum(load(total, f * LANES))
