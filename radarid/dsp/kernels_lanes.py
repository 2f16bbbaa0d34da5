"""Fourier transforms of LANES series at once, one in each lane, so that nothing is shuffled.

Stockham's decimation in frequency with passes of radix 16, 4 and 2. Samples of a series lie LANES
floats apart; real and imaginary parts are arrays of their own.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from radarid.dsp.kernels_vectors import LANES, load, splat, store

_inline = njit(forceinline=True, fastmath={"contract"})
_lanes = njit(cache=True, nogil=True, fastmath={"contract"})
_COS, _SIN, _HALF = (np.float32(x) for x in (np.cos(np.pi / 8), np.sin(np.pi / 8), np.sqrt(0.5)))
_ZERO = np.float32(0)


@functools.cache
def plan(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Radices and twiddle factors of a transform of n points.

    Parameters
    ----------
    n : power of two, at least 2

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
    radices: list[int] = []
    rest = n
    while rest > 1:
        radix = 16 if rest % 16 == 0 else 4 if rest % 4 == 0 else 2
        radices.insert(0, radix)
        rest //= radix
    factors, length = [], n
    for radix in radices:
        j, k = np.arange(length // radix)[:, None], np.arange(radix)
        turn = np.exp(-2j * np.pi * j * k / length)
        factors.append(np.stack([turn.real, turn.imag], axis=-1).ravel())
        length //= radix
    return np.array(radices), np.concatenate(factors).astype(np.float32)


@_inline
def _read(re: Any, im: Any, n: int) -> Any:
    return load(re, n * LANES), load(im, n * LANES)


@_inline
def _write(re: Any, im: Any, n: int, z: Any) -> None:
    store(re, n * LANES, z[0])
    store(im, n * LANES, z[1])


@_inline
def _sum(a: Any, b: Any) -> Any:
    return a[0] + b[0], a[1] + b[1]


@_inline
def _difference(a: Any, b: Any) -> Any:
    return a[0] - b[0], a[1] - b[1]


@_inline
def _times(z: Any, c: Any, s: Any) -> Any:
    """z (c + i s) for float32 c and s."""
    c, s = splat(c), splat(s)
    return z[0] * c - z[1] * s, z[0] * s + z[1] * c


@_inline
def _twiddled(z: Any, twiddles: Any, place: int) -> Any:
    return _times(z, twiddles[place], twiddles[place + 1])


@_inline
def _four(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Transform of four points."""
    ac, bd, a_c, b_d = _sum(a, c), _sum(b, d), _difference(a, c), _difference(b, d)
    turned = (b_d[1], splat(_ZERO) - b_d[0])
    return _sum(ac, bd), _sum(a_c, turned), _difference(ac, bd), _difference(a_c, turned)


@_inline
def _column(re: Any, im: Any, first: int, step: int) -> Any:
    return _four(
        _read(re, im, first), _read(re, im, first + 4 * step),
        _read(re, im, first + 8 * step), _read(re, im, first + 12 * step),
    )  # fmt: skip


@_inline
def _row(
    re: Any, im: Any, place: int, m: int, twiddles: Any, at: int, k: int, last: bool, column: Any
) -> None:
    """Transform four points to outputs k, k + 4, k + 8, k + 12 of a radix-16 butterfly."""
    z0, z1, z2, z3 = _four(column[0], column[1], column[2], column[3])
    if last:  # all twiddle factors of the last pass are 1
        _write(re, im, place + k * m, z0)
        _write(re, im, place + (k + 4) * m, z1)
        _write(re, im, place + (k + 8) * m, z2)
        _write(re, im, place + (k + 12) * m, z3)
    else:
        _write(re, im, place + k * m, _twiddled(z0, twiddles, at + 2 * k))
        _write(re, im, place + (k + 4) * m, _twiddled(z1, twiddles, at + 2 * k + 8))
        _write(re, im, place + (k + 8) * m, _twiddled(z2, twiddles, at + 2 * k + 16))
        _write(re, im, place + (k + 12) * m, _twiddled(z3, twiddles, at + 2 * k + 24))


@_lanes
def _pass16(
    xr: Any, xi: Any, yr: Any, yi: Any,
    n_left: int, m: int, twiddles: Any, first: int, last: bool,
) -> None:  # fmt: skip
    step = n_left * m
    for j in range(n_left):
        at = first + 32 * j
        for k in range(m):
            n, o = k + j * m, k + 16 * j * m
            a0, a1, a2, a3 = _column(xr, xi, n, step)
            b0, b1, b2, b3 = _column(xr, xi, n + step, step)
            c0, c1, c2, c3 = _column(xr, xi, n + 2 * step, step)
            d0, d1, d2, d3 = _column(xr, xi, n + 3 * step, step)
            # Twiddle factors exp(-2 pi i p q / 16) inside the butterfly, p = 1..3 and q = 1..3.
            b1, b2, b3 = _times(b1, _COS, -_SIN), _times(b2, _HALF, -_HALF), _times(b3, _SIN, -_COS)
            c1, c3 = _times(c1, _HALF, -_HALF), _times(c3, -_HALF, -_HALF)
            c2 = (c2[1], splat(_ZERO) - c2[0])
            d1, d3 = _times(d1, _SIN, -_COS), _times(d3, -_COS, _SIN)
            d2 = _times(d2, -_HALF, -_HALF)
            _row(yr, yi, o, m, twiddles, at, 0, last, (a0, b0, c0, d0))
            _row(yr, yi, o, m, twiddles, at, 1, last, (a1, b1, c1, d1))
            _row(yr, yi, o, m, twiddles, at, 2, last, (a2, b2, c2, d2))
            _row(yr, yi, o, m, twiddles, at, 3, last, (a3, b3, c3, d3))


@_lanes
def _pass4(
    xr: Any, xi: Any, yr: Any, yi: Any, n_left: int, m: int, twiddles: Any, first: int
) -> None:
    step = n_left * m
    for j in range(n_left):
        at = first + 8 * j
        for k in range(m):
            n, o = k + j * m, k + 4 * j * m
            z0, z1, z2, z3 = _four(
                _read(xr, xi, n), _read(xr, xi, n + step),
                _read(xr, xi, n + 2 * step), _read(xr, xi, n + 3 * step),
            )  # fmt: skip
            _write(yr, yi, o, z0)
            _write(yr, yi, o + m, _twiddled(z1, twiddles, at + 2))
            _write(yr, yi, o + 2 * m, _twiddled(z2, twiddles, at + 4))
            _write(yr, yi, o + 3 * m, _twiddled(z3, twiddles, at + 6))


@_lanes
def _pass2(
    xr: Any, xi: Any, yr: Any, yi: Any, n_left: int, m: int, twiddles: Any, first: int
) -> None:
    for j in range(n_left):
        for k in range(m):
            n, o = k + j * m, k + 2 * j * m
            a, b = _read(xr, xi, n), _read(xr, xi, n + n_left * m)
            _write(yr, yi, o, _sum(a, b))
            _write(yr, yi, o + m, _twiddled(_difference(a, b), twiddles, first + 4 * j + 2))


@_lanes
def transform(
    xr: Any, xi: Any, yr: Any, yi: Any, radices: np.ndarray, twiddles: np.ndarray
) -> tuple[Any, Any]:
    """Transform (xr, xi) with (yr, yi) as scratch; the two that hold the result are returned.

    All four are float32 arrays of n LANES elements; see `plan` for the others.
    """
    m, first = 1, 0
    n_left = xr.size // LANES
    for radix in radices:
        n_left //= radix
        if radix == 16:
            _pass16(xr, xi, yr, yi, n_left, m, twiddles, first, n_left == 1)
        elif radix == 4:
            _pass4(xr, xi, yr, yi, n_left, m, twiddles, first)
        else:
            _pass2(xr, xi, yr, yi, n_left, m, twiddles, first)
        first += 2 * radix * n_left
        m *= radix
        xr, xi, yr, yi = yr, yi, xr, xi
    return xr, xi
