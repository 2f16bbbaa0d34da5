"""What lies around the samples of a frame: HSI headers, padding, the subframes beside it.

A stored frame is what the LVDS lanes carry from one frame start to the next. For plain captures
it is the samples and nothing else; `adc_frame` makes an `AdcFrame` of it in every case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.file.hsi import compose, intact_headers, word_order_of
from capture.types import AdcFrame


def has_hsi_headers(start: np.ndarray) -> bool:
    """Whether a file, or a payload stream, begins with an HSI header.

    Parameters
    ----------
    start : int16 array, its first words; eight are enough
    """
    return word_order_of(start) is not None


def stored_chirps(stored: np.ndarray, config: RadarConfig) -> np.ndarray:
    """Chirps of one stored frame, each with its header, without other subframes.

    Parameters
    ----------
    stored : int16 array, shape (stored_frame_bytes / 2,)
    config : waveform and raw format

    Returns
    -------
    int16 array, shape (n_chirps, stored_chirp_bytes / 2), a view
    """
    first = _first_chirp_byte(config) // 2
    stride = config.stored_chirp_bytes // 2
    return stored[first : first + stride * config.n_chirps].reshape(config.n_chirps, stride)


def chirp_words(stored: np.ndarray, config: RadarConfig) -> np.ndarray:
    """Words of the chirps of one stored frame, without headers, padding and other subframes.

    Parameters
    ----------
    stored : int16 array, shape (stored_frame_bytes / 2,)
    config : waveform and raw format

    Returns
    -------
    int16 array, shape (n_chirps, words_per_chirp), a view unless the firmware sent several chirps
    together; the padding of an HSI header lies between the header and the samples
    """
    chirps = stored_chirps(stored, config)
    if config.block_chirps > 1:
        rows = chirps.reshape(-1, config.n_rx, config.block_chirps, chirps.shape[1] // config.n_rx)
        return rows.swapaxes(1, 2).reshape(chirps.shape)
    return chirps[:, chirps.shape[1] - config.words_per_chirp :]


def stored_words(words: np.ndarray, config: RadarConfig, order: str = "two lanes") -> np.ndarray:
    """Put HSI headers before the chirps of a frame, or chirps into blocks: what the lanes carry.

    Parameters
    ----------
    words : int16 array, shape (n_chirps, words_per_chirp)
    config : waveform and raw format; plain captures stay as they are
    order : how the headers' words stand, a key of `capture.file.hsi.WORD_ORDERS`

    Returns
    -------
    int16 array, shape (stored_frame_bytes / 2,)

    Raises
    ------
    LayoutError
        The configuration is one subframe of several, whose samples are not here.
    """
    if config.subframe is not None:
        raise LayoutError(
            "one subframe alone makes no frame",
            got=f"subframe {config.subframe.index} of {config.subframe.n_subframes}",
        )
    if config.block_chirps > 1:
        n_row_words = config.words_per_chirp // config.n_rx
        rows = words.reshape(-1, config.block_chirps, config.n_rx, n_row_words)
        return rows.swapaxes(1, 2).reshape(-1)
    if not config.hsi_header:
        return words.reshape(-1)
    header = np.tile(compose(config, order), (len(words), 1))
    return np.concatenate([header, words], axis=1).reshape(-1)


def valid_chirps(lost: Sequence[tuple[int, int]], config: RadarConfig) -> np.ndarray:
    """Which chirps of a stored frame lie outside every lost stretch.

    Parameters
    ----------
    lost : (start, stop) bytes in the stored frame; parts outside the frame are ignored
    config : waveform and raw format

    Returns
    -------
    bool array, shape (n_chirps,); False where any byte of the chirp or its header was lost
    """
    if not lost:
        return np.ones(config.n_chirps, np.bool_)
    # In a block every chirp has a row for each antenna; otherwise a chirp is one row.
    n_rows = config.n_rx if config.block_chirps > 1 else 1
    gone = np.zeros(config.n_chirps * n_rows, np.bool_)
    first, stride = _first_chirp_byte(config), config.stored_chirp_bytes // n_rows
    for start, stop in lost:
        if start < stop:
            begin, end = (start - first) // stride, -((first - stop) // stride)
            gone[max(begin, 0) : max(end, 0)] = True
    return ~gone.reshape(-1, n_rows, config.block_chirps).any(axis=1).reshape(-1)


def adc_frame(
    stored: np.ndarray,
    lost: Sequence[tuple[int, int]],
    config: RadarConfig,
    layout: str,
    index: int,
    time_s: float | None = None,
) -> AdcFrame:
    """One stored frame, and the stretches of it that never came, as an `AdcFrame`.

    A chirp whose HSI header is damaged is invalid: its bytes may not be where they should.

    Parameters
    ----------
    stored : int16 array, shape (stored_frame_bytes / 2,); lost parts may hold anything
    lost : (start, stop) bytes in the stored frame
    config, layout : waveform and raw format, word order
    index : frame number since the start of the recording
    time_s : start of the frame; `index` frame periods when not given
    """
    valid = valid_chirps(lost, config)
    if config.hsi_header:
        valid &= intact_headers(stored_chirps(stored, config), config)
    return AdcFrame(
        config=config,
        layout=layout,
        index=index,
        time_s=index * config.frame_period_s if time_s is None else time_s,
        words=chirp_words(stored, config),
        valid=valid,
    )


def _first_chirp_byte(config: RadarConfig) -> int:
    return config.subframe.lead_bytes if config.subframe else 0
