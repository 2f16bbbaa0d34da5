"""The emulator's packets: the file's bytes, the schedule's faults, the radar's pace."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from emulation import RADAR, Listener, counters_of, own_link, payload_of, record

from capture.dca1000.packets import PacketBatch, compose
from capture.dca1000.reassembler import Reassembler
from capture.emulator.board import Emulator
from capture.emulator.faults import FaultParams, schedule
from capture.emulator.pacing import made_s
from capture.errors import CaptureError, LayoutError, LinkError
from capture.file.sidecar import Sidecar, write_sidecar


@pytest.mark.parametrize("plain", [False, True])
def test_the_stream_is_the_file(tmp_path: Path, plain: bool) -> None:
    payload = record(tmp_path / "walk.bin", 16 * 8000 + 66)
    link = own_link()
    with Listener(link) as heard, Emulator(
        tmp_path / "walk.bin", RADAR, link, speed=0, flush_s=0.05, plain=plain
    ) as board:
        board.start()
        assert board.wait(10)
        datagrams = heard.await_packets(88)
    # 128066 = 87 * 1456 + 1394
    assert [len(datagram) for datagram in datagrams] == [1466] * 87 + [1404]
    assert counters_of(datagrams) == [(k + 1, 1456 * k) for k in range(88)]
    assert payload_of(datagrams) == payload
    assert heard.senders == {(link.dca1000, link.data_port)}
    assert (board.sent.n_sent, board.sent.n_bytes, board.sent.n_lost) == (88, 128_066, 0)


def test_parts_are_one_stream(tmp_path: Path) -> None:
    payload = record(tmp_path / "all.bin", 4 * 8000)
    parts = [tmp_path / "x_Raw_0.bin", tmp_path / "x_Raw_1.bin"]
    parts[0].write_bytes(payload[:9999])
    parts[1].write_bytes(payload[9999:])
    link = own_link()
    with Listener(link) as heard, Emulator(parts[::-1], RADAR, link, flush_s=0) as board:
        board.start()
        assert board.wait(10)
        assert payload_of(heard.await_packets(22)) == payload


def test_no_packet_leaves_before_its_chirp_is_made(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 100 * 8000)
    link = own_link()
    with Listener(link) as heard, Emulator(
        tmp_path / "walk.bin", RADAR, link, flush_s=0.3
    ) as board:
        asked_s = time.monotonic()
        board.start()
        assert board.wait(20)
        heard.await_packets(550)
    numbers = np.array([count for _, count in counters_of(heard.datagrams)]) // 1456
    assert len(numbers) == 550  # 800000 = 549 * 1456 + 656
    passed_s = np.array(heard.times_s) - asked_s
    ends = np.minimum(1456 * (numbers + 1), 800_000)
    assert (passed_s >= made_s(ends, RADAR)).all()
    assert passed_s[-1] >= 100 * 2e-3 - 0.8e-3 + 0.3  # the last chirp, then the flush


def test_twice_the_speed_halves_the_times(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 91 * 8000)  # 500 whole packets
    link = own_link()
    with Listener(link) as heard, Emulator(tmp_path / "walk.bin", RADAR, link, speed=2) as board:
        asked_s = time.monotonic()
        board.start()
        assert board.wait(20)
        heard.await_packets(500)
    passed_s = np.array(heard.times_s) - asked_s
    assert (passed_s >= made_s(1456 * np.arange(1, 501), RADAR) / 2).all()


FAULTS = FaultParams(loss=0.05, reorder=0.1, duplicate=0.05, restart_after=150, seed=3)


def run_with_faults(path: Path, faults: FaultParams) -> tuple[list[bytes], Emulator]:
    link = own_link()
    with Listener(link) as heard, Emulator(
        path, RADAR, link, faults, flush_s=0
    ) as board:
        board.start()
        assert board.wait(10)
        heard.await_packets(board.sent.n_sent)
    return heard.datagrams, board


def test_faults_come_as_scheduled_and_again(tmp_path: Path) -> None:
    payload = record(tmp_path / "walk.bin", 100 * 8000)
    datagrams, board = run_with_faults(tmp_path / "walk.bin", FAULTS)
    plan = board.sent.plan
    packets = schedule(0, plan.n_packets, plan, FAULTS).packets
    sequence, count = plan.counters(packets)
    assert counters_of(datagrams) == list(zip(sequence.tolist(), count.tolist(), strict=True))
    places = zip(plan.starts(packets).tolist(), plan.sizes(packets).tolist(), strict=True)
    assert [d[10:] for d in datagrams] == [payload[a : a + n] for a, n in places]
    again, _ = run_with_faults(tmp_path / "walk.bin", FAULTS)
    assert again == datagrams
    assert board.sent.n_restarts == 1
    assert board.sent.n_sent == len(packets)
    assert board.sent.n_lost == plan.n_packets - len(set(packets.tolist()))


@pytest.mark.parametrize("restart_after", [0, 150, 151, 165])
def test_a_receiver_misses_exactly_what_was_left_out(tmp_path: Path, restart_after: int) -> None:
    payload = np.frombuffer(record(tmp_path / "walk.bin", 100 * 8000), np.uint8)
    faults = FaultParams(
        loss=0.05, reorder=0.1, duplicate=0.05, seed=4, reorder_span=4, restart_after=restart_after
    )
    datagrams, board = run_with_faults(tmp_path / "walk.bin", faults)
    plan = board.sent.plan
    turns = schedule(0, plan.n_packets, plan, faults).turns
    times_ns = 10**18 + (1e9 * made_s(plan.starts(turns) + plan.sizes(turns), RADAR)).astype(int)
    reassembler = Reassembler(RADAR.stored_frame_bytes, frame_period_s=RADAR.frame_period_s)
    frames = reassembler.push(PacketBatch.of(datagrams, times_ns.tolist())) + reassembler.flush()
    sent = np.ones(len(payload), np.bool_)
    for start, stop in board.sent.lost:
        sent[start:stop] = False
    received = np.zeros(len(payload), np.bool_)
    for frame in frames:  # its index is the true one, also after a restart
        own = slice(8000 * frame.index, 8000 * (frame.index + 1))
        received[own] = True
        for start, stop in frame.lost:
            received[own][start:stop] = False
        np.testing.assert_array_equal(frame.data[sent[own]], payload[own][sent[own]])
    np.testing.assert_array_equal(received, sent)


def test_a_loop_repeats_whole_frames(tmp_path: Path) -> None:
    payload = record(tmp_path / "walk.bin", 2 * 8000 + 100)
    link = own_link()
    with Listener(link) as heard, Emulator(
        tmp_path / "walk.bin", RADAR, link, loop=True
    ) as board:
        board.start()
        datagrams = heard.await_packets(60)[:60]
        assert not board.wait(0)
    assert payload_of(datagrams) == (6 * payload[:16_000])[: 60 * 1456]
    assert counters_of(datagrams)[-1] == (60, 59 * 1456)


def test_packet_headers_are_taken_off_and_their_gaps_stay_gaps(tmp_path: Path) -> None:
    payload = record(tmp_path / "all.bin", 16 * 1456)
    records = [
        (k + 1).to_bytes(4, "little") + (1456).to_bytes(4, "little")
        + (1456 * k).to_bytes(6, "little") + payload[1456 * k : 1456 * (k + 1)]
        for k in range(16)
    ]  # fmt: skip
    (tmp_path / "raw.bin").write_bytes(b"".join(records[:5] + records[6:]))
    link = own_link()
    with Listener(link) as heard, Emulator(tmp_path / "raw.bin", RADAR, link) as board:
        board.start()
        assert board.wait(10)
        datagrams = heard.await_packets(15)
    assert [sequence for sequence, _ in counters_of(datagrams)] == [*range(1, 6), *range(7, 17)]
    assert payload_of(datagrams) == payload[: 5 * 1456] + payload[6 * 1456 :]
    assert board.sent.lost == ((5 * 1456, 6 * 1456),)


def test_what_the_sidecar_lists_as_lost_is_not_sent(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 2 * 8000)
    write_sidecar(tmp_path / "walk.json", Sidecar(lost=((1500, 100), (1600, 10), (1400, 20))))
    datagrams, board = run_with_faults(tmp_path / "walk.bin", FaultParams())
    assert [sequence for sequence, _ in counters_of(datagrams)] == [*range(3, 12)]
    assert board.sent.lost == ((0, 2912),)


def test_a_file_without_a_frame_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 7998)
    with pytest.raises(LayoutError, match="too short for one frame"):
        Emulator(tmp_path / "walk.bin", RADAR, own_link())


def test_a_busy_port_and_a_foreign_address_are_explained(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 8000)
    link = own_link()
    busy = pytest.raises(LinkError, match="the port is busy")
    with Emulator(tmp_path / "walk.bin", RADAR, link), busy:
        Emulator(tmp_path / "walk.bin", RADAR, link)
    abroad = type(link)(host=link.host, dca1000="192.0.2.7")
    with pytest.raises(LinkError, match="no interface with the address"):
        Emulator(tmp_path / "walk.bin", RADAR, abroad)
    with Emulator(tmp_path / "walk.bin", RADAR, link) as board:  # all was given back
        assert not board.runs


def test_a_file_that_shrinks_is_an_explained_error(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 80_000)
    with Emulator(tmp_path / "walk.bin", RADAR, own_link()) as board:
        os.truncate(tmp_path / "walk.bin", 40_000)
        board.start()
        with pytest.raises(LayoutError, match="ends too early"):
            board.wait(10)
    with pytest.raises(CaptureError, match="speed"):
        Emulator(tmp_path / "walk.bin", RADAR, own_link(), speed=-1)


def test_the_counters_wrap_after_days(tmp_path: Path) -> None:
    payload = record(tmp_path / "walk.bin", 8000)
    with Emulator(tmp_path / "walk.bin", RADAR, own_link(), loop=True) as board:
        board.start()
        plan = board.sent.plan
        rows = np.zeros((4, 1472), np.uint8)
        for first in (2**32 - 3, 2**48 // 1456 - 2):
            numbers = np.arange(first, first + 4)
            assert board._fill(rows, numbers, plan).tolist() == [1466] * 4
            for number, row in zip(numbers.tolist(), rows, strict=True):
                place = 1456 * number % 8000
                samples = (payload + payload)[place : place + 1456]
                assert row[:1466].tobytes() == compose(number + 1, 1456 * number, samples)
