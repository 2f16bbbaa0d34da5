"""The receive thread on loopback sockets: every byte, every loss, every error."""

from __future__ import annotations

import errno
import itertools
import logging
import socket
import sys
import time

import numpy as np
import pytest
from loopback import BOARD, drain, free_port, packets_of, send, sender

from capture.dca1000.packets import PAYLOAD_BYTES, SLOT_BYTES, PacketBatch
from capture.dca1000.reassembler import Reassembler
from capture.errors import LinkError
from capture.udp import receiver as udp
from capture.udp.receiver import UdpReceiver, ask_for_buffer
from capture.udp.recvmmsg import (
    CALL_PACKETS,
    MmsgSlots,
    PlainSlots,
    Slots,
    prepare_slots,
    source_number,
)

HOST = "127.0.0.11"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="of the Linux kernel")
BOTH_WAYS = pytest.mark.parametrize("plain", [False, True], ids=["recvmmsg", "plain"])


def payload(n_packets: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(n_packets * PAYLOAD_BYTES)


def fill(slots: Slots, n: int) -> None:
    n_filled = 0
    while n_filled < n:
        n_new = slots.receive(n_filled, 128)
        assert n_new
        n_filled += n_new
    assert n_filled == n


@BOTH_WAYS
def test_every_byte_of_every_size_arrives_in_order(plain: bool) -> None:
    rng = np.random.default_rng(1)
    sent = [rng.bytes(int(n)) for n in rng.integers(0, SLOT_BYTES, 700, endpoint=True)]
    with UdpReceiver(HOST, 0, ring_packets=256, plain=plain) as receiver, sender() as board:
        send(board, (HOST, receiver.port), sent)  # wraps the ring nearly three times
        received, _ = drain(receiver, len(sent))
        assert receiver.stats.n_received == 700
        assert receiver.stats.n_kernel_drops in (0, None)
    assert received == sent


@BOTH_WAYS
def test_times_and_sender(plain: bool) -> None:
    with UdpReceiver(HOST, 0, plain=plain) as receiver, sender() as board:
        before_ns = time.time_ns()
        send(board, (HOST, receiver.port), packets_of(payload(50)), pause_every=5)
        after_ns = time.time_ns()
        times, sources = [], []
        while sum(map(len, times)) < 50:
            batch = receiver.read(5)
            times.append(batch.time_ns.copy())
            sources.append(batch.source.copy())
        number = source_number(*board.getsockname())
    time_ns = np.concatenate(times)
    assert (np.diff(time_ns) >= 0).all()
    assert len(set(time_ns.tolist())) > 10  # each its own, not the batch's
    assert before_ns - 2e6 < time_ns[0] <= time_ns[-1] < after_ns + 50e6
    assert set(np.concatenate(sources).tolist()) == {number}
    assert number >> 16 == 0x7F000002


@BOTH_WAYS
def test_a_datagram_too_long_for_a_slot_shows_its_true_size(plain: bool) -> None:
    with UdpReceiver(HOST, 0, plain=plain) as receiver, sender() as board:
        send(board, (HOST, receiver.port), [b"x" * (SLOT_BYTES + 500), b"yz"])
        sizes = []
        while len(sizes) < 2:
            sizes += receiver.read(5).size.tolist()
    assert sizes[1] == 2
    assert sizes[0] > SLOT_BYTES


@BOTH_WAYS
def test_foreign_senders_are_counted_and_told_apart(plain: bool) -> None:
    with (
        UdpReceiver(HOST, 0, source_host=BOARD, plain=plain) as receiver,
        sender() as board,
        sender("127.0.0.77") as other,
    ):
        address = (HOST, receiver.port)
        send(board, address, [b"a"] * 5)
        send(other, address, [b"b"] * 3)
        seen: dict[int, int] = {}
        for _ in range(100):
            batch = receiver.read(0.1)
            for source in batch.source.tolist():
                seen[source >> 16] = seen.get(source >> 16, 0) + 1
            if sum(seen.values()) == 8:
                break
        assert receiver.stats.n_foreign == 3
    assert seen == {0x7F000002: 5, 0x7F00004D: 3}


@LINUX
@BOTH_WAYS
def test_a_full_ring_stops_reception_and_the_kernel_counts_what_it_drops(plain: bool) -> None:
    sent = packets_of(payload(400))
    with UdpReceiver(HOST, 0, buffer_bytes=40_000, ring_packets=64, plain=plain) as receiver:
        with sender() as board:
            send(board, (HOST, receiver.port), sent)  # nobody reads
            time.sleep(0.05)
            assert receiver.stats.n_received == 64  # full, and nothing overwritten
            received, _ = drain(receiver, len(sent), patience_s=0.3)
        stats = receiver.stats
    assert stats.n_kernel_drops is not None
    assert stats.n_kernel_drops > 0
    assert len(received) + stats.n_kernel_drops == 400
    assert received[:64] == sent[:64]
    assert set(received) <= set(sent)


@LINUX
def test_what_the_kernel_dropped_is_lost_in_the_frames_and_the_rest_is_right() -> None:
    frame_bytes, n_frames = 10 * PAYLOAD_BYTES, 40
    stream = payload(10 * n_frames, seed=5)
    datagrams = packets_of(stream)
    reassembler = Reassembler(frame_bytes)
    frames = []
    with UdpReceiver(HOST, 0, buffer_bytes=40_000, ring_packets=64) as receiver, sender() as board:
        address = (HOST, receiver.port)
        send(board, address, datagrams[:200])
        while len(batch := receiver.read(0.2)):
            frames += reassembler.push(batch)
        send(board, address, datagrams[200:], pause_every=8)
        while len(batch := receiver.read(0.2)):
            frames += reassembler.push(batch)
        frames += reassembler.flush()
        dropped = receiver.stats.n_kernel_drops
    lost = sum(stop - start for frame in frames for start, stop in frame.lost)
    lost += (n_frames - len(frames)) * frame_bytes
    assert dropped
    assert lost == dropped * PAYLOAD_BYTES
    for frame in frames:
        truth = np.frombuffer(stream, np.uint8)[frame.index * frame_bytes :][:frame_bytes].copy()
        for start, stop in frame.lost:
            truth[start:stop] = 0
        np.testing.assert_array_equal(frame.data, truth)


@LINUX
def test_both_kinds_of_slots_tell_the_same() -> None:
    rng = np.random.default_rng(3)
    sent = [rng.bytes(int(n)) for n in rng.integers(0, 1600, 90)]
    batches = []
    for plain in (False, True):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving, sender() as board:
            receiving.bind((HOST, 0))
            slots = prepare_slots(receiving, 128, plain=plain)
            assert isinstance(slots, PlainSlots if plain else MmsgSlots)
            send(board, receiving.getsockname(), sent[:40])
            fill(slots, 40)
            slots.recycle(0, 40)
            send(board, receiving.getsockname(), sent[40:])
            fill(slots, 50)
            batch = slots.batch(0, 50)
            source = batch.source - np.uint64(board.getsockname()[1])
            batches.append((batch, source))
    (one, one_source), (other, other_source) = batches
    np.testing.assert_array_equal(one.size, other.size)
    np.testing.assert_array_equal(one.size, [len(datagram) for datagram in sent[40:]])
    np.testing.assert_array_equal(one_source, other_source)
    assert (one.time_ns > 0).all()
    assert (other.time_ns > 0).all()
    for row, (a, b) in enumerate(zip(one.data, other.data, strict=True)):
        n = min(int(one.size[row]), SLOT_BYTES)
        assert a[:n].tobytes() == b[:n].tobytes() == sent[40 + row][:SLOT_BYTES]


@BOTH_WAYS
def test_a_call_is_bounded_and_an_idle_one_comes_back(plain: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving, sender() as board:
        receiving.bind((HOST, 0))
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        slots = prepare_slots(receiving, 600, plain=plain)
        assert slots.receive(0, 600) == 0
        for _ in range(CALL_PACKETS + 10):
            board.sendto(b"tiny", receiving.getsockname())
        n = slots.receive(0, 600)
        assert 0 < n <= CALL_PACKETS
        assert 0 < slots.receive(n, n + 4) <= 4


def test_an_empty_read_waits_no_longer_than_told() -> None:
    with UdpReceiver(HOST, 0) as receiver:
        batch = receiver.read(0.0)
        assert isinstance(batch, PacketBatch)
        assert len(batch) == 0
        assert batch.data.shape == (0, SLOT_BYTES)


def test_stops_while_idle_and_the_port_is_free_again() -> None:
    port = free_port(HOST)
    for k in range(3):
        with UdpReceiver(HOST, port) as receiver, sender() as board:
            send(board, (HOST, port), [bytes([k])])
            assert drain(receiver, 1)[0] == [bytes([k])]
        assert len(receiver.read(0.1)) == 0
        receiver.close()  # a second time does no harm


def test_what_came_before_the_stop_can_still_be_read() -> None:
    with UdpReceiver(HOST, 0) as receiver, sender() as board:
        send(board, (HOST, receiver.port), [b"1", b"2"])
        while receiver.stats.n_received < 2:
            time.sleep(0.001)
    assert drain(receiver, 2)[0] == [b"1", b"2"]


def test_busy_port_and_missing_address_are_explained() -> None:
    with UdpReceiver(HOST, 0) as receiver, pytest.raises(LinkError, match="busy") as busy:
        UdpReceiver(HOST, receiver.port)
    assert busy.value.where == f"{HOST}:{receiver.port}"
    assert "another capture program" in str(busy.value.remedy)
    with pytest.raises(LinkError, match="192.0.2.1:4098") as missing:  # TEST-NET-1, never ours
        UdpReceiver("192.0.2.1", 4098)
    assert "192.0.2.1" in str(missing.value.remedy)


class FakeSocket:
    """A kernel without the right to force buffers, and with a cap."""

    def __init__(self, cap_bytes: int) -> None:
        self.cap_bytes, self.granted = cap_bytes, 0

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if option == 33:  # SO_RCVBUFFORCE
            raise PermissionError(errno.EPERM, "Operation not permitted")
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.granted = min(value, self.cap_bytes)

    def getsockopt(self, level: int, option: int) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
        return 2 * self.granted


@LINUX
def test_a_capped_buffer_comes_with_its_remedy() -> None:
    granted, remedy = ask_for_buffer(FakeSocket(212_992), 8 << 20)  # type: ignore[arg-type]
    assert granted == 212_992
    assert remedy is not None
    assert "212992 of 8388608" in remedy
    assert "net.core.rmem_max=8388608" in remedy
    assert ask_for_buffer(FakeSocket(16 << 20), 8 << 20) == (8 << 20, None)  # type: ignore[arg-type]


def test_an_error_in_the_thread_surfaces_after_what_came_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with UdpReceiver(HOST, 0) as receiver, sender() as board:
        send(board, (HOST, receiver.port), [b"last words"])
        while receiver.stats.n_received < 1:
            time.sleep(0.001)

        def fail(first: int, stop: int) -> int:
            raise OSError(errno.ENETDOWN, "Network is down")

        monkeypatch.setattr(receiver._slots, "receive", fail)
        receiver._thread.join(5)
        assert drain(receiver, 1)[0] == [b"last words"]
        with pytest.raises(LinkError, match="Network is down"):
            receiver.read(1)


@LINUX
def test_interrupted_and_empty_calls_are_no_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving:
        receiving.bind((HOST, 0))
        slots = MmsgSlots(receiving, 4)
        monkeypatch.setattr(slots, "_recvmmsg", lambda *_: -1)
        codes = itertools.cycle([errno.EINTR, errno.EAGAIN, errno.ENOMEM])
        monkeypatch.setattr("capture.udp.recvmmsg.ctypes.get_errno", lambda: next(codes))
        assert slots.receive(0, 4) == 0
        assert slots.receive(0, 4) == 0
        with pytest.raises(OSError, match="memory"):
            slots.receive(0, 4)


def test_threads_switch_quickly_only_while_receiving(caplog: pytest.LogCaptureFixture) -> None:
    usual_s = sys.getswitchinterval()
    with UdpReceiver(HOST, 0), UdpReceiver(HOST, 0):
        assert sys.getswitchinterval() == pytest.approx(udp._SWITCH_INTERVAL_S)
    assert sys.getswitchinterval() == usual_s
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
