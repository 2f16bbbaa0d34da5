"""A DCA1000 made of software: answers its commands and streams a recording as data packets."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from capture.config import RadarConfig
from capture.dca1000 import command_packets as protocol
from capture.dca1000.command_packets import Command, FpgaVersion, Status
from capture.dca1000.link import LinkParams
from capture.dca1000.packets import COUNT_SPAN, HEADER_BYTES, PAYLOAD_BYTES, SEQUENCE_SPAN
from capture.emulator.fake_radar import FakeRadar
from capture.emulator.faults import FaultParams, PacketPlan, Sendings, lost_stretches, schedule
from capture.emulator.pacing import departures_s, made_s, spacing_s, wait_until
from capture.emulator.replay import Replay
from capture.errors import CaptureError, LinkError
from capture.udp.sendmmsg import PacketSender
from capture.udp.sockets import open_udp

LOOPBACK = LinkParams(host="127.0.0.1", dca1000="127.0.0.2")
"""Host and board on one machine."""

VERSION = FpgaVersion(2, 8)
"""What the emulator says it is: the image that TI ships."""

_TURNS, _MOST_BEHIND_S = 256, 1e-3


@dataclass(slots=True)
class Sent:
    """What one recording, from record start to its end, has sent so far.

    Attributes
    ----------
    plan, faults : of the stream; with `n_turns` they say exactly what was sent
    n_turns : packets made so far, sent or not
    n_sent, n_bytes : packets sent, doubles included, and their payload bytes
    n_late, n_copies : packets sent after their turn, and second sendings
    elapsed_s : from the start of the stream to the last packet, without the wait before a
        short one
    """

    plan: PacketPlan
    faults: FaultParams
    n_turns: int = 0
    n_sent: int = 0
    n_bytes: int = 0
    n_late: int = 0
    n_copies: int = 0
    elapsed_s: float = 0.0

    @property
    def n_lost(self) -> int:
        """Packets that were never sent."""
        return self.n_turns - (self.n_sent - self.n_copies)

    @property
    def n_restarts(self) -> int:
        """Restarts of the counters."""
        return int(self.plan.has_restart and self.n_turns > self.plan.restart_after)

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        """(start, stop) bytes of the stream that were never sent."""
        return lost_stretches(self.plan, self.faults, self.n_turns)

    def count(self, sendings: Sendings, n_done: int, n_bytes: int) -> None:
        """Add the first `n_done` of some sendings."""
        late = sendings.turns[:n_done] != sendings.packets[:n_done]
        copies = sendings.is_copy[:n_done]
        self.n_sent += n_done
        self.n_bytes += n_bytes
        self.n_late += int((late & ~copies).sum())
        self.n_copies += int(copies.sum())


class Emulator:
    """A board on loopback (or any address of this machine) with a recording behind its lanes.

    The stream starts with the first frame at every record start, leaves as the chirps are made
    and no faster than the packet delay, and ends with the recording; what is left for less than a
    whole packet follows `flush_s` later (DCA1000EVM user's guide SPRUIJ4, raw mode).

    Parameters
    ----------
    paths, config : recording and its radar; see `Replay`
    link : addresses and ports; the packet delay until a command changes it
    faults : what goes wrong on the way
    speed : 2 is twice the radar's rate; 0 as fast as this machine sends
    loop : repeat the recording for ever
    flush_s : patience of the board before it sends a packet that is not full
    serial : also offer the radar's command line on a pseudo-terminal (`radar.port`), and wait
        for its sensorStart
    plain : send without `sendmmsg`

    Attributes
    ----------
    runs : what each recording sent, the present one last
    is_recording : set between RECORD_START and RECORD_STOP, also when the stream is over
    radar : the pseudo-terminal, or None

    Raises
    ------
    LinkError
        The board's address or port cannot be used.
    LayoutError
        The recording cannot be read.
    """

    def __init__(
        self,
        paths: Path | str | Sequence[Path | str],
        config: RadarConfig,
        link: LinkParams = LOOPBACK,
        faults: FaultParams | None = None,
        *,
        speed: float = 1.0,
        loop: bool = False,
        flush_s: float = 2.0,
        serial: bool = False,
        plain: bool = False,
    ) -> None:
        if not speed >= 0:
            raise CaptureError("speed is negative", got=speed, expected="0 or more")
        self.config, self.link, self.faults = config, link, faults or FaultParams()
        self._speed, self._flush_s, self._plain = speed, flush_s, plain
        self._replay = Replay(paths, config, loop=loop)
        self._delay_us = link.packet_delay_us
        self._lvds_mode: int | None = None
        self.runs: list[Sent] = []
        self._failure: CaptureError | None = None
        self.is_recording = threading.Event()
        self._closing, self._halt, self._over = (threading.Event() for _ in range(3))
        self._streamer: threading.Thread | None = None
        with contextlib.ExitStack() as opened:
            self._commands = opened.enter_context(open_udp(link.dca1000, link.config_port))
            self._data = opened.enter_context(open_udp(link.dca1000, link.data_port))
            self.radar = FakeRadar(on_stop=self.stop) if serial else None
            if self.radar:
                opened.enter_context(self.radar)
            self._opened = opened.pop_all()
        self._commands.settimeout(0.1)
        self._server = threading.Thread(target=self._serve, name="DCA1000 commands", daemon=True)
        self._server.start()

    # -- use --------------------------------------------------------------------------------
    @property
    def sent(self) -> Sent:
        """What the present recording, or the last one, has sent.

        Raises
        ------
        LinkError
            None was started.
        """
        if not self.runs:
            raise LinkError("nothing was recorded yet", expected="a RECORD_START command")
        return self.runs[-1]

    def start(self) -> None:
        """Stream from the beginning, as RECORD_START does."""
        self.stop()
        self._over.clear()
        self._halt = threading.Event()
        self.runs.append(Sent(self._replay.plan(self.faults), self.faults))
        self._streamer = threading.Thread(
            target=self._run, args=(self.sent, self._halt), name="DCA1000 data", daemon=True
        )
        self._streamer.start()

    def stop(self) -> None:
        """End the stream, as RECORD_STOP does."""
        self._halt.set()
        if self._streamer is not None:
            self._streamer.join()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of a stream; whether it has come.

        Raises
        ------
        CaptureError
            The stream broke off: the file cannot be read, or the network not be reached.
        """
        is_over = self._over.wait(timeout_s)
        if self._failure is not None:
            raise self._failure
        return is_over

    def close(self) -> None:
        """Stop, and give the addresses back."""
        self._closing.set()
        self.stop()
        self._server.join()
        self._opened.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- commands ---------------------------------------------------------------------------
    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                datagram, _ = self._commands.recvfrom(2048)
            except TimeoutError:
                continue
            for answer in self._answers(datagram):
                self._commands.sendto(answer, (self.link.host, self.link.config_port))

    def _answers(self, datagram: bytes) -> list[bytes]:
        """The response to a request, and the asynchronous status that follows from it."""
        if len(datagram) < protocol.RESPONSE_BYTES:
            return []
        try:
            command, data = protocol.decode_request(datagram)
            status, extra = self._obey(command, data)
        except LinkError:
            command, status, extra = int.from_bytes(datagram[2:4], "little"), 1, None
        answers = [protocol.encode_response(command, status)]
        if extra is not None:
            answers.append(protocol.encode_response(Command.ASYNC_STATUS, extra))
        return answers

    def _obey(self, command: int, data: bytes) -> tuple[int, Status | None]:
        """Status word of the response, and asynchronous status if any."""
        if command == Command.READ_VERSION:
            return VERSION.word, None
        if command == Command.CONFIG_FPGA:
            self._lvds_mode = _lvds_mode(data)
        elif command == Command.CONFIG_PACKET:
            self._delay_us = protocol.packet_delay_us(data)
        elif command == Command.RECORD_START:
            return self._record()
        elif command == Command.RECORD_STOP:
            self.stop()
            self.is_recording.clear()
            return 0, Status.RECORD_DONE
        elif command == Command.RESET_FPGA:
            self.stop()
            self.is_recording.clear()
            self._lvds_mode = None
        elif command not in (Command.RESET_RADAR, Command.ALIVE, Command.CONFIG_EEPROM):
            return 1, None
        return 0, None

    def _record(self) -> tuple[int, Status | None]:
        if self._lvds_mode is None:
            return 1, None
        self.is_recording.set()
        if self._lvds_mode != protocol.fpga_settings(self.config)[1]:
            return 0, Status.NO_LVDS_DATA
        self.start()
        return 0, None

    # -- data -------------------------------------------------------------------------------
    def _run(self, sent: Sent, halt: threading.Event) -> None:
        while self.radar and not self.radar.is_running.wait(0.02):
            if halt.is_set():
                return
        try:
            self._stream(sent, halt)
        except CaptureError as failure:
            self._failure = failure
        if not halt.is_set():
            self._over.set()

    def _stream(self, sent: Sent, halt: threading.Event) -> None:
        plan, target = sent.plan, (self.link.host, self.link.data_port)
        n_slots = 2 * (_TURNS + 2 * self.faults.reorder_span)
        sender = PacketSender(self._data, target, n_slots, plain=self._plain)
        begin_ns, left_s = time.monotonic_ns(), -np.inf
        for first in range(0, plan.n_packets, _TURNS):
            stop = min(first + _TURNS, plan.n_packets)
            sendings = schedule(first, stop, plan, self.faults)
            sizes = self._fill(sender.rows, sendings.packets, plan)
            late_s = (time.monotonic_ns() - begin_ns) / 1e9
            due_s, left_s = self._due(np.arange(first, stop), plan, left_s, late_s)
            due_ns = begin_ns + np.ceil(1e9 * due_s[sendings.turns - first]).astype(np.int64)
            n_done = _send_when_due(sender, sizes, due_ns, halt)
            sent.count(sendings, n_done, int(sizes[:n_done].sum()) - HEADER_BYTES * n_done)
            flush_s = self._flush_s if stop == plan.n_packets and plan.ends_short else 0.0
            sent.elapsed_s = max((time.monotonic_ns() - begin_ns) / 1e9 - flush_s, late_s)
            sent.n_turns = stop if n_done == len(sendings) else int(sendings.turns[n_done])
            if halt.is_set():
                return

    def _fill(self, rows: np.ndarray, packets: np.ndarray, plan: PacketPlan) -> np.ndarray:
        """Write packets into rows; their sizes, headers included."""
        if not len(packets):
            return np.zeros(0, np.int64)
        starts, sizes = plan.starts(packets), plan.sizes(packets)
        base = int(starts.min())
        payload = self._replay.read(base, int((starts + sizes).max()) - base)
        padded = np.concatenate([payload, np.zeros(PAYLOAD_BYTES, np.uint8)])
        sequence, count = plan.counters(packets)
        head = np.empty((len(packets), 5), "<u2")
        head[:, :2] = (sequence % SEQUENCE_SPAN).astype("<u4").view("<u2").reshape(-1, 2)
        head[:, 2:] = (count % COUNT_SPAN).astype("<u8").view("<u2").reshape(-1, 4)[:, :3]
        filled = rows[: len(packets)]
        filled[:, :HEADER_BYTES] = head.view(np.uint8)
        windows = sliding_window_view(padded, PAYLOAD_BYTES)
        filled[:, HEADER_BYTES : HEADER_BYTES + PAYLOAD_BYTES] = windows[starts - base]
        return sizes + HEADER_BYTES

    def _due(
        self, turns: np.ndarray, plan: PacketPlan, left_s: float, now_s: float
    ) -> tuple[np.ndarray, float]:
        """When turns are due, seconds since the start, and when the last left on the radar's clock.

        After a stall of this machine the backlog leaves at the board's pace, not at once.
        """
        due_s = np.zeros(len(turns))
        if self._speed:
            made = made_s(plan.starts(turns) + plan.sizes(turns), self.config)
            after_s = max(left_s, self._speed * now_s - _MOST_BEHIND_S)
            due_s = departures_s(made, spacing_s(self._delay_us), after_s)
            left_s, due_s = float(due_s[-1]), due_s / self._speed
        if turns[-1] + 1 == plan.n_packets and plan.ends_short:
            due_s[-1] = max(due_s[-1], now_s) + self._flush_s
        return due_s, left_s


def _send_when_due(
    sender: PacketSender, sizes: np.ndarray, due_ns: np.ndarray, halt: threading.Event
) -> int:
    """Send each row at its time, whole turns at a time; how many were sent before `halt`."""
    done = 0
    while done < len(sizes) and wait_until(int(due_ns[done]), halt):
        stop = int(np.searchsorted(due_ns, time.monotonic_ns(), "right"))
        sender.send(done, stop, sizes[done:stop])
        done = stop
    return done


def _lvds_mode(settings: bytes) -> int:
    """The LVDS mode of CONFIG_FPGA's data, if the board can work with them all."""
    allowed = ({1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2, 3}, set(range(256)))
    fits = len(settings) == len(allowed)
    if not fits or not all(v in values for v, values in zip(settings, allowed, strict=True)):
        raise LinkError("not FPGA settings", got=settings.hex(" "))
    return settings[1]
