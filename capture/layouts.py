"""Word orders of raw ADC files, as one table; words to complex samples and back.

A layout says where the I and the Q word of every sample stand inside one chirp. Nested loops
describe each one, slowest first, over the axes r (receive antenna), p (pair of samples),
s (sample within the pair), n (sample) and c (component: I or Q). Order above the chirp is the
same for all: chirps in transmission order, frames one after another, no padding.

| Name | Loops | First words of a chirp (number: antenna, letter in brackets: sample) |
|---|---|---|
| IIQQ | r p c s | I0[0] I0[1] Q0[0] Q0[1] I0[2] ... then antenna 1 |
| QQII | r p c s | Q0[0] Q0[1] I0[0] I0[1] ... (SampleSwap 1) |
| IQIQ | r n c | I0[0] Q0[0] I0[1] Q0[1] ... (re-ordered by TI's command-line recorder) |
| QIQI | r n c | Q0[0] I0[0] Q0[1] I0[1] ... |
| real | r n | x0[0] x0[1] ... |
| four-lane | n c r | I0[0] I1[0] I2[0] I3[0] Q0[0] Q1[0] Q2[0] Q3[0] I0[1] ... |
| four-lane-QI | n c r | Q0[0] Q1[0] Q2[0] Q3[0] I0[0] ... |
| four-lane-real | n r | x0[0] x1[0] x2[0] x3[0] x0[1] ... |

Two-lane parts (xWR16/18/68) leave disabled antennas out; four-lane parts (xWR12/14) store all
four, disabled ones as zeros. Source: TI SWRA581B, "Mmwave Radar Device ADC Raw Data Capture".
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from capture.config import RadarConfig
from capture.errors import LayoutError


@dataclass(frozen=True, slots=True)
class Layout:
    """One word order.

    Attributes
    ----------
    loops : axes of a chirp's words, slowest first (see the module)
    components : order of the words on axis c, 'IQ' or 'QI'; '' for a real ADC
    n_lanes : LVDS lanes of the parts that write it
    """

    loops: str
    components: str
    n_lanes: int


LAYOUTS: dict[str, Layout] = {
    "IIQQ": Layout("rpcs", "IQ", 2),
    "QQII": Layout("rpcs", "QI", 2),
    "IQIQ": Layout("rnc", "IQ", 2),
    "QIQI": Layout("rnc", "QI", 2),
    "real": Layout("rn", "", 2),
    "four-lane": Layout("ncr", "IQ", 4),
    "four-lane-QI": Layout("ncr", "QI", 4),
    "four-lane-real": Layout("nr", "", 4),
}


def default_layout(config: RadarConfig) -> str:
    """Name of the layout that the hardware itself writes with this configuration."""
    if config.n_lanes == 4:
        complex_order = "four-lane" if config.iq_order == "IQ" else "four-lane-QI"
        return complex_order if config.is_complex else "four-lane-real"
    if not config.is_complex:
        return "real"
    return "IIQQ" if config.iq_order == "IQ" else "QQII"


def layouts_for(config: RadarConfig) -> tuple[str, ...]:
    """Names of all layouts with this configuration's lanes and components."""
    return tuple(
        name
        for name, layout in LAYOUTS.items()
        if layout.n_lanes == config.n_lanes and bool(layout.components) == config.is_complex
    )


def word_order(layout: str, config: RadarConfig) -> tuple[np.ndarray, np.ndarray | None]:
    """Where the words of every sample stand inside a chirp.

    Parameters
    ----------
    layout : name of a layout
    config : antennas, samples and lanes

    Returns
    -------
    i_index : read-only int64 array, shape (n_rx, n_samples); position of the I (or real) word
    q_index : the same for the Q word; None for a real ADC

    Raises
    ------
    LayoutError
        Unknown layout, or one that this radar cannot have written.

    Examples
    --------
    >>> from capture.config import RadarConfig
    >>> i_index, q_index = word_order("IIQQ", RadarConfig(n_samples=4, rx_mask=1))
    >>> i_index.tolist(), q_index.tolist()
    ([[0, 1, 4, 5]], [[2, 3, 6, 7]])
    """
    table = _table(layout, config)
    return _word_order(table, config.n_samples, config.n_stored_rx, config.rx_antennas)


def _table(layout: str, config: RadarConfig) -> Layout:
    if layout not in LAYOUTS:
        raise LayoutError("unknown layout", got=layout, expected=f"one of {', '.join(LAYOUTS)}")
    possible = layouts_for(config)
    if layout not in possible:
        raise LayoutError(
            f"layout '{layout}' does not belong to this radar",
            got=f"n_lanes = {config.n_lanes}, adc_format = {config.adc_format}",
            expected=f"one of {', '.join(possible)}",
        )
    if LAYOUTS[layout].n_lanes == 2 and config.is_complex and config.n_samples % 2:
        raise LayoutError(
            "two lanes carry complex samples in pairs, one on each",
            where=f"layout '{layout}'",
            got=f"n_samples = {config.n_samples}",
            expected="an even number",
        )
    return LAYOUTS[layout]


@functools.lru_cache(maxsize=64)
def _word_order(
    layout: Layout, n_samples: int, n_stored_rx: int, rx_antennas: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray | None]:
    sizes = {"r": n_stored_rx, "p": n_samples // 2, "s": 2, "n": n_samples, "c": 2}
    shape = [sizes[axis] for axis in layout.loops]
    positions = np.arange(np.prod(shape)).reshape(shape)
    wanted = [axis for axis in "crpsn" if axis in layout.loops]
    positions = positions.transpose([layout.loops.index(axis) for axis in wanted])
    positions = positions.reshape(-1, n_stored_rx, n_samples)
    if layout.n_lanes == 4:
        positions = positions[:, list(rx_antennas)]
    positions = np.ascontiguousarray(positions)
    positions.flags.writeable = False
    if not layout.components:
        return positions[0], None
    return positions[layout.components.index("I")], positions[layout.components.index("Q")]


def decode(words: np.ndarray, layout: str, config: RadarConfig) -> np.ndarray:
    """Complex samples of raw words.

    Parameters
    ----------
    words : int16 array, shape (n_chirps, words_per_chirp), any number of chirps
    layout : name of the word order
    config : antennas, samples, lanes and ADC bits; words of 12 and 14 bit are sign-extended

    Returns
    -------
    complex64 array, shape (n_chirps, n_rx, n_samples), ADC counts; a real ADC gives zero
    imaginary parts

    Raises
    ------
    LayoutError
        Wrong shape or type, unknown layout, or one that this radar cannot have written.

    Examples
    --------
    >>> import numpy as np
    >>> from capture.config import RadarConfig
    >>> radar = RadarConfig(n_samples=2, rx_mask=1)
    >>> decode(np.array([[1, 2, 3, 4]], np.int16), "IIQQ", radar)
    array([[[1.+3.j, 2.+4.j]]], dtype=complex64)
    """
    i_index, q_index = word_order(layout, config)
    if words.ndim != 2 or words.shape[1] != config.words_per_chirp or words.dtype != np.int16:
        raise LayoutError(
            "these are not the words of this radar's chirps",
            got=f"{words.dtype} {words.shape}",
            expected=f"int16 (n_chirps, {config.words_per_chirp})",
        )
    unused = 16 - config.adc_bits
    if unused:
        words = (words << unused) >> unused
    samples = np.zeros((len(words), *i_index.shape), np.complex64)
    samples.real = words[:, i_index]
    if q_index is not None:
        samples.imag = words[:, q_index]
    return samples


def encode(samples: np.ndarray, layout: str, config: RadarConfig) -> np.ndarray:
    """Raw words of complex samples: rounded, saturated at the ADC's range, in `layout`'s order.

    Parameters
    ----------
    samples : complex (or, for a real ADC, real) array, shape (n_chirps, n_rx, n_samples),
        ADC counts
    layout : name of the word order
    config : antennas, samples, lanes and ADC bits; words of 12 and 14 bit are stored without
        sign extension, as the LVDS lanes carry them

    Returns
    -------
    int16 array, shape (n_chirps, words_per_chirp); disabled antennas of four-lane parts are 0

    Raises
    ------
    LayoutError
        Wrong shape, samples that are not finite, imaginary parts for a real ADC, or an
        impossible layout.
    """
    i_index, q_index = word_order(layout, config)
    if samples.ndim != 3 or samples.shape[1:] != i_index.shape:
        raise LayoutError(
            "these are not samples of this radar's chirps",
            got=samples.shape,
            expected=f"(n_chirps, {config.n_rx}, {config.n_samples})",
        )
    if not np.isfinite(samples).all():
        raise LayoutError("samples to encode must be finite")
    if q_index is None and np.any(samples.imag):
        raise LayoutError("a real ADC has no imaginary part", where=f"layout '{layout}'")
    words = np.zeros((len(samples), config.words_per_chirp), np.int16)
    words[:, i_index] = _quantise(samples.real, config.adc_bits)
    if q_index is not None:
        words[:, q_index] = _quantise(samples.imag, config.adc_bits)
    return words


def _quantise(values: np.ndarray, n_bits: int) -> np.ndarray:
    """Nearest ADC codes, saturated; bits above the ADC's are zero below 16 bit."""
    full_scale = 1 << (n_bits - 1)
    codes = np.clip(np.rint(values), -full_scale, full_scale - 1).astype(np.int16)
    return codes & np.int16((1 << n_bits) - 1) if n_bits < 16 else codes
