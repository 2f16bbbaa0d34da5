"""Slow twins of `capture.layouts`: the tables of TI SWRA581B walked word by word."""

from __future__ import annotations


def order_of_words(layout: str, n_samples: int, rx_antennas: list[int]) -> list[tuple]:
    """(component, antenna, sample) of every word of a chirp; antenna is the physical one."""
    words: list[tuple] = []
    if layout in ("IIQQ", "QQII"):
        for rx in rx_antennas:
            for n in range(0, n_samples, 2):
                for component in ("I", "Q") if layout == "IIQQ" else ("Q", "I"):
                    words.append((component, rx, n))
                    words.append((component, rx, n + 1))
    elif layout in ("IQIQ", "QIQI"):
        for rx in rx_antennas:
            for n in range(n_samples):
                for component in layout[:2]:
                    words.append((component, rx, n))
    elif layout == "real":
        for rx in rx_antennas:
            for n in range(n_samples):
                words.append(("I", rx, n))
    else:
        components = {"four-lane": "IQ", "four-lane-QI": "QI", "four-lane-real": "I"}[layout]
        for n in range(n_samples):
            for component in components:
                for rx in range(4):
                    words.append((component, rx, n))
    return words


def decode(
    words: list[int], layout: str, n_samples: int, rx_antennas: list[int], n_bits: int
) -> dict[tuple[int, int], complex]:
    """Complex sample of every (antenna, sample) of one chirp, for the enabled antennas."""
    samples = {(rx, n): 0j for rx in rx_antennas for n in range(n_samples)}
    for word, (component, rx, n) in zip(
        words, order_of_words(layout, n_samples, rx_antennas), strict=True
    ):
        value = word % 2**n_bits
        if value > 2 ** (n_bits - 1) - 1:
            value -= 2**n_bits
        if rx in rx_antennas:
            samples[rx, n] += value * (1 if component == "I" else 1j)
    return samples
