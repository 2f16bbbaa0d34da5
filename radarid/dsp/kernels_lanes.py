"""Fourier transforms of LANES series at once, one in each lane, so that nothing is shuffled.

Stockham's decimation in frequency for n = r 16^k points, r = 2, 4, 8 or 16: a first pass of radix
r reads the series wherever they come from, passes of radix 16 follow, and the last one hands the
spectrum on. Between the passes a complex number of all lanes is two registers side by side, real
part first.
"""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from radarid.dsp.kernels_vectors import LANES, Array, Index, Vector, instruction

_SIZE = 2 * LANES  # floats of a complex number of all lanes


class Complex:
    """A complex number in every lane."""

    def __init__(self, re: Vector, im: Vector) -> None:
        self.re, self.im = re, im

    def __add__(self, other: Complex) -> Complex:
        return Complex(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Complex) -> Complex:
        return Complex(self.re - other.re, self.im - other.im)

    def times(self, c: Vector, s: Vector) -> Complex:
        """Times c + i s."""
        return Complex(self.re * c - self.im * s, self.re * s + self.im * c)

    def turned(self, k: int, n: int) -> Complex:
        """Times exp(-2 pi i k / n)."""
        quarters, rest = divmod(4 * k % (4 * n), n)
        if rest:  # by the larger part last, which the sum after it takes in
            turn = cmath.exp(-2j * math.pi * k / n)
            re, im, c, s = self.re, self.im, turn.real, turn.imag
            if abs(c) >= abs(s):
                return Complex((re - im * (s / c)) * c, (im + re * (s / c)) * c)
            return Complex((re * (c / s) - im) * s, (im * (c / s) + re) * s)
        return (self, Complex(self.im, -self.re), Complex(-self.re, -self.im),
                Complex(-self.im, self.re))[quarters % 4]  # fmt: skip


def _small(z: Sequence[Complex]) -> Sequence[Complex]:
    """Transform of one, two or four points."""
    if len(z) == 1:
        return z
    if len(z) == 2:
        return z[0] + z[1], z[0] - z[1]
    even, odd = (z[0] + z[2], z[0] - z[2]), (z[1] + z[3], (z[1] - z[3]).turned(1, 4))
    return even[0] + odd[0], even[1] + odd[1], even[0] - odd[0], even[1] - odd[1]


def butterfly(n: int, read: Callable[[int], Complex]) -> Iterator[tuple[int, Complex]]:
    """Transform of n = 2, 4, 8 or 16 points: numbers of the outputs, and the outputs.

    Points are read and outputs given in an order that keeps few numbers waiting.
    """
    rows = min(n, 4)
    step = n // rows
    columns = [_small([read(c + step * r) for r in range(rows)]) for c in range(step)]
    for k in range(rows):
        row = [column[k].turned(c * k, n) for c, column in enumerate(columns)]
        for number, value in enumerate(_small(row)):
            yield k + rows * number, value


@functools.cache
def plan(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Radices and twiddle factors of a transform of n points.

    Parameters
    ----------
    n : power of two, at least 32

    Returns
    -------
    radices : int64 array, of the passes in their order
    twiddles : float32 array; for every pass cos and -sin of 2 pi j k / (r n_left), k < r inside
        j < n_left, where r is the radix and n_left what the passes after it have to do

    Examples
    --------
    >>> plan(512)[0].tolist()
    [2, 16, 16]
    """
    radices = [16]
    while math.prod(radices) < n:
        radices.insert(0, min(16, n // math.prod(radices)))
    factors, length = [], n
    for radix in radices:
        j, k = np.arange(length // radix)[:, None], np.arange(radix)
        turn = np.exp(-2j * np.pi * j * k / length)
        factors.append(np.stack([turn.real, turn.imag], axis=-1).ravel())
        length //= radix
    return np.array(radices), np.concatenate(factors).astype(np.float32)


def _read(spectra: Array, place: Index) -> Complex:
    return Complex(spectra.vector(place), spectra.vector(place + LANES))


def _points(spectra: Array, first: Index, step: Index) -> Callable[[int], Complex]:
    return lambda q: _read(spectra, first + step * q)


def _write(spectra: Array, place: Index, z: Complex) -> None:
    spectra.put(place, z.re)
    spectra.put(place + LANES, z.im)


def _pass(
    radix: int, read: Callable[[int], Complex], twiddles: Array, at: Index,
    out: Array, place: Index, step: Index | int,
) -> None:  # fmt: skip
    """A butterfly whose outputs, times their twiddle factors, are written `step` floats apart."""
    for k, z in butterfly(radix, read):
        pair = at + 2 * k
        turn = twiddles.everywhere(pair), twiddles.everywhere(pair + 1)
        _write(out, place + step * k, z.times(*turn) if k else z)


def in_order(n: int, values: np.ndarray) -> np.ndarray:
    """Values of n points in the order in which the first pass reads the points: (..., n)."""
    radix = int(plan(n)[0][0])
    by_butterfly = values.reshape(*values.shape[:-1], radix, n // radix).swapaxes(-1, -2)
    return np.ascontiguousarray(by_butterfly).reshape(values.shape)


@instruction
def first_of_words(
    n: Index, units: Array, places: Array, ups: Array, row: Index, down: Any, taper: Array,
    radices: Array, twiddles: Array, out: Array,
) -> None:  # fmt: skip
    """First pass of a chirp of n points: words to samples, times the taper.

    `places` and `ups` say from `row` on, for the real and the imaginary part of every sample,
    where its pair of words stands in `units` and how far up its sign is. They and the taper are
    `in_order`.
    """

    def points(first: Index) -> Callable[[int], Complex]:
        def read(q: int) -> Complex:
            sample = first + q
            parts = row + sample * 2, row + sample * 2 + 1
            re, im = (units.words(places.index(part), ups.number(part), down) for part in parts)
            weight = taper.everywhere(sample)
            return Complex(re * weight, im * weight)

        return read

    for radix in (16, 8, 4, 2):
        with radices.index(0).within(radix, radix), (n // radix).times() as j:
            first = j * radix
            _pass(radix, points(first), twiddles, first * 2, out, first * _SIZE, _SIZE)


@instruction
def first_of_window(
    n: Index, profiles: Array, place: Index, rows: Array, clutter: Array, still: Index,
    weight: Array, left: Index, right: Index, n_filled: Index, radices: Array, twiddles: Array,
    out: Array,
) -> None:  # fmt: skip
    """First pass of a slow-time window of LANES range bins: less the clutter, times the weight.

    Chirps lie at `rows` after `place`; rows and weights are `in_order`. From the n_filled-th
    input of a butterfly on there are none. Bins count from lane `left` up to `right`.
    """

    def inside(numbers: Array, place: Index) -> Complex:
        return Complex(*(part.between(left, right) for part in numbers.pairs(place)))

    mean = inside(clutter, still)

    def points(first: Index, n_filled: int) -> Callable[[int], Complex]:
        def read(q: int) -> Complex:
            if q >= n_filled:
                return Complex(mean.re.all(0), mean.re.all(0))
            moving = inside(profiles, place + rows.index(first + q)) - mean
            w = weight.everywhere(first + q)
            return Complex(moving.re * w, moving.im * w)

        return read

    for radix, filled in ((16, 8), (16, 16), (8, 8), (4, 4), (2, 2)):
        fits = radices.index(0).within(radix, radix), n_filled.within(filled, filled)
        with fits[0], fits[1], (n // radix).times() as j:
            first = j * radix
            _pass(radix, points(first, filled), twiddles, first * 2, out, first * _SIZE, _SIZE)


@instruction
def middle(
    spectra: Array, here: Index, m: Index, n_left: Index, twiddles: Array, first: Index,
    there: Index,
) -> None:  # fmt: skip
    """A pass of radix 16 that is neither the first nor the last, from `here` in the array."""
    with n_left.times() as j, m.times() as k:
        read = _points(spectra, here + (k + m * j) * _SIZE, m * n_left * _SIZE)
        place = there + (k + m * j * 16) * _SIZE
        _pass(16, read, twiddles, first + j * 32, spectra, place, m * _SIZE)


@instruction
def last_to_bins(spectra: Array, here: Index, m: Index, n_kept: Index, there: Index) -> None:
    """Last pass of 16 m points; outputs below n_kept m are stored, or computed at all."""
    for part, first, last in ((8, 0, 8), (16, 9, 16)):
        with n_kept.within(first, last), m.times() as k:
            for number, z in butterfly(16, _points(spectra, here + k * _SIZE, m * _SIZE)):
                if number < part:
                    _write(spectra, there + (k + m * number) * _SIZE, z)


@instruction
def last_to_power(spectra: Array, here: Index, m: Index, total: Array) -> None:
    """Last pass of 16 m points; its outputs' squared magnitudes are added to `total`."""
    with m.times() as k:
        for number, z in butterfly(16, _points(spectra, here + k * _SIZE, m * _SIZE)):
            place = (k + m * number) * LANES
            total.put(place, total.vector(place) + z.re * z.re + z.im * z.im)
