"""Headers that mmWave SDK firmware puts before every chirp (lvdsStreamCfg with enableHeader 1).

A header is 52 bytes and padding, so that header and samples together are a multiple of 16 bytes
(256 where the firmware aligns for the data card); **the padding lies before the samples**. Fields
are little-endian 16-bit words (mmWave SDK 3, `utils/hsiheader/hsiprotocol.h`, HSIHeader_t):

| Words | Meaning |
|---|---|
| 0-3 | identifier of the stream, one of eight |
| 4, 5 | bytes that follow the first 16: lower and upper 12 bits |
| 8, 9 | SDK version; words of header and padding |
| 10-12 | platform, interleaving; sample size, type; RX mask, data format |
| 13-15 | chirps per header; words of one antenna's samples; of the chirp profile |
| 16-21 | words of chirp quality (3) and of user buffers (3) |

The LVDS lanes permute these words as they do the samples: the order of a header's words tells a
recording as the lanes carry it from one that TI's command-line recorder has put in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.config import RadarConfig

STREAM_IDS = np.array([
    0x0CDA0ADC0CDA0ADC, 0x09CC0CC909CC0CC9, 0x08CC0CC808CC0CC8, 0x0F48084F0F48084F,
    0x076C0C67076C0C67, 0x0DDA0ADD0DDA0ADD, 0x0EDA0ADE0EDA0ADE, 0x0FDA0ADF0FDA0ADF,
], np.uint64)  # fmt: skip
"""Identifiers of the sessions that firmware can have; the first is the first session's."""

WORD_ORDERS = {
    "in order": (0, 1, 2, 3, 4, 5, 6, 7),
    "two lanes": (0, 2, 1, 3, 4, 6, 5, 7),
    "four lanes": (0, 4, 1, 5, 2, 6, 3, 7),
}
"""Where word k of every eight stands in a file."""

_N_WORDS = 32
_DATA_FORMATS = {
    1: "samples", 2: "chirp profile and samples", 3: "samples and chirp profile",
    4: "chirp profile, samples and chirp quality", 5: "user data",
    6: "samples and user data", 7: "chirp profile, samples, chirp quality and user data",
}  # fmt: skip
_FIXED = [4, 5, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
"""Words that the configuration settles."""


@dataclass(frozen=True, slots=True)
class HsiHeader:
    """What one header says.

    Attributes
    ----------
    order : how its words stand in the file, a key of `WORD_ORDERS`
    n_header_bytes, n_bytes : of header and padding; of header, padding and everything behind it
    content : what lies behind the header
    rx_mask : bit k set means receive antenna k is on
    n_chirps : chirps behind one header
    n_antenna_words : words of one antenna's samples in one chirp
    """

    order: str
    n_header_bytes: int
    n_bytes: int
    content: str
    rx_mask: int
    n_chirps: int
    n_antenna_words: int

    def strip(self, words: np.ndarray) -> np.ndarray:
        """Samples of chirps that have headers of this length, int16 (n,) -> (fewer,)."""
        stride = self.n_bytes // 2
        n_chirps = len(words) // stride
        chirps = words[: n_chirps * stride].reshape(n_chirps, stride)
        return chirps[:, self.n_header_bytes // 2 :].reshape(-1)

    def differences(self, config: RadarConfig) -> list[str]:
        """In what this header contradicts a configuration, for people."""
        per_antenna = config.words_per_chirp // config.n_stored_rx
        pairs = {
            "content": (self.content, "samples"),
            "rx_mask": (f"{self.rx_mask:#x}", f"{_rx_mask(config):#x}"),
            "words of one antenna's samples": (self.n_antenna_words, per_antenna),
            "chirps behind one header": (self.n_chirps, 1),
            "bytes from one header to the next": (self.n_bytes, config.stored_chirp_bytes),
        }
        return [
            f"{name}: header {got}, configuration {expected}"
            for name, (got, expected) in pairs.items()
            if got != expected
        ]


def read_header(start: np.ndarray) -> HsiHeader | None:
    """Read the header at the start of a chirp.

    Parameters
    ----------
    start : int16 array, the first words of the header; 32 are needed

    Returns
    -------
    HsiHeader; None when this is none
    """
    order = word_order_of(start)
    if order is None or len(start) < _N_WORDS:
        return None
    words = [int(word) for word in _in_order(start[None, :_N_WORDS], order)[0]]
    return HsiHeader(
        order=order,
        n_header_bytes=2 * words[9],
        n_bytes=16 + (words[5] << 12 | words[4]),
        content=_DATA_FORMATS.get(words[12] >> 8, f"format {words[12] >> 8}"),
        rx_mask=words[12] & 0xFF,
        n_chirps=words[13],
        n_antenna_words=words[14],
    )


def word_order_of(start: np.ndarray) -> str | None:
    """In which order the words of a header stand.

    Parameters
    ----------
    start : int16 array, the first words of a header; eight are needed

    Returns
    -------
    a key of `WORD_ORDERS`; None when this is no header
    """
    if len(start) < 8:
        return None
    return next((order for order in WORD_ORDERS if _has_id(start[None, :8], order)[0]), None)


def intact_headers(chirps: np.ndarray, config: RadarConfig) -> np.ndarray:
    """Which stored chirps begin with the header that the configuration leads to.

    Parameters
    ----------
    chirps : int16 array, shape (n_chirps, stored_chirp_bytes / 2)
    config : waveform and raw format

    Returns
    -------
    bool array, shape (n_chirps,); version, platform and the application's own words may differ
    """
    expected = _words(config)[_FIXED]
    heads = np.ascontiguousarray(chirps[:, :_N_WORDS])
    if config.adc_bits < 16:  # the lanes carry no more bits of a header's word than of a sample
        heads = heads & np.int16((1 << config.adc_bits) - 1)
    intact = np.zeros(len(chirps), np.bool_)
    for order in WORD_ORDERS:
        match = _has_id(heads, order)
        if match.any():
            fixed = _in_order(heads[match], order)[:, _FIXED]
            intact[match] |= (fixed == expected).all(axis=1)
    return intact


def compose(config: RadarConfig, order: str = "two lanes") -> np.ndarray:
    """The header, with its padding, that firmware puts before every chirp.

    Parameters
    ----------
    config : waveform and raw format, with `hsi_header`
    order : how the words stand in the file, a key of `WORD_ORDERS`

    Returns
    -------
    int16 array, shape ((stored_chirp_bytes - sample bytes) / 2,)
    """
    n_words = (config.stored_chirp_bytes - 2 * config.words_per_chirp) // 2
    words = _words(config)
    padded = np.full(-(-n_words // 8) * 8, 0x0F0F, np.uint16)
    padded[: len(words)] = words
    places = _places(len(padded), order)
    stored = np.empty_like(padded)
    stored[places] = padded
    return stored[:n_words].view(np.int16)


def _words(config: RadarConfig) -> np.ndarray:
    """A header without its padding, uint16 (26,)."""
    n_header_bytes = config.stored_chirp_bytes - 2 * config.words_per_chirp
    n_following = config.stored_chirp_bytes - 16
    words = np.zeros(26, np.uint16)
    words[:4] = STREAM_IDS[:1].view(np.uint16)
    words[4], words[5] = n_following & 0xFFF, n_following >> 12
    words[8], words[9] = 3 << 9 | 6 << 6, n_header_bytes // 2
    words[10] = 0x0203 if config.n_lanes == 2 else 0x0101
    words[11] = 0x0200 if config.is_complex else 0x0100
    words[12] = 0x0100 | _rx_mask(config)
    words[13], words[14] = 1, config.words_per_chirp // config.n_stored_rx
    return words


def _rx_mask(config: RadarConfig) -> int:
    return 0b1111 if config.n_lanes == 4 else config.rx_mask


def _has_id(heads: np.ndarray, order: str) -> np.ndarray:
    first = np.ascontiguousarray(heads[:, list(WORD_ORDERS[order][:4])])
    return np.isin(first.view(np.uint64)[:, 0], STREAM_IDS)


def _in_order(heads: np.ndarray, order: str) -> np.ndarray:
    return heads[:, _places(heads.shape[1], order)].view(np.uint16)


def _places(n_words: int, order: str) -> np.ndarray:
    groups = np.arange(0, n_words, 8)[:, None] + np.array(WORD_ORDERS[order])
    return np.asarray(groups.ravel()[:n_words])
