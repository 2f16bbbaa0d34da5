"""The beat signal by the textbook: one complex exponential per scatterer and sample, in loops."""

from __future__ import annotations

import cmath
import math

C_MPS = 299_792_458.0


def distance(a: list[float], b: list[float]) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def transmitted_turns(f0_hz: float, slope: float, t_s: float) -> float:
    return f0_hz * t_s + slope * t_s**2 / 2


def beat_sample(
    tx: list[list[float]], rx: list[float], points: list[list[float]], rcs_m2: list[float],
    f0_hz: float, slope: float, t_s: float,
) -> complex:
    """Transmitted phase now minus the phase that comes back, summed over everything."""
    total = 0j
    for point, rcs in zip(points, rcs_m2, strict=True):
        for sender in tx:
            out_m, back_m = distance(sender, point), distance(point, rx)
            delay = (out_m + back_m) / C_MPS
            turns = transmitted_turns(f0_hz, slope, t_s) - transmitted_turns(
                f0_hz, slope, t_s - delay
            )
            total += math.sqrt(rcs) / (out_m * back_m) * cmath.exp(2j * math.pi * turns)
    return total


def ellipsoid_rcs(theta: float, phi: float, a: float, b: float, c: float) -> float:
    below = (
        (a * math.sin(theta) * math.cos(phi)) ** 2
        + (b * math.sin(theta) * math.sin(phi)) ** 2
        + (c * math.cos(theta)) ** 2
    )
    return math.pi * (a * b * c) ** 2 / below**2
