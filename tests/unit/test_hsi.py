"""HSI headers against the bytes of a published capture, and what a damaged one means."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from capture.config import RadarConfig, Subframe
from capture.errors import LayoutError
from capture.file.framing import adc_frame, chirp_words, has_hsi_headers, stored_words, valid_chirps
from capture.file.hsi import WORD_ORDERS, compose, intact_headers, read_header

# The header of every chirp of an IWR6843AOP recorded by TI's command-line recorder in multi mode
# (Zenodo 22811456, CC BY 4.0): 4 RX, 64 complex samples of 16 bit, 1088 bytes from one to the next.
PUBLISHED = np.frombuffer(
    bytes.fromhex("dc0ada0cdc0ada0c300400000000000080072000040200020f01010080")
    + bytes(23) + b"\x0f" * 12,
    "<i2",
)  # fmt: skip
RADAR = RadarConfig(n_samples=64, n_loops=4, frame_period_s=1.0, hsi_header=True)


def test_the_published_header_is_read() -> None:
    header = read_header(PUBLISHED)
    assert header is not None
    assert (header.order, header.n_header_bytes, header.n_bytes) == ("in order", 64, 1088)
    assert (header.content, header.rx_mask, header.n_chirps) == ("samples", 15, 1)
    assert header.n_antenna_words == 128
    assert header.differences(RADAR) == []
    assert RADAR.stored_chirp_bytes == 1088
    assert has_hsi_headers(PUBLISHED)


def test_the_composed_header_is_the_published_one_but_for_its_platform() -> None:
    ours = compose(RADAR, "in order")
    assert np.flatnonzero(ours != PUBLISHED).tolist() == [10]
    assert (ours[10], PUBLISHED[10]) == (0x0203, 0x0204)  # xWR18xx, xWR68xx


def test_two_lanes_swap_the_middle_words_of_every_four() -> None:
    # As seen in the packets of two-lane parts: dc0a dc0a da0c da0c.
    raw = compose(RADAR, "two lanes")
    assert raw[:4].tobytes().hex() == "dc0adc0ada0cda0c"
    np.testing.assert_array_equal(
        raw.reshape(-1, 4)[:, [0, 2, 1, 3]].ravel(), compose(RADAR, "in order")
    )
    # Four lanes carry 32 bits each in turn, written as all lower and then all upper halves.
    four = compose(RADAR, "four lanes").reshape(-1, 8)
    np.testing.assert_array_equal(
        four.reshape(-1, 2, 4).transpose(0, 2, 1).ravel(), compose(RADAR, "in order")
    )


@pytest.mark.parametrize(("n_samples", "alignment", "n_stored"), [
    (256, 16, 4160), (64, 16, 1088), (100, 16, 1664), (64, 256, 1280), (256, 256, 4352),
])  # fmt: skip
def test_sizes_by_hand(n_samples: int, alignment: int, n_stored: int) -> None:
    config = dataclasses.replace(RADAR, n_samples=n_samples, hsi_alignment_bytes=alignment)
    assert config.stored_chirp_bytes == n_stored
    header = read_header(compose(config))
    assert header is not None
    assert header.n_bytes == n_stored
    assert header.n_header_bytes == n_stored - 16 * n_samples


@pytest.mark.parametrize("order", sorted(WORD_ORDERS))
@pytest.mark.parametrize("bits", [12, 14, 16])
def test_samples_come_back_from_behind_the_padding(order: str, bits: int) -> None:
    config = dataclasses.replace(RADAR, adc_bits=bits, hsi_alignment_bytes=256)
    words = np.random.default_rng(1).integers(-2000, 2000, (4, 512)).astype(np.int16)
    stored = stored_words(words, config, order)
    assert stored.nbytes == config.stored_frame_bytes == 4 * 1280
    frame = adc_frame(stored, [], config, "IIQQ", 3)
    np.testing.assert_array_equal(frame.words, words)
    assert frame.is_complete


def test_every_word_that_the_configuration_settles_is_checked() -> None:
    stored = stored_words(np.zeros((4, 512), np.int16), RADAR, "in order").reshape(4, -1)
    free = {6, 7, 8, 10, 11, 22, 23, 24, 25}
    for word in range(26):
        damaged = stored.copy()
        damaged[2, word] ^= 1
        expected = [True, True, word in free, True]
        assert intact_headers(damaged, RADAR).tolist() == expected, word


def test_a_lost_or_damaged_header_invalidates_its_chirp_alone() -> None:
    stored = stored_words(np.ones((4, 512), np.int16), RADAR)
    stored[544] = 0  # the first word of chirp 1
    frame = adc_frame(stored, [(2 * 1088 + 40, 2 * 1088 + 41)], RADAR, "IIQQ", 0)
    assert frame.valid.tolist() == [True, False, False, True]
    # A loss that ends where chirp 3 begins, and an empty one, leave chirp 3 alone.
    assert valid_chirps([(2176, 3264), (3300, 3300)], RADAR).tolist() == [True, True, False, True]


def test_what_a_header_says_against_the_configuration_is_named() -> None:
    header = read_header(PUBLISHED)
    assert header is not None
    other = dataclasses.replace(RADAR, n_samples=128, rx_mask=7)
    assert header.differences(other) == [
        "rx_mask: header 0xf, configuration 0x7",
        "words of one antenna's samples: header 128, configuration 256",
        "bytes from one header to the next: header 1088, configuration 1600",
    ]
    user_data = PUBLISHED.copy()
    user_data[12] = 0x0500
    header = read_header(user_data)
    assert header is not None
    assert header.differences(RADAR)[0] == "content: header user data, configuration samples"


def test_a_subframe_lies_between_the_others() -> None:
    subframe = Subframe(index=1, n_subframes=3, lead_bytes=10, tail_bytes=6, lead_s=0.0)
    config = dataclasses.replace(RADAR, hsi_header=False, subframe=subframe)
    stored = np.arange(5 + 4 * 512 + 3).astype(np.int16)
    assert stored.nbytes == config.stored_frame_bytes
    words = chirp_words(stored, config)
    assert (words[0, 0], words[3, 511]) == (5, 5 + 4 * 512 - 1)
    # Chirp k lies at bytes 10 + 1024 k: byte 9 is another subframe's, byte 10 is chirp 0's.
    assert valid_chirps([(0, 10)], config).all()
    assert valid_chirps([(0, 11)], config).tolist() == [False, True, True, True]
    assert valid_chirps([(10 + 4 * 1024, 10**6)], config).all()
    assert valid_chirps([(10 + 4 * 1024 - 1, 10**6)], config).tolist() == [True] * 3 + [False]
    with pytest.raises(LayoutError, match="subframe 1 of 3"):
        stored_words(words, config)


def test_noise_and_short_starts_are_no_headers() -> None:
    assert not has_hsi_headers(np.zeros(100, np.int16))
    assert not has_hsi_headers(PUBLISHED[:7])
    assert read_header(PUBLISHED[:20]) is None
    assert not has_hsi_headers(np.roll(PUBLISHED, 1))
