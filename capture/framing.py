"""What lies around the samples of a frame: HSI headers, padding, the subframes beside it.

A stored frame is what the LVDS lanes carry from one frame start to the next. For plain captures
it is the samples and nothing else; `adc_frame` makes an `AdcFrame` of it in every case.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from capture.config import HSI_HEADER_BYTES, RadarConfig
from capture.hsi import word_order_of
from capture.types import AdcFrame


def has_hsi_headers(start: np.ndarray) -> bool:
    """Whether a file, or a payload stream, begins with an HSI header.

    Parameters
    ----------
    start : int16 array, its first words; eight are enough
    """
    return word_order_of(start) is not None


def chirp_words(stored: np.ndarray, config: RadarConfig) -> np.ndarray:
    """Words of the chirps of one stored frame, without headers, padding and other subframes.

    Parameters
    ----------
    stored : int16 array, shape (stored_frame_bytes / 2,)
    config : waveform and raw format

    Returns
    -------
    int16 array, shape (n_chirps, words_per_chirp), a view
    """
    first = _first_chirp_byte(config) // 2
    stride = config.stored_chirp_bytes // 2
    chirps = stored[first : first + stride * config.n_chirps].reshape(config.n_chirps, stride)
    start = HSI_HEADER_BYTES // 2 if config.hsi_header else 0
    return chirps[:, start : start + config.words_per_chirp]


def valid_chirps(lost: Iterable[tuple[int, int]], config: RadarConfig) -> np.ndarray:
    """Which chirps of a stored frame lie outside every lost stretch.

    Parameters
    ----------
    lost : (start, stop) bytes in the stored frame; parts outside the frame are ignored
    config : waveform and raw format

    Returns
    -------
    bool array, shape (n_chirps,); False where any sample of the chirp was lost
    """
    valid = np.ones(config.n_chirps, np.bool_)
    stride, n_bytes = config.stored_chirp_bytes, 2 * config.words_per_chirp
    first = _first_chirp_byte(config) + (HSI_HEADER_BYTES if config.hsi_header else 0)
    for start, stop in lost:
        # Samples of chirp k: bytes first + k stride up to, not including, first + k stride + n.
        begin = (start - first - n_bytes) // stride + 1
        end = -((first - stop) // stride)
        valid[max(begin, 0) : max(end, 0)] = False
    return valid


def adc_frame(
    stored: np.ndarray,
    lost: Iterable[tuple[int, int]],
    config: RadarConfig,
    layout: str,
    index: int,
    time_s: float | None = None,
) -> AdcFrame:
    """One stored frame, and the stretches of it that never came, as an `AdcFrame`.

    Parameters
    ----------
    stored : int16 array, shape (stored_frame_bytes / 2,); lost parts may hold anything
    lost : (start, stop) bytes in the stored frame
    config, layout : waveform and raw format, word order
    index : frame number since the start of the recording
    time_s : start of the frame; `index` frame periods when not given
    """
    return AdcFrame(
        config=config,
        layout=layout,
        index=index,
        time_s=index * config.frame_period_s if time_s is None else time_s,
        words=chirp_words(stored, config),
        valid=valid_chirps(lost, config),
    )


def _first_chirp_byte(config: RadarConfig) -> int:
    return config.subframe.lead_bytes if config.subframe else 0
