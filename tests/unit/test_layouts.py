"""Word orders against the tables of TI SWRA581B, written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.layouts import LAYOUTS, decode, default_layout, encode, layouts_for, word_order


def radar(**changes: object) -> RadarConfig:
    return RadarConfig(**{"n_samples": 4, "n_loops": 1, "rx_mask": 0b0011} | changes)


# Words are 10 * antenna + sample for I, 100 more for Q, in the order of the document's figures.
BY_HAND = {
    "IIQQ": [0, 1, 100, 101, 2, 3, 102, 103, 10, 11, 110, 111, 12, 13, 112, 113],
    "QQII": [100, 101, 0, 1, 102, 103, 2, 3, 110, 111, 10, 11, 112, 113, 12, 13],
    "IQIQ": [0, 100, 1, 101, 2, 102, 3, 103, 10, 110, 11, 111, 12, 112, 13, 113],
    "QIQI": [100, 0, 101, 1, 102, 2, 103, 3, 110, 10, 111, 11, 112, 12, 113, 13],
    "real": [0, 1, 2, 3, 10, 11, 12, 13],
    "four-lane": [0, 10, 20, 30, 100, 110, 120, 130, 1, 11, 21, 31, 101, 111, 121, 131,
                 2, 12, 22, 32, 102, 112, 122, 132, 3, 13, 23, 33, 103, 113, 123, 133],
    "four-lane-QI": [100, 110, 120, 130, 0, 10, 20, 30, 101, 111, 121, 131, 1, 11, 21, 31,
                 102, 112, 122, 132, 2, 12, 22, 32, 103, 113, 123, 133, 3, 13, 23, 33],
    "four-lane-real": [0, 10, 20, 30, 1, 11, 21, 31, 2, 12, 22, 32, 3, 13, 23, 33],
}  # fmt: skip


def config_for(layout: str, **changes: object) -> RadarConfig:
    four = "four" in layout
    return radar(
        n_lanes=4 if four else 2,
        adc_format="real" if "real" in layout else "complex1x",
        **({"rx_mask": 0b1111 if four else 0b0011} | changes),
    )


def test_the_table_above_covers_every_layout() -> None:
    assert set(BY_HAND) == set(LAYOUTS)


@pytest.mark.parametrize("layout", BY_HAND)
def test_words_in_the_documents_order_decode_to_their_samples(layout: str) -> None:
    config = config_for(layout)
    words = np.array([BY_HAND[layout]], np.int16)
    samples = decode(words, layout, config)
    antenna, sample = np.arange(config.n_rx)[:, None], np.arange(4)
    expected_i = 10 * antenna + sample
    np.testing.assert_array_equal(samples[0].real, expected_i)
    np.testing.assert_array_equal(samples[0].imag, expected_i + 100 if config.is_complex else 0)
    np.testing.assert_array_equal(encode(samples, layout, config), words)


def test_a_masked_antenna_is_absent_on_two_lanes_and_zero_on_four() -> None:
    two = radar(rx_mask=0b1010)
    assert two.words_per_chirp == 2 * 4 * 2
    four = config_for("four-lane", rx_mask=0b1010)
    assert four.words_per_chirp == 4 * 4 * 2
    samples = np.array([[[1 + 5j, 2, 3, 4], [6j, 7, 8, 9]]], np.complex64)
    words = encode(samples, "four-lane", four)[0]
    # RX1 and RX3 hold the data, RX0 and RX2 are zero words.
    assert words[:8].tolist() == [0, 1, 0, 0, 0, 5, 0, 6]
    np.testing.assert_array_equal(decode(words[None], "four-lane", four), samples)


@pytest.mark.parametrize(("bits", "word", "value"), [(12, 0x0800, -2048), (12, 0x07FF, 2047),
                                                     (14, 0x3FFF, -1), (14, 0x1FFF, 8191),
                                                     (16, -2, -2)])  # fmt: skip
def test_short_words_are_sign_extended(bits: int, word: int, value: int) -> None:
    config = config_for("real", adc_bits=bits, rx_mask=1)
    assert decode(np.full((1, 4), word, np.int16), "real", config)[0, 0, 0] == value


@pytest.mark.parametrize(("bits", "low", "high"), [(12, -2048, 2047), (14, -8192, 8191),
                                                   (16, -32768, 32767)])  # fmt: skip
def test_encoding_rounds_and_saturates_instead_of_wrapping(bits: int, low: int, high: int) -> None:
    config = config_for("IIQQ", adc_bits=bits, rx_mask=1)
    samples = np.array([[[1e6 - 1e6j, -1e6 + 1e6j, 1.4 - 1.6j, 0]]])
    again = decode(encode(samples, "IIQQ", config), "IIQQ", config)[0, 0]
    assert again.tolist() == [high + 1j * low, low + 1j * high, 1 - 2j, 0]


@pytest.mark.parametrize(("changes", "name"), [({}, "IIQQ"), ({"iq_order": "QI"}, "QQII"),
    ({"adc_format": "real"}, "real"), ({"n_lanes": 4}, "four-lane"),
    ({"n_lanes": 4, "iq_order": "QI"}, "four-lane-QI"),
    ({"n_lanes": 4, "adc_format": "real"}, "four-lane-real"),
    ({"adc_format": "complex2x"}, "IIQQ")])  # fmt: skip
def test_default_layout(changes: dict[str, object], name: str) -> None:
    assert default_layout(radar(**changes)) == name


def test_layouts_for_a_two_lane_complex_radar() -> None:
    assert layouts_for(radar()) == ("IIQQ", "QQII", "IQIQ", "QIQI")


def test_word_order_uses_every_word_once_and_is_read_only() -> None:
    i_index, q_index = word_order("IIQQ", radar())
    assert q_index is not None
    assert sorted([*i_index.ravel(), *q_index.ravel()]) == list(range(16))
    with pytest.raises(ValueError, match="read-only"):
        i_index[0, 0] = 5


def test_refusals_say_why() -> None:
    words = np.zeros((1, 16), np.int16)
    with pytest.raises(LayoutError, match="unknown layout; got IQQI; expected one of IIQQ"):
        decode(words, "IQQI", radar())
    with pytest.raises(LayoutError, match="'four-lane' does not belong to this radar"):
        decode(words, "four-lane", radar())
    with pytest.raises(LayoutError, match="in pairs, one on each; got n_samples = 5"):
        word_order("IIQQ", radar(n_samples=5))
    with pytest.raises(LayoutError, match=r"got int16 \(1, 16\); expected int16 \(n_chirps, 32"):
        decode(words, "IIQQ", radar(n_samples=8))
    with pytest.raises(LayoutError, match="got float64"):
        decode(words.astype(float), "IIQQ", radar())
    with pytest.raises(LayoutError, match=r"expected \(n_chirps, 2, 4\)"):
        encode(np.zeros((1, 2, 5)), "IIQQ", radar())
    with pytest.raises(LayoutError, match="finite"):
        encode(np.full((1, 2, 4), np.nan), "IIQQ", radar())
    with pytest.raises(LayoutError, match="no imaginary part"):
        encode(np.full((1, 2, 4), 1j), "real", radar(adc_format="real"))
