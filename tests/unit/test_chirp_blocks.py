"""Chirps that firmware sends several at a time, antenna by antenna (adcbufCfg, chirp threshold)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.file.framing import adc_frame, stored_words
from capture.file.recording import RecordingWriter, open_recording
from capture.formats.load import load_radar_config
from capture.layouts import decode

RADAR = Path(__file__).parents[2].parent / "shared" / "data" / "radar"
needs_data = pytest.mark.skipif(not RADAR.is_dir(), reason="needs the shared data folder")

# Four chirps in blocks of two, two antennas, two samples: I I Q Q of each antenna and chirp.
SMALL = RadarConfig(n_samples=2, rx_mask=3, n_loops=4, chirps_per_block=2)


def row(chirp: int, rx: int) -> list[int]:
    return [100 * chirp + 10 * rx + k for k in range(4)]


def test_a_block_holds_all_its_chirps_of_one_antenna_then_of_the_next() -> None:
    order = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (3, 0), (2, 1), (3, 1)]
    stored = [row(chirp, rx) for chirp, rx in order]
    chirps = [row(k, 0) + row(k, 1) for k in range(4)]
    frame = adc_frame(np.array(stored, np.int16).ravel(), [], SMALL, "IIQQ", 0)
    assert frame.words.tolist() == chirps
    back = stored_words(frame.words, SMALL)
    assert back.tolist() == np.array(stored).ravel().tolist()


@pytest.mark.parametrize(
    ("lost", "valid"),
    [
        ((0, 1), [False, True, True, True]),  # antenna 0 of chirp 0: bytes 0 to 8
        ((8, 9), [True, False, True, True]),  # antenna 0 of chirp 1
        ((23, 24), [False, True, True, True]),  # the end of antenna 1 of chirp 0
        ((7, 17), [False, False, True, True]),  # both rows of antenna 0, first of antenna 1
        ((32, 40), [True, True, False, True]),  # second block
        ((63, 99), [True, True, True, False]),
    ],
)
def test_a_lost_stretch_spoils_the_chirps_it_touches(
    lost: tuple[int, int], valid: list[bool]
) -> None:
    words = np.zeros(SMALL.frame_bytes // 2, np.int16)
    assert adc_frame(words, [lost], SMALL, "IIQQ", 0).valid.tolist() == valid


def test_what_the_writer_writes_the_reader_reads(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(-99, 99, (4, SMALL.words_per_chirp)).astype(np.int16)
    with RecordingWriter(tmp_path / "a.bin", SMALL) as writer:
        writer.write(words)
    frame = open_recording(tmp_path / "a.bin", SMALL).frame(0)
    np.testing.assert_array_equal(frame.words, words)


def test_the_firmwares_own_choice_fills_the_buffer() -> None:
    # 4 antennas x 256 samples x 4 bytes = 4 KB a chirp: 8 fill 32 KB, and divide 32 chirps.
    assert RadarConfig(n_loops=32, chirps_per_block=0).block_chirps == 8
    assert RadarConfig(n_loops=30, chirps_per_block=0).block_chirps == 6
    assert RadarConfig(n_loops=32, n_samples=512, chirps_per_block=0).block_chirps == 4
    assert RadarConfig(n_loops=32, chirps_per_block=0, n_lanes=4).block_chirps == 1


@pytest.mark.parametrize("number", [-1, 9, 7])
def test_blocks_that_do_not_make_up_a_frame_are_refused(number: int) -> None:
    with pytest.raises(ConfigError, match="chirps_per_block"):
        RadarConfig(n_loops=32, chirps_per_block=number)


@needs_data
def test_real_chirps_of_one_transmitter_are_alike() -> None:
    """The AWR1642's file says chirp threshold 0; its scene stands still, its two TX alternate."""
    config = load_radar_config(RADAR / "awr1642_frame" / "awr1642.cfg")
    assert config.block_chirps == 8
    frame = next(iter(open_recording(RADAR / "awr1642_frame" / "adc_data.bin", config)))
    samples = decode(frame.words, "IIQQ", config)
    samples -= samples.mean(axis=-1, keepdims=True)
    unit = samples / np.linalg.norm(samples, axis=-1, keepdims=True)
    for tx in range(2):
        for rx in range(4):
            same = unit[tx::2, rx]
            likeness = np.abs(np.sum(same[1:] * same[:-1].conj(), axis=-1))
            assert likeness.min() > 0.85  # read one by one, every fourth is another antenna's
