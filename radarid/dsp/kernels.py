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
from radarid.dsp.kernels_vectors import (
    LANES,
    add_moments,
    add_to,
    fetch,
    sum_lanes,
    transpose_in,
    transpose_out,
)

CAN_READ = hasattr(os, "pread")
# C's pread, by its name in the process, so that the kernel can be cached: file, to, bytes, from.
_pread = types.ExternalFunction(
    "pread", types.int64(types.int32, types.uintp, types.uintp, types.int64)
)
COMPILES: bool = not getattr(numba.config, "DISABLE_JIT")  # noqa: B009
_FASTMATH = {"contract", "nsz", "arcp"}
# No 'nnan' and 'ninf' (NaN marks missing data), no 'reassoc' (sums keep their order).
_kernel = njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
_part = njit(inline="always", nogil=True, fastmath=_FASTMATH, error_model="numpy")


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
    return power_of_two and at_least_lanes >= LANES and COMPILES


def scratch(n: int, dtype: type[np.generic] = np.float32) -> np.ndarray:
    """Zeros (n,) that begin at a cache line."""
    room: np.ndarray = np.zeros(n + 64, dtype)
    first = -room.ctypes.data % 64 // room.itemsize
    return room[first : first + n]


@_part
def _moments(
    x: np.ndarray, valid: np.ndarray, first: int, n: int, mean: np.ndarray, energy: np.ndarray,
    spread: np.ndarray,
) -> None:  # fmt: skip
    """Mean over the valid ones of n chirps from `first` on, and energy about it; see `moments`.

    One pass: sums of the distance to the first valid chirp, which is small for still echoes, so
    that nothing cancels (the shifted form of the variance).
    """
    n_row, n_bins = mean.size, energy.size
    for c in range(n_row):
        mean[c] = 0
    for c in range(n_row):
        spread[c] = 0
    n_valid, origin = 0, first
    for i in range(first, first + n):
        if valid[i]:
            if n_valid == 0:
                origin = i
            n_valid += 1
            add_moments(mean, spread, x, i * n_row, origin * n_row, n_row)
    for b in range(n_bins):
        energy[b] = 0 if n_valid > 0 else np.nan
    scale = np.float32(1 / n_valid if n_valid > 0 else 0)
    still = x.reshape(x.size)[origin * n_row :]
    for c in range(n_row if n_valid > 0 else 0):
        away = mean[c] * scale
        mean[c] = still[c] + away
        energy[c // 2 % n_bins] += max(spread[c] * scale - away * away, np.float32(0))


@_kernel
def block_moments(
    x: np.ndarray, valid: np.ndarray, first: int, n: int, means: np.ndarray, energy: np.ndarray,
    spread: np.ndarray,
) -> None:  # fmt: skip
    """Moments of blocks of n chirps each, from chirp `first` on; see `moments.Moments`."""
    for k in range(means.shape[0]):
        _moments(x, valid, first + k * n, n, means[k], energy[k], spread)


@_kernel
def range_profiles(
    file: int, place: int, words: np.ndarray, order: tuple[np.ndarray, ...], down: np.int32,
    taper: np.ndarray, plan: tuple[np.ndarray, np.ndarray], first_bin: int, units: np.ndarray,
    work: np.ndarray, out: np.ndarray, valid: np.ndarray, first: int, n_block: int,
    means: np.ndarray, energy: np.ndarray, spread: np.ndarray,
) -> int:  # fmt: skip
    """Words of chirps to their kept range bins; how many chirps there were.

    `words` (n, n_words) are those of all chirps of `out`; or, if `file` is not negative, room for
    2 LANES chirps or more, into which they are read piece by piece from byte `place` on. Moments
    of blocks, if there are any, are taken as soon as a block is done and lies in the cache.
    """
    n_chirps, n_done, n_bytes, n_measured = out.shape[0], 0, 2 * words.shape[1], 0
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
        while n_measured < means.shape[0] and first + (n_measured + 1) * n_block <= n_done:
            _moments(out, valid, first + n_measured * n_block, n_block, means[n_measured],
                     energy[n_measured], spread)  # fmt: skip
            n_measured += 1
    return n_done


@_part
def _transform_chirps(
    words: np.ndarray, chirp: int, order: tuple[np.ndarray, ...], down: np.int32,
    taper: np.ndarray, plan: tuple[np.ndarray, np.ndarray], first_bin: int, units: np.ndarray,
    work: np.ndarray, out: np.ndarray, row: int,
) -> None:  # fmt: skip
    """LANES chirps from number `chirp` on; see `range_fft.RangeStage`.

    The words of one antenna after the other are brought to where their lanes lie side by side, so
    that they stay in the first cache (all at once where the layout mixes antennas).
    """
    spans, places, ups = order
    n_words, n_rx, n_bins = words.shape[1], out.shape[1], out.shape[2] // 2
    n_fft, n_row = taper.size, n_rx * 2 * n_bins
    m = n_fft // 16
    n_kept = -(-(first_bin + n_bins) // m)
    for r in range(n_rx):
        for k in range(row, row + LANES):  # a store, too, waits for its cache line
            fetch(out, k * n_row + 2 * r * n_bins, 2 * n_bins)
        first, stop = spans[r, 0], spans[r, 1]
        if r == 0 or spans[r - 1, 0] != first or spans[r - 1, 1] != stop:
            transpose_in(words, chirp * n_words + 2 * first, stop - first,
                         n_words // 2 - LANES - first, n_words, units)  # fmt: skip
        first_of_words(n_fft, units, places, ups, 2 * r * n_fft, down, taper, *plan, work)
        here = _middle_passes(work, plan, n_fft)
        there = 2 * LANES * n_fft - here
        last_to_bins(work, here, m, n_kept, there)
        transpose_out(work, there + 2 * LANES * first_bin, n_bins, out,
                      row * n_row + 2 * r * n_bins, n_row)  # fmt: skip


@_part
def _middle_passes(work: np.ndarray, plan: tuple[np.ndarray, np.ndarray], n: int) -> int:
    """Passes between the first and the last; where in `work`, room for two, the result begins."""
    m = plan[0][0]
    n_left, at, here, there = n // m, 2 * n, 0, 2 * LANES * n
    while n_left > 16:
        n_left //= 16
        middle(work, here, m, n_left, plan[1], at, there)
        at += 32 * n_left
        m *= 16
        here, there = there, here
    return here


@_part
def _window_mean(
    x: np.ndarray, valid: np.ndarray, first: int, k: int, hop: int, window: int, n_summed: int,
    sums: np.ndarray, mean: np.ndarray,
) -> int:  # fmt: skip
    """Mean over the valid chirps of window k of those a hop apart, of which 0 begins at `first`.

    Chirps are added once, in stretches of a hop; `sums` holds those of a window. How many
    stretches have been summed is passed on to the next window. Stretches depend on where they
    are, not on which windows are asked for together.
    """
    n_row, n_whole, n_valid = mean.size, window // hop, 0
    for part in range(max(k, n_summed), k + n_whole):
        slot = part % n_whole * n_row
        for c in range(slot, slot + n_row):
            sums[c] = 0
        for i in range(first + part * hop, first + (part + 1) * hop):
            if valid[i]:
                add_to(sums, slot, x, i * n_row, n_row)
    for i in range(first + k * hop, first + k * hop + window):
        n_valid += valid[i]
    for c in range(n_row):
        mean[c] = 0
    for part in range(k, k + n_whole):
        add_to(mean, 0, sums, part % n_whole * n_row, n_row)
    for i in range(first + (k + n_whole) * hop, first + k * hop + window):
        if valid[i]:
            add_to(mean, 0, x, i * n_row, n_row)
    scale = np.float32(1 / n_valid if n_valid > 0 else 0)
    for c in range(n_row):
        mean[c] *= scale
    return k + n_whole


@_kernel
def slice_powers(
    x: np.ndarray,
    valid: np.ndarray,
    starts: np.ndarray,
    gates: np.ndarray,
    clutter: np.ndarray,
    clutter_of: np.ndarray,
    hop: int,
    sums: np.ndarray,
    taper: np.ndarray,
    chirps: np.ndarray,
    half: bool,
    plan: tuple[np.ndarray, np.ndarray],
    below: np.ndarray,
    matrix: np.ndarray,
    rows: np.ndarray,
    work: tuple[np.ndarray, ...],
    pixels: np.ndarray,
) -> None:
    """Power of slow-time windows, summed over gates and antennas; see `stft.SliceTransform`.

    Window k begins at chirp starts[k] of x, float32 (n, n_virtual, 2 n_bins), sums range bins
    gates[k] and subtracts clutter[clutter_of[k]]; or, where `sums` has room, the mean of the window
    that is clutter_of[k] hops after the first. `taper` and `chirps`, the numbers of the chirps in a
    window, are `in_order`; `half` says that the upper half of the points is zero.
    """
    n_virtual, n_bins = x.shape[1], x.shape[2] // 2
    n_fft = taper.size
    weight, total, power = work[1], work[2], work[3]
    radix = plan[0][0]
    n_filled = 8 if half and radix == 16 else radix
    n_row = n_virtual * 2 * n_bins
    n_chirps = 1
    for i in range(n_fft):
        rows[i] = chirps[i] * n_row
        n_chirps = max(n_chirps, chirps[i] + 1)
    n_summed = 0
    for s in range(starts.size):
        still = clutter_of[s] * n_row
        if sums.size > 0:
            still = 0
            if s == 0 or clutter_of[s] != clutter_of[s - 1]:
                n_summed = _window_mean(x, valid, starts[0], clutter_of[s], hop, n_chirps,
                                        n_summed, sums, clutter.reshape(clutter.size))  # fmt: skip
        energy = np.float32(0)
        for i in range(n_fft):
            weight[i] = taper[i] if valid[starts[s] + chirps[i]] else np.float32(0)
            energy += weight[i] * weight[i]
        for f in range(total.size):
            total[f] = 0
        # Of those chirps that only the next window has, while this one is computed.
        after = starts[min(s + 1, starts.size - 1)] + n_chirps
        new = max(starts[s] + n_chirps, after - n_chirps)
        n_fetched = (after - new) * (n_row // n_virtual)
        for v in range(n_virtual):
            fetch(x, new * n_row + v * n_fetched, n_fetched)
            for first in range(gates[s, 0], gates[s, 1], LANES):
                bin_ = min(first, n_bins - LANES)
                left, right = first - bin_, min(gates[s, 1] - bin_, LANES)
                place = 2 * (v * n_bins + bin_)
                first_of_window(n_fft, x, starts[s] * n_row + place, rows, clutter,
                                still + place, weight, left, right,
                                n_filled, *plan, work[0])  # fmt: skip
                last_to_power(work[0], _middle_passes(work[0], plan, n_fft), n_fft // 16, total)
        scale = np.float32(1) / energy if energy > 0 else np.float32(0)
        sum_lanes(total, power, n_fft)
        for f in range(n_fft):
            power[f] *= scale
        _to_pixels(power, below, matrix, pixels[s])
