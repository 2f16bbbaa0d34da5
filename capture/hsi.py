"""Headers that mmWave SDK firmware puts before every chirp (lvdsStreamCfg with enableHeader 1).

A header is 52 bytes and padding, so that header and samples together are a multiple of 16 bytes
(256 when the firmware aligns for the data card); **the padding lies before the samples**. Fields
are little-endian 16-bit words (mmWave SDK 3, `utils/hsiheader/hsiprotocol.h`, HSIHeader_t):

| Words | Meaning |
|---|---|
| 0-3 | identifier of the stream, one of eight |
| 4, 5 | bytes that follow the first 16, lower and upper 12 bits |
| 8, 9 | SDK version; words of header and padding |
| 10-12 | platform, interleaving; sample size, type; RX mask, data format (1: samples only) |
| 13-16 | chirps per header; words of one antenna's samples; of chirp profile; of chirp quality |

The LVDS lanes permute the words like the samples behind them: the header's word order tells a
recording as the lanes carry it from one re-ordered by TI's command-line recorder.
"""

from __future__ import annotations

import numpy as np

HEADER_WORDS = 26
STREAM_IDS = {
    0x0CDA0ADC0CDA0ADC, 0x09CC0CC909CC0CC9, 0x08CC0CC808CC0CC8, 0x0F48084F0F48084F,
    0x076C0C67076C0C67, 0x0DDA0ADD0DDA0ADD, 0x0EDA0ADE0EDA0ADE, 0x0FDA0ADF0FDA0ADF,
}  # fmt: skip
"""Identifiers of HSIHEADER_MAX_ID sessions; the first session's is the first."""

WORD_ORDERS = {
    "in order": (0, 1, 2, 3),
    "two lanes": (0, 2, 1, 3),
    "four lanes": (0, 4, 1, 5, 2, 6, 3, 7),
}
"""Places of a header's words in a file: word k of each group stands at place order[k]."""


def word_order_of(start: np.ndarray) -> str | None:
    """In which order the words of a header stand.

    Parameters
    ----------
    start : int16 array, the first words of a header

    Returns
    -------
    a key of `WORD_ORDERS`; None when this is no header
    """
    for name, order in WORD_ORDERS.items():
        if len(start) >= max(order) + 1 and _stream_id(start, order) in STREAM_IDS:
            return name
    return None


def _stream_id(start: np.ndarray, order: tuple[int, ...]) -> int:
    words = [int(start[place]) & 0xFFFF for place in order[:4]]
    return sum(word << 16 * k for k, word in enumerate(words))
