"""Which transmit antennas every chirp of a loop uses, and samples apart by them.

Three schemes occur, alone or mixed: one antenna a chirp in turn (TDM), several at once (their
echoes add up and cannot be told apart), and several at once with some inverted (BPM; sums and
differences of a full set of codes can be solved for the single antennas).

A target that moves turns the phase between one definition's chirp and the next by
4 pi v T / lambda. **Nothing here compensates for it**: combine antennas of different chirps only
after multiplying with exp(-2j pi f_d (t_k - t_0)) at the Doppler frequency f_d of the target.
"""

from __future__ import annotations

import numpy as np

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError, LayoutError

_N_TX = 3


def tx_patterns(config: RadarConfig) -> tuple[str, ...]:
    """What transmits in every chirp definition of the loop.

    Parameters
    ----------
    config : waveform

    Returns
    -------
    one name a definition, such as "TX0" (alone), "TX0+TX1" (together), "TX0-TX1" (together, TX1
    inverted); "none" where no antenna is on

    Examples
    --------
    >>> loop = (Chirp(tx_mask=1), Chirp(tx_mask=3), Chirp(tx_mask=3, bpm_mask=2))
    >>> tx_patterns(RadarConfig(chirps=loop, n_loops=16))
    ('TX0', 'TX0+TX1', 'TX0-TX1')
    """
    return tuple(_pattern(chirp) for chirp in config.chirps)


def _pattern(chirp: Chirp) -> str:
    terms = [f"{'-' if code < 0 else '+'}TX{tx}" for tx, code in enumerate(_codes(chirp)) if code]
    return "".join(terms).removeprefix("+") or "none"


def _codes(chirp: Chirp) -> list[int]:
    """+1, -1 or 0 (off) for every transmit antenna."""
    n_tx = max(_N_TX, chirp.tx_mask.bit_length())
    return [
        (-1 if chirp.bpm_mask >> tx & 1 else 1) if chirp.tx_mask >> tx & 1 else 0
        for tx in range(n_tx)
    ]


def scheme(config: RadarConfig) -> str:
    """What the loop does with the transmit antennas, in one word or two.

    Returns
    -------
    "single" (one antenna, or always the same set: "simultaneous"), "TDM" (one antenna a chirp),
    "BPM" (codes that can be solved), "mixed" (anything else)
    """
    patterns = set(tx_patterns(config))
    masks = {chirp.tx_mask for chirp in config.chirps}
    if len(patterns) == 1:
        return "single" if all(mask.bit_count() <= 1 for mask in masks) else "simultaneous"
    if all(mask.bit_count() == 1 for mask in masks):
        return "TDM"
    return "BPM" if _is_solvable(config) and len(masks) == 1 else "mixed"


def demultiplex(samples: np.ndarray, config: RadarConfig) -> np.ndarray:
    """Chirps of a frame apart by chirp definition, in the order of the loop.

    Parameters
    ----------
    samples : complex array, shape (n_chirps, n_rx, n_samples), from `capture.layouts.decode`
    config : waveform

    Returns
    -------
    array of the same type, shape (n_loops, n_definitions, n_rx, n_samples), a view;
    ``tx_patterns(config)[k]`` names definition k

    Raises
    ------
    LayoutError
        Not the samples of one frame.
    """
    if samples.ndim != 3 or samples.shape[0] != config.n_chirps:
        raise LayoutError(
            "these are not the chirps of one frame",
            got=samples.shape,
            expected=f"({config.n_chirps}, n_rx, n_samples)",
        )
    return samples.reshape(config.n_loops, len(config.chirps), *samples.shape[1:])


def demodulate(samples: np.ndarray, config: RadarConfig) -> tuple[np.ndarray, tuple[int, ...]]:
    """Echoes of every single transmit antenna.

    The codes of a loop are a matrix of +1, -1 and 0, one row a definition and one column an
    antenna; the antennas' echoes are the least-squares solution for it. TDM selects, BPM adds and
    subtracts; several chirps of one antenna are averaged. Doppler phase between the chirps is
    not compensated (see the module).

    Parameters
    ----------
    samples : complex array, shape (n_chirps, n_rx, n_samples)
    config : waveform

    Returns
    -------
    per_tx : complex array, shape (n_loops, n_tx, n_rx, n_samples), in units of one antenna's echo
    tx_antennas : index of the antenna on axis 1

    Raises
    ------
    LayoutError
        Not the samples of one frame.
    ConfigError
        Codes that leave antennas inseparable: those that only ever transmit together.
    """
    loops = demultiplex(samples, config)
    codes, antennas = _code_matrix(config)
    if not _is_solvable(config):
        raise ConfigError(
            "the transmit antennas cannot be told apart",
            where="chirps",
            got=", ".join(tx_patterns(config)) + " in every loop",
            expected=f"{len(antennas)} independent patterns, for {len(antennas)} antennas",
            remedy="read the chirps per definition (demultiplex)",
        )
    inverse = np.linalg.pinv(codes).astype(samples.real.dtype)
    return np.einsum("td,ldrn->ltrn", inverse, loops, optimize=True), antennas


def _code_matrix(config: RadarConfig) -> tuple[np.ndarray, tuple[int, ...]]:
    """Codes, float64 (n_definitions, n_tx), of the antennas that are ever on."""
    codes = np.array([_codes(chirp) for chirp in config.chirps], np.float64)
    used = np.flatnonzero(codes.any(axis=0))
    return codes[:, used], tuple(int(tx) for tx in used)


def _is_solvable(config: RadarConfig) -> bool:
    codes, antennas = _code_matrix(config)
    return bool(antennas) and int(np.linalg.matrix_rank(codes)) == len(antennas)
