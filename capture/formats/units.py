"""SI values as people write them: 33 ms, 19.5 cm, 768.8 MHz."""

from __future__ import annotations

import math

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))
_WITH_PREFIX = ("s", "Hz", "sps", "bit/s", "B", "B/s")


def text(value: float, unit: str, digits: int = 4) -> str:
    """A value with its unit and a fitting power of ten.

    Parameters
    ----------
    value : SI value
    unit : SI unit; 'm' becomes cm or mm where that reads better, m/s stays
    digits : significant digits

    Examples
    --------
    >>> text(33e-3, "s"), text(0.1949, "m"), text(768.768e6, "Hz"), text(0.0, "s")
    ('33 ms', '19.49 cm', '768.8 MHz', '0 s')
    """
    if unit == "m" and 0 < abs(value) < 1:
        return text_plain(value * 1e2, "cm", digits) if abs(value) >= 0.01 else text_plain(
            value * 1e3, "mm", digits
        )
    if unit not in _WITH_PREFIX or value == 0 or not math.isfinite(value):
        return text_plain(value, unit, digits)
    rounded = float(f"{value:.{digits}g}")
    scale, prefix = next((p for p in _PREFIXES if abs(rounded) >= p[0]), _PREFIXES[-1])
    return text_plain(value / scale, prefix + unit, digits)


def text_plain(value: float, unit: str, digits: int = 4) -> str:
    """A value with its unit as it is."""
    number = f"{value:.{digits}g}"
    if "e" in number and abs(value) < 1e12:
        number = f"{value:.0f}"
    return f"{number} {unit}".rstrip()
