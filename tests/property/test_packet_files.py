"""Packet recordings with losses, repetitions and disorder, and with damaged headers."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import packet_file as naive

from capture.config import RadarConfig
from capture.errors import CaptureError
from capture.file.framing import stored_words
from capture.file.packets import PacketStream
from capture.file.recording import open_recording
from capture.file.stream import ByteStream

N = naive.PAYLOAD_BYTES
RADAR = RadarConfig(n_samples=16, n_loops=5, rx_mask=0b0111, frame_period_s=10e-3)
assert RADAR.frame_bytes == 960


def write_parts(folder: Path, raw: bytes, cuts: list[int]) -> list[Path]:
    places = sorted(min(cut, len(raw)) for cut in cuts)
    paths = []
    for k, (a, b) in enumerate(zip([0, *places], [*places, len(raw)], strict=True)):
        paths.append(folder / f"adc_data_Raw_{k}.bin")
        paths[-1].write_bytes(raw[a:b])
    return paths


def stream_of(folder: str, raw: bytes, cuts: list[int] | None = None) -> PacketStream:
    return PacketStream(ByteStream(write_parts(Path(folder), raw, cuts or [])))


def payload_of(n_bytes: int, seed: int) -> bytes:
    words = np.random.default_rng(seed).integers(-400, 400, n_bytes // 2)
    return words.astype("<i2").tobytes()


@st.composite
def disturbed(draw: st.DrawFn) -> tuple[bytes, list[bytes], set[int], list[int]]:
    """Payload, records as they lie in the file, numbers of those kept, cuts."""
    n_records = draw(st.integers(8, 40))
    payload = payload_of(n_records * N - draw(st.sampled_from((0, 2, 1454))), n_records)
    first = draw(st.sampled_from((1, 77, 2**32 - 3)))
    records = naive.records_of(payload, first)
    lost = draw(st.sets(st.integers(1, n_records - 3), max_size=n_records // 2))
    order = [k for k in range(n_records) if k not in lost]
    for k in draw(st.lists(st.integers(0, len(order) - 4), max_size=4)):
        order[k], order[k + 1] = order[k + 1], order[k]
    for k in draw(st.lists(st.integers(0, len(order) - 3), max_size=3)):
        order.insert(k + 2, order[k])
    cuts = draw(st.lists(st.integers(0, 1470 * n_records), max_size=4))
    return payload, [records[k] for k in order], set(order), cuts


@settings(max_examples=80, deadline=None)
@given(disturbed(), st.data())
def test_every_payload_lies_where_its_count_says(
    case: tuple[bytes, list[bytes], set[int], list[int]], data: st.DataObject
) -> None:
    payload, records, kept, cuts = case
    truth, gaps = naive.received(payload, kept)
    with tempfile.TemporaryDirectory() as folder:
        stream = stream_of(folder, b"".join(records), cuts)
        assert len(stream) == len(truth)
        assert [(gap.start_byte, gap.n_bytes) for gap in stream.gaps] == gaps
        assert stream.n_packets == len(records)
        assert stream.n_damaged == 0
        repeated = sum(len(r) - 14 for r in records) - sum(
            len(payload[k * N : (k + 1) * N]) for k in kept
        )
        assert stream.n_repeated == repeated
        assert stream.words(0, len(truth) // 2).tobytes() == truth
        start = data.draw(st.integers(0, len(truth) - 2))
        n_words = data.draw(st.integers(0, (len(truth) - start) // 2))
        assert stream.words(start, n_words).tobytes() == truth[start : start + 2 * n_words]


@settings(max_examples=60, deadline=None)
@given(disturbed())
def test_frames_are_valid_exactly_where_every_byte_came(
    case: tuple[bytes, list[bytes], set[int], list[int]],
) -> None:
    payload, records, kept, cuts = case
    came = np.zeros(len(payload), np.bool_)
    for k in kept:
        came[k * N : (k + 1) * N] = True
    with tempfile.TemporaryDirectory() as folder:
        paths = write_parts(Path(folder), b"".join(records), cuts)
        recording = open_recording(paths, RADAR, "IIQQ")
        n_bytes = (max(kept) + 1) * N if max(kept) + 1 < len(payload) // N else len(payload)
        n_bytes = min(n_bytes, len(payload))
        assert len(recording) == n_bytes // 960
        assert recording.info.trailing_bytes == n_bytes % 960
        for frame in recording:
            span = slice(960 * frame.index, 960 * (frame.index + 1))
            expected = came[span].reshape(5, 192).all(axis=1)
            assert frame.valid.tolist() == expected.tolist()
            truth = np.frombuffer(payload[span], "<i2").reshape(5, 96)
            np.testing.assert_array_equal(frame.words[frame.valid], truth[expected])


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 14 * 12 - 1), st.integers(1, 255), st.sampled_from((0, 1000)))
def test_a_damaged_header_loses_its_own_payload_and_nothing_else(
    place: int, flip: int, n_less: int
) -> None:
    payload = payload_of(12 * N - n_less, 3)
    records = [bytearray(record) for record in naive.records_of(payload)]
    number, byte = divmod(place, 14)  # flipped: any byte of any header
    records[number][byte] ^= flip
    with tempfile.TemporaryDirectory() as folder:
        stream = stream_of(folder, b"".join(records))
        if number == 11 and 4 <= byte < 8:
            # Nothing after the last record can deny its length: a file that was cut looks the same.
            assert 11 * N <= len(stream) <= len(payload)
            assert stream.gaps == ()
            assert payload.startswith(stream.words(0, len(stream) // 2).tobytes())
            return
        truth, gaps = naive.received(payload, set(range(12)) - {number})
        assert stream.n_damaged == 1
        assert [(gap.start_byte, gap.n_bytes) for gap in stream.gaps] == gaps
        assert stream.words(0, len(stream) // 2).tobytes() == truth


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 12 * 1470))
def test_a_cut_file_ends_where_its_bytes_end(n_bytes: int) -> None:
    payload = payload_of(12 * N, 4)
    raw = b"".join(naive.records_of(payload))[:n_bytes]
    with tempfile.TemporaryDirectory() as folder:
        if n_bytes <= 14:
            with pytest.raises(CaptureError):
                stream_of(folder, raw)
            return
        full, rest = divmod(n_bytes, 1470)
        expected = full * N + max(0, rest - 14)
        stream = stream_of(folder, raw)
        assert len(stream) == expected
        assert stream.gaps == ()
        assert stream.words(0, expected // 2).tobytes() == payload[: expected // 2 * 2]


def test_hsi_headers_inside_packets() -> None:
    config = dataclasses.replace(RADAR, hsi_header=True)
    words = np.frombuffer(payload_of(5 * 192, 1), "<i2").reshape(5, 96)
    payload = stored_words(words, config).tobytes() * 20
    with tempfile.TemporaryDirectory() as folder:
        records = naive.records_of(payload)
        del records[3]
        paths = write_parts(Path(folder), b"".join(records), [5000])
        recording = open_recording(paths, config, "IIQQ")
        assert len(recording) == 20
        stride = config.stored_chirp_bytes
        assert stride == 256  # 52 + 192 = 244, to a multiple of 16
        for frame in recording:
            for k in range(5):
                begin = (5 * frame.index + k) * stride
                assert frame.valid[k] == (begin + stride <= 3 * N or begin >= 4 * N)
            np.testing.assert_array_equal(frame.words[frame.valid], words[frame.valid])
