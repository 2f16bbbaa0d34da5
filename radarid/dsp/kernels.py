"""Numba kernels of the chain; they never raise: the shells that call them validate.

Two ways lead from words to profiles, and from profiles to power. `range_profiles` and
`slice_powers` go it at once, LANES chirps or range bins abreast, for transforms of 2^k points
(`vectors_fit`). `window_samples`, `load_window` and `add_power` are the steps around `scipy.fft`
for every other length, and for Python without the compiler.

Numba's cache of a kernel is renewed when this file changes, not when `kernels_lanes` does.
"""

from __future__ import annotations

import os

import numba
import numpy as np
from numba import njit, types

from radarid.dsp.kernels_lanes import (
    first_of_window,
    first_of_words,
    last_to_bins,
    last_to_power,
    middle,
)
from radarid.dsp.kernels_vectors import LANES, fetch, sum_lanes, transpose_in, transpose_out

CAN_READ = hasattr(os, "pread")
# C's pread, by its name in the process, so that the kernel can be cached: file, to, bytes, from.
_pread = types.ExternalFunction(
    "pread", types.int64(types.int32, types.uintp, types.uintp, types.int64)
)
_NO_COMPILER: bool = getattr(numba.config, "DISABLE_JIT")  # noqa: B009
_FASTMATH = {"contract", "nsz", "arcp"}
# No 'nnan' and 'ninf' (NaN marks missing data), no 'reassoc' (sums keep their order).
_kernel = njit(cache=True, nogil=True, fastmath=_FASTMATH)
_part = njit(inline="always", nogil=True, fastmath=_FASTMATH)


@_kernel
def window_samples(
    words: np.ndarray, i_index: np.ndarray, q_index: np.ndarray, taper: np.ndarray,
    samples: np.ndarray,
) -> None:  # fmt: skip
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
    for f in range(n_fft):
        power[f] = 0
    for v in range(n_virtual):
        for g in range(n_gate):
            for f in range(n_fft):
                re = spectrum[v, g, f].real
                im = spectrum[v, g, f].imag
                power[f] += re * re + im * im
    for f in range(n_fft):
        power[f] *= scale


@_part
def _to_pixels(
    power: np.ndarray, below: np.ndarray, matrix: np.ndarray, pixels: np.ndarray
) -> None:
    for p in range(pixels.size):
        pixels[p] = 0
    if below.size > 0:
        for p in range(pixels.size):
            above = below[p] + 1 if below[p] + 1 < power.size else 0
            pixels[p] = power[below[p]] * matrix[0, p] + power[above] * matrix[1, p]
    else:
        for f in range(power.size):
            for p in range(pixels.size):
                pixels[p] += power[f] * matrix[f, p]
        for p in range(pixels.size):
            pixels[p] = max(pixels[p], np.float32(0))


@_kernel
def to_pixels(power: np.ndarray, below: np.ndarray, matrix: np.ndarray, pixels: np.ndarray) -> None:
    """Power at the Doppler bins -> power at the pixels; see `stft.SliceTransform`.

    Pixel p has the weights matrix[:, p] of all bins; or, where `below` is not empty, matrix[0, p]
    of bin below[p] and matrix[1, p] of the next.
    """
    _to_pixels(power, below, matrix, pixels)


def vectors_fit(n_fft: int, at_least_lanes: int = LANES) -> bool:
    """Whether the kernels abreast can do it: 2^k points, and enough of whatever fills the lanes."""
    power_of_two = n_fft >= 32 and n_fft & (n_fft - 1) == 0
    return power_of_two and at_least_lanes >= LANES and not _NO_COMPILER


def scratch(n: int, dtype: type[np.generic] = np.float32) -> np.ndarray:
    """Zeros (n,) that begin at a cache line."""
    room: np.ndarray = np.zeros(n + 64, dtype)
    first = -room.ctypes.data % 64 // room.itemsize
    return room[first : first + n]


@_kernel
def range_profiles(
    file: int, place: int, words: np.ndarray, order: tuple[np.ndarray, ...], down: np.int32,
    taper: np.ndarray, plan: tuple[np.ndarray, np.ndarray], first_bin: int, units: np.ndarray,
    work: tuple[np.ndarray, ...], out: np.ndarray,
) -> int:  # fmt: skip
    """Words of chirps to their kept range bins; how many chirps there were.

    `words` (n, n_words) are those of all chirps of `out`; or, if `file` is not negative, room for
    2 LANES chirps or more, into which they are read piece by piece from byte `place` on.
    """
    n_chirps, n_done, n_bytes = out.shape[0], 0, 2 * words.shape[1]
    while n_done < n_chirps:
        n = min(words.shape[0], n_chirps - n_done)
        if 0 < n_chirps - n_done - n < LANES:  # too few would be left for a last piece
            n -= LANES
        n_read = 0
        while file >= 0 and n_read < n * n_bytes:
            step = _pread(  # type: ignore[call-overload]
                np.int32(file), np.uintp(words.ctypes.data + n_read),
                np.uintp(n * n_bytes - n_read), np.int64(place + n_done * n_bytes + n_read),
            )  # fmt: skip
            if step <= 0:
                return n_done
            n_read += step
        for block in range(0, n, LANES):  # the last one repeats some chirps of the one before it
            chirp = min(block, n - LANES)
            _transform_chirps(words, chirp, order, down, taper, plan, first_bin, units, work, out,
                              n_done + chirp)  # fmt: skip
        n_done += n
    return n_done


@_part
def _transform_chirps(
    words: np.ndarray, chirp: int, order: tuple[np.ndarray, ...], down: np.int32,
    taper: np.ndarray, plan: tuple[np.ndarray, np.ndarray], first_bin: int, units: np.ndarray,
    work: tuple[np.ndarray, ...], out: np.ndarray, row: int,
) -> None:  # fmt: skip
    """LANES chirps from number `chirp` on; see `range_fft.RangeStage`.

    The words of one antenna after the other are brought to where their lanes lie side by side, so
    that they stay in the first cache (all at once where the layout mixes antennas).
    """
    spans, places, ups = order
    n_words, n_rx, n_bins = words.shape[1], out.shape[1], out.shape[2] // 2
    n_fft, n_row = taper.size, n_rx * 2 * n_bins
    n_left, m = n_fft // plan[0][0], n_fft // 16
    n_kept = -(-(first_bin + n_bins) // m)
    for place in range(row * n_row, (row + LANES) * n_row, 16):
        fetch(out, place)  # a store, too, waits for its cache line
    for r in range(n_rx):
        first, stop = spans[r, 0], spans[r, 1]
        if r == 0 or spans[r - 1, 0] != first or spans[r - 1, 1] != stop:
            for u in range(first, stop, LANES):
                unit = min(u, n_words // 2 - LANES)
                place = (unit - first) * LANES
                transpose_in(words, chirp * n_words + 2 * unit, n_words, units, place)
        part = 2 * r * n_fft
        for j in range(n_left):
            if plan[0][0] == 16:
                first_of_words(16, units, places, ups, part, down, taper, j, plan[1], work[0])
            elif plan[0][0] == 8:
                first_of_words(8, units, places, ups, part, down, taper, j, plan[1], work[0])
            elif plan[0][0] == 4:
                first_of_words(4, units, places, ups, part, down, taper, j, plan[1], work[0])
            else:
                first_of_words(2, units, places, ups, part, down, taper, j, plan[1], work[0])
        spectra, other = _middle_passes(work[0], work[1], plan, n_fft)
        for k in range(m):
            if n_kept <= 4:
                last_to_bins(4, spectra, k, m, other)
            else:
                last_to_bins(16, spectra, k, m, other)
        _store_bins(other, first_bin, n_bins, out, row, r)


@_part
def _middle_passes(
    x: np.ndarray, y: np.ndarray, plan: tuple[np.ndarray, np.ndarray], n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Passes between the first and the last: the array that holds the result, and the other."""
    m = plan[0][0]
    n_left, at = n // m, 2 * n
    while n_left > 16:
        n_left //= 16
        for j in range(n_left):
            for k in range(m):
                middle(x, j, k, m, n_left, plan[1], at, y)
        at += 32 * n_left
        m *= 16
        x, y = y, x
    return x, y


@_part
def _store_bins(
    spectra: np.ndarray, first_bin: int, n_bins: int, out: np.ndarray, chirp: int, rx: int
) -> None:
    """Bins of LANES spectra to the rows of LANES chirps."""
    whole = n_bins - n_bins % LANES
    row = out.shape[1] * out.shape[2]
    for b in range(0, whole, LANES):
        place = chirp * row + rx * out.shape[2] + 2 * b
        transpose_out(spectra, (first_bin + b) * 2 * LANES, out, place, row)
    for b in range(whole, n_bins):
        for lane in range(LANES):
            at = (first_bin + b) * 2 * LANES + lane
            out[chirp + lane, rx, 2 * b] = spectra[at]
            out[chirp + lane, rx, 2 * b + 1] = spectra[at + LANES]


@_kernel
def slice_powers(
    x: np.ndarray,
    valid: np.ndarray,
    starts: np.ndarray,
    gates: np.ndarray,
    clutter: np.ndarray,
    clutter_of: np.ndarray,
    taper: np.ndarray,
    chirps: np.ndarray,
    half: bool,
    plan: tuple[np.ndarray, np.ndarray],
    below: np.ndarray,
    matrix: np.ndarray,
    rows: np.ndarray,
    mask: np.ndarray,
    work: tuple[np.ndarray, ...],
    pixels: np.ndarray,
) -> None:
    """Power of slow-time windows, summed over gates and antennas; see `stft.SliceTransform`.

    Window k begins at chirp starts[k] of x, float32 (n, n_virtual, 2 n_bins), sums range bins
    gates[k] and subtracts clutter[clutter_of[k]]. `taper` and `chirps`, the numbers of the chirps
    in a window, are `in_order`; `half` says that the upper half of the points is zero.
    """
    n_virtual, n_bins = x.shape[1], x.shape[2] // 2
    n_fft = taper.size
    weight, total, power = work[2], work[3], work[4]
    n_row = n_virtual * 2 * n_bins
    n_chirps = 1
    for i in range(n_fft):
        rows[i] = chirps[i] * n_row
        n_chirps = max(n_chirps, chirps[i] + 1)
    for s in range(starts.size):
        energy = np.float32(0)
        for i in range(n_fft):
            weight[i] = taper[i] if valid[starts[s] + chirps[i]] else np.float32(0)
            energy += weight[i] * weight[i]
        for f in range(total.size):
            total[f] = 0
        if s + 1 < starts.size:
            _fetch_new(x, max(starts[s] + n_chirps, starts[s + 1]), starts[s + 1] + n_chirps)
        for v in range(n_virtual):
            for first in range(gates[s, 0], gates[s, 1], LANES):
                bin_ = min(first, n_bins - LANES)
                for lane in range(LANES):
                    inside = first <= bin_ + lane < gates[s, 1]
                    mask[lane] = np.float32(1) if inside else np.float32(0)
                place = 2 * (v * n_bins + bin_)
                _add_window(x, starts[s] * n_row + place, rows, half, clutter,
                            clutter_of[s] * n_row + place, weight, mask, plan,
                            work[0], work[1], total)  # fmt: skip
        scale = np.float32(1) / energy if energy > 0 else np.float32(0)
        for f in range(0, n_fft, LANES):
            sum_lanes(total, f * LANES, power, f)
        for f in range(n_fft):
            power[f] *= scale
        _to_pixels(power, below, matrix, pixels[s])


@_part
def _fetch_new(x: np.ndarray, first: int, stop: int) -> None:
    """Ask for the chirps that only the next window has, while this one is computed."""
    n_row = x.shape[1] * x.shape[2]
    for i in range(first, stop):
        for c in range(0, n_row, 16):
            fetch(x, i * n_row + c)


@_part
def _add_window(
    x: np.ndarray, place: int, rows: np.ndarray, half: bool, clutter: np.ndarray, still: int,
    weight: np.ndarray, mask: np.ndarray, plan: tuple[np.ndarray, np.ndarray],
    spectra: np.ndarray, other: np.ndarray, total: np.ndarray,
) -> None:  # fmt: skip
    """Add the power of LANES range bins of a window to `total`."""
    radix, n_fft = plan[0][0], rows.size
    for j in range(n_fft // radix):
        if radix == 16 and half:
            first_of_window(16, 8, x, place, rows, clutter, still, weight, mask, j, plan[1],
                            spectra)  # fmt: skip
        elif radix == 16:
            first_of_window(16, 16, x, place, rows, clutter, still, weight, mask, j, plan[1],
                            spectra)  # fmt: skip
        elif radix == 8:
            first_of_window(8, 8, x, place, rows, clutter, still, weight, mask, j, plan[1],
                            spectra)  # fmt: skip
        elif radix == 4:
            first_of_window(4, 4, x, place, rows, clutter, still, weight, mask, j, plan[1],
                            spectra)  # fmt: skip
        else:
            first_of_window(2, 2, x, place, rows, clutter, still, weight, mask, j, plan[1],
                            spectra)  # fmt: skip
    spectra, _ = _middle_passes(spectra, other, plan, n_fft)
    for k in range(n_fft // 16):
        last_to_power(spectra, k, n_fft // 16, total)
