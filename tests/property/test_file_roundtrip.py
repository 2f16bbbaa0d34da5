"""Every layout, mask and word length through files: cut anywhere, with headers of every kind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import packet_file as naive

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.file.framing import stored_words
from capture.file.hsi import WORD_ORDERS
from capture.file.recording import RecordingWriter, open_recording
from capture.layouts import LAYOUTS, decode, encode


@st.composite
def cases(draw: st.DrawFn) -> tuple[RadarConfig, str, int]:
    layout = draw(st.sampled_from(sorted(LAYOUTS)))
    pairs = LAYOUTS[layout].n_lanes == 2 and bool(LAYOUTS[layout].components)
    config = RadarConfig(
        n_samples=2 * draw(st.integers(2, 9)) + (0 if pairs else draw(st.integers(0, 1))),
        n_loops=draw(st.integers(2, 5)),
        rx_mask=draw(st.integers(1, 15)),
        adc_bits=draw(st.sampled_from((12, 14, 16))),
        adc_format="real"
        if "real" in layout
        else draw(st.sampled_from(("complex1x", "complex2x"))),
        n_lanes=4 if "four" in layout else 2,
        hsi_header=draw(st.booleans()),
        hsi_alignment_bytes=draw(st.sampled_from((16, 256))),
    )
    return config, layout, draw(st.integers(1, 12))


def samples_of(config: RadarConfig, n_frames: int) -> np.ndarray:
    """Integers over the whole range of the ADC, (n_frames, n_chirps, n_rx, n_samples)."""
    rng = np.random.default_rng(n_frames)
    # 7/16 of full scale: beyond 2^14 a 16 bit file of noise would look like offset binary.
    limit = 7 << (config.adc_bits - 4 if config.adc_bits < 16 else 11)
    shape = (n_frames, config.n_chirps, config.n_rx, config.n_samples)
    samples = rng.integers(-limit, limit, shape).astype(np.complex64)
    return samples + 1j * rng.integers(-limit, limit, shape) if config.is_complex else samples


@settings(max_examples=150, deadline=None)
@given(cases(), st.booleans(), st.lists(st.integers(0, 40_000), max_size=5), st.data())
def test_samples_come_back_from_the_files(
    case: tuple[RadarConfig, str, int], packets: bool, cuts: list[int], data: st.DataObject
) -> None:
    config, layout, n_frames = case
    truth = samples_of(config, n_frames)
    order = data.draw(st.sampled_from(sorted(WORD_ORDERS)))
    raw = b"".join(
        stored_words(encode(frame, layout, config), config, order).tobytes() for frame in truth
    )
    assert len(raw) == n_frames * config.stored_frame_bytes
    left_over = data.draw(st.integers(0, config.stored_frame_bytes - 1))
    raw += bytes(left_over)
    file = b"".join(naive.records_of(raw)) if packets else raw
    with tempfile.TemporaryDirectory() as folder:
        places = sorted(min(cut, len(file)) for cut in cuts)
        paths = []
        for k, (a, b) in enumerate(zip([0, *places], [*places, len(file)], strict=True)):
            paths.append(Path(folder) / f"walk_Raw_{k}.bin")
            paths[-1].write_bytes(file[a:b])
        recording = open_recording(data.draw(st.permutations(paths)), config, layout)
        assert (len(recording), recording.info.trailing_bytes) == (n_frames, left_over)
        assert recording.info.gaps == ()
        for frame, expected in zip(recording, truth, strict=True):
            assert frame.is_complete
            np.testing.assert_array_equal(decode(frame.words, layout, frame.config), expected)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_the_writer_and_the_reader_agree_about_what_was_lost(
    case: tuple[RadarConfig, str, int], data: st.DataObject
) -> None:
    config, layout, n_frames = case
    truth = samples_of(config, n_frames)
    lost = np.array(data.draw(st.lists(
        st.booleans(), min_size=n_frames * config.n_chirps, max_size=n_frames * config.n_chirps
    ))).reshape(n_frames, config.n_chirps)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        first, again = Path(folder) / "first.bin", Path(folder) / "again.bin"
        with RecordingWriter(first, config, layout) as writer:
            for frame in truth:
                writer.write(encode(frame, layout, config))
        with RecordingWriter(again, config, layout) as writer:
            for frame in open_recording(first, config, layout):
                frame.valid[lost[frame.index]] = False
                writer.write(frame)
        came = np.ones((n_frames, config.n_chirps), np.bool_)
        stride = config.stored_chirp_bytes
        for start, n_bytes in writer.lost:
            came.reshape(-1)[start // stride : -(-(start + n_bytes) // stride)] = False
        np.testing.assert_array_equal(came, ~lost)


@pytest.mark.parametrize("layout", [None, "IIQQ", "IQIQ"])
def test_an_odd_number_of_samples_has_no_pairs(layout: str | None, tmp_path: Path) -> None:
    config = RadarConfig(n_samples=15, n_loops=2)
    (tmp_path / "walk.bin").write_bytes(bytes(config.frame_bytes))
    with pytest.raises(LayoutError, match="in pairs, one on each.*n_samples = 15.*an even number"):
        open_recording(tmp_path / "walk.bin", config, layout)
