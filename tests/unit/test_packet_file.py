"""Packet recordings: what is recognised, what is refused, where bytes lie."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from naive import packet_file as naive

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.file.packets import PacketStream, has_packet_headers
from capture.file.recording import open_recording
from capture.file.stream import ByteStream

N = naive.PAYLOAD_BYTES
RADAR = RadarConfig(n_samples=16, n_loops=5, rx_mask=0b0111, frame_period_s=10e-3)


def payload_of(n_packets: int, seed: int = 0) -> bytes:
    words = np.random.default_rng(seed).integers(-400, 400, n_packets * N // 2)
    return words.astype("<i2").tobytes()


def start_of(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")


def stream_of(folder: Path, raw: bytes) -> PacketStream:
    path = folder / "adc_data_Raw_0.bin"
    path.write_bytes(raw)
    return PacketStream(ByteStream([path]))


def test_the_words_that_users_report_are_recognised() -> None:
    raw = b"".join(naive.records_of(payload_of(4)))
    # TI E2E 811382: the first words read 1 0 1456 0 0 0 0.
    assert start_of(raw)[:7].tolist() == [1, 0, 1456, 0, 0, 0, 0]
    assert has_packet_headers(start_of(raw))
    assert has_packet_headers(start_of(raw[:1470]))
    assert has_packet_headers(start_of(raw[:100]))


def test_one_damaged_header_does_not_hide_the_others() -> None:
    records = naive.records_of(payload_of(5))
    records[0] = bytes(14) + records[0][14:]
    assert has_packet_headers(start_of(b"".join(records)))


def test_samples_are_no_packets() -> None:
    rng = np.random.default_rng(0)
    assert not has_packet_headers(np.zeros(8192, np.int16))
    assert not has_packet_headers(rng.integers(-2000, 2000, 8192).astype(np.int16))
    chance = rng.integers(-2000, 2000, 8192).astype(np.int16)
    chance[:7] = [1, 0, 1456, 0, 0, 0, 0]  # one header that no other follows
    assert not has_packet_headers(chance)
    assert not has_packet_headers(chance[:3])


def test_losses_at_the_start_in_the_middle_and_two_records_in_disorder(tmp_path: Path) -> None:
    payload = payload_of(10)
    records = naive.records_of(payload)
    stream = stream_of(tmp_path, b"".join(records[k] for k in (1, 2, 5, 4, 6, 8, 9)))
    assert [(gap.start_byte, gap.n_bytes) for gap in stream.gaps] == [
        (0, N), (3 * N, N), (7 * N, N),
    ]  # fmt: skip
    assert len(stream) == 10 * N
    assert stream.words(4 * N, N).tobytes() == payload[4 * N : 6 * N]
    assert stream.words(3 * N - 2, 2).tobytes() == payload[3 * N - 2 : 3 * N] + b"\0\0"


def test_a_short_packet_before_a_pause_shifts_what_follows(tmp_path: Path) -> None:
    # 2 s of silence flush a packet of 48 bytes; the next one counts from there.
    payload = payload_of(6)
    records = [naive.record(k + 1, k * N, payload[k * N : (k + 1) * N]) for k in range(3)]
    records.append(naive.record(4, 3 * N, payload[3 * N : 3 * N + 48]))
    rest = 3 * N + 48
    records += [
        naive.record(5 + k, rest + k * N, payload[rest + k * N : rest + (k + 1) * N])
        for k in range(2)
    ]
    stream = stream_of(tmp_path, b"".join(records))
    assert len(stream) == rest + 2 * N
    assert stream.gaps == ()
    assert stream.words(0, len(stream) // 2).tobytes() == payload[: len(stream)]
    # Without the short packet its 48 bytes are a gap.
    del records[3]
    stream = stream_of(tmp_path, b"".join(records))
    assert [(gap.start_byte, gap.n_bytes) for gap in stream.gaps] == [(3 * N, 48)]
    assert stream.words(rest, N).tobytes() == payload[rest : rest + 2 * N]


def test_a_second_recording_in_the_file_is_refused_where_it_begins(tmp_path: Path) -> None:
    first = b"".join(naive.records_of(payload_of(5, seed=1)))
    second = b"".join(naive.records_of(payload_of(4, seed=2)))
    with pytest.raises(LayoutError, match="different payloads for the same place") as caught:
        stream_of(tmp_path, first + second)
    assert "adc_data_Raw_0.bin, byte 7350" in str(caught.value)  # 5 records of 1470 bytes
    again = stream_of(tmp_path, first + first)
    assert (len(again), again.n_repeated) == (5 * N, 5 * N)


def test_bytes_missing_from_the_file_itself_are_refused_by_position(tmp_path: Path) -> None:
    raw = b"".join(naive.records_of(payload_of(60)))
    with pytest.raises(LayoutError, match=r"no packet record.*byte 29400|byte 29400.*no packet"):
        stream_of(tmp_path, raw[: 20 * 1470] + raw[20 * 1470 + 100 :])


def test_a_later_part_alone_is_refused(tmp_path: Path) -> None:
    records = naive.records_of(payload_of(40))
    with pytest.raises(LayoutError, match="beginning of the recording is missing.*43680 bytes"):
        stream_of(tmp_path, b"".join(records[30:]))
    (tmp_path / "adc_data_Raw_1.bin").write_bytes(b"".join(records[30:]))
    with pytest.raises(LayoutError, match="part 1 of a split recording without the parts before"):
        open_recording(tmp_path / "adc_data_Raw_1.bin", RADAR)


def test_damage_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = [bytearray(record) for record in naive.records_of(payload_of(20))]
    records[7][8] ^= 4
    path = tmp_path / "walk.bin"
    path.write_bytes(b"".join(records))
    with caplog.at_level(logging.WARNING):
        recording = open_recording(path, RADAR)
    assert f"walk.bin, byte {7 * 1470}: 1 packet headers are damaged" in caplog.text
    assert recording.info.evidence["packets"] == (
        "14-byte headers: 19 packets, 1456 bytes lost, 1 headers damaged, 0 bytes repeated"
    )


def test_the_index_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    stream = stream_of(tmp_path, b"".join(naive.records_of(bytes(5000 * N))))
    assert len(stream._runs.between(0, len(stream))) == 1
