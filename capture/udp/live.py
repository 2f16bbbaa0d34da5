"""Frames from a DCA1000 that is sending: the live counterpart of `capture.file.recording`.

Receive thread -> ring (`capture.udp.receiver`) -> reassembly thread -> bounded queue -> whoever
iterates.
The reassembly thread never waits for the consumer: when the queue is full the oldest frame is
dropped and counted. All memory is bounded, whatever the consumer does and however long it runs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from capture.config import RadarConfig
from capture.dca1000.clock import FrameClock
from capture.dca1000.link import LinkParams
from capture.dca1000.packets import PacketBatch
from capture.dca1000.reassembler import RawFrame, Reassembler, ReassemblyParams
from capture.errors import ConfigError, LinkError
from capture.file.framing import adc_frame
from capture.layouts import default_layout, word_order
from capture.types import AdcFrame, RecordingInfo
from capture.udp.receiver import UdpReceiver
from capture.udp.recvmmsg import source_number

__all__ = ["LiveSource"]

log = logging.getLogger(__name__)

_WARN_SILENCE_S = 3.0  # the board holds back a partial packet for 2 s
_PORT_BITS = np.uint64(16)

CAUSES = (
    "usual causes: the radar was not started (sensorStart, after the DCA1000's record start); the "
    "LVDS mode is not the device's (2 lanes for xWR16/18/68, 4 for xWR12/14); the cable, or the "
    "address of this machine's interface; a firewall that stops UDP on the data port"
)


class LiveSource:
    """Frames of a running DCA1000; a `FrameSource` and a context manager.

    The socket is bound on entering, so enter before the board is told to record. Iterate once,
    as `AdcFrame`s or by `raw_frames`.

    Parameters
    ----------
    config, link : waveform and raw format; addresses, data port and receive buffer
    layout : word order; the configuration's by default
    queue_frames : frames kept for a consumer that lags behind
    reassembly : patience with late packets
    idle_timeout_s : silence after which the stream is over, counted from the first call for a
        frame at the earliest; None waits for ever. Over 2 s, or the last packet of a radar that
        stopped comes too late
    ring_packets : packets kept for a reassembly that lags behind
    plain : receive without recvmmsg

    Attributes
    ----------
    info : name, configuration, layout; the number of frames is not known
    clock : fit of the kernel's times of arrival against the frame index, of the frames handed
        out; forgets what was before a restart of the stream

    Raises
    ------
    LayoutError
        The layout is not one of this configuration.
    ConfigError
        `queue_frames` is not positive.
    LinkError
        On entering: the address or the port cannot be bound to. When iterating: no packet within
        `idle_timeout_s`, or receiving failed.

    Notes
    -----
    `AdcFrame.time_s` is `index` frame periods of the configuration, seconds of the radar's own
    clock, and so equals what a file of the same frames gives; `clock.frame_time_ns(index)` is the
    host's time of it.
    """

    def __init__(
        self,
        config: RadarConfig,
        link: LinkParams,
        layout: str | None = None,
        queue_frames: int = 64,
        reassembly: ReassemblyParams | None = None,
        *,
        idle_timeout_s: float | None = 5.0,
        ring_packets: int = 32768,
        plain: bool = False,
    ) -> None:
        layout = layout or default_layout(config)
        word_order(layout, config)
        if queue_frames < 1:
            raise ConfigError("'queue_frames' out of range", got=queue_frames, expected="1 or more")
        self.info = RecordingInfo(
            name=f"{link.dca1000}:{link.data_port}",
            config=config,
            layout=layout,
            n_frames=None,
            evidence={"layout": "as the configuration has it"},
        )
        self.clock = FrameClock(config.frame_period_s)
        self._link, self._idle_timeout_s = link, idle_timeout_s
        self._ring_packets, self._plain = ring_packets, plain
        self._own = source_number(link.dca1000, 0)
        self._reassembler = Reassembler(
            config.stored_frame_bytes, reassembly,
            source=self._own, frame_period_s=config.frame_period_s,
        )  # fmt: skip
        self._queue: deque[RawFrame] = deque(maxlen=queue_frames)
        self._changed = threading.Condition()
        self._n_dropped_frames = self._segment = 0
        self._last_packet_s: float | None = None
        self._stopping = threading.Event()
        self._receiver: UdpReceiver | None = None
        self._work: Future[None] | None = None
        self._cleanup = ExitStack()

    def __enter__(self) -> LiveSource:
        with ExitStack() as opened:
            self._receiver = opened.enter_context(
                UdpReceiver(
                    self._link.host, self._link.data_port, source_host=self._link.dca1000,
                    buffer_bytes=self._link.receive_buffer_bytes,
                    ring_packets=self._ring_packets, plain=self._plain,
                )
            )  # fmt: skip
            threads = opened.enter_context(ThreadPoolExecutor(1, "radarid-reassemble"))
            opened.callback(self.stop)
            self._work = threads.submit(self._reassemble, self._receiver)
            self._cleanup = opened.pop_all()
        if self._receiver.stats.remedy:
            log.warning("%s", self._receiver.stats.remedy)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def __iter__(self) -> Iterator[AdcFrame]:
        """Yield frames in the order of their index, until `stop` or the end of the stream."""
        for raw in self.raw_frames():
            words = raw.data.view("<i2")
            yield adc_frame(words, raw.lost, self.info.config, self.info.layout, raw.index)

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the stored bytes of frames, with their lost stretches, as they come."""
        begin_s = time.monotonic()
        while (frame := self._next_frame(begin_s)) is not None:
            self._note_time(frame)
            yield frame

    def take(self, timeout_s: float) -> list[RawFrame] | None:
        """Every frame that waits; none of them after a time without any, None at the end.

        For those who have something to do in a silence too, which here ends nothing.

        Raises
        ------
        LinkError
            The source is not open, or receiving failed.
        """
        if self._work is None:
            raise LinkError("the live source is not open", remedy="use it in a 'with' statement")
        with self._changed:
            has_ended = self._work.done()
            if not self._queue and not has_ended:
                self._changed.wait(timeout_s)
            frames = list(self._queue)
            self._queue.clear()
        if has_ended and not frames:
            self._work.result()
            return None
        for frame in frames:
            self._note_time(frame)
        return frames

    @property
    def silence_s(self) -> float | None:
        """Time since the board's last packet, None before the first."""
        last_s = self._last_packet_s
        return None if last_s is None else time.monotonic() - last_s

    def _note_time(self, frame: RawFrame) -> None:
        if frame.segment != self._segment:
            self._segment = frame.segment
            self.clock.reset()
        if not (frame.lost and frame.lost[0][0] == 0):
            self.clock.add(frame.index, frame.time_ns)

    def stop(self) -> None:
        """End the stream: what was received is handed out, open frames too, then iteration ends."""
        self._stopping.set()

    def stats(self) -> dict[str, Any]:
        """Counters of the receiver (`ReceiverStats`), the reassembler (`PacketStats`), the queue.

        Returns
        -------
        dict by name; `n_dropped_frames` are those a slow consumer lost, `n_queued_frames` those
        that wait for it. Kept after the end
        """
        receiver = self._receiver.stats.as_dict() if self._receiver else {}
        queue = {
            "n_dropped_frames": self._n_dropped_frames,
            "n_queued_frames": len(self._queue),
        }
        return self._reassembler.stats.as_dict() | receiver | queue

    def _next_frame(self, begin_s: float) -> RawFrame | None:
        """The oldest frame, as soon as there is one; None at the end of the stream."""
        if self._work is None:
            raise LinkError("the live source is not open", remedy="use it in a 'with' statement")
        has_warned = False
        with self._changed:
            while True:
                # The thread may end, and have queued its last frames, between the two questions.
                has_ended = self._work.done()
                if self._queue:
                    return self._queue.popleft()
                if has_ended:
                    self._work.result()
                    return None
                self._changed.wait(0.1)
                silence_s = time.monotonic() - max(begin_s, self._last_packet_s or begin_s)
                if silence_s > _WARN_SILENCE_S and not has_warned and not self._stopping.is_set():
                    has_warned = True
                    log.warning("no packet from %s for %.0f s", self._link.dca1000, silence_s)
                if self._idle_timeout_s is not None and silence_s > self._idle_timeout_s:
                    self._end_silent(silence_s)

    def _end_silent(self, silence_s: float) -> None:
        if self._last_packet_s is None and not self._stopping.is_set():
            n_foreign = self.stats()["n_foreign"]
            raise LinkError(
                f"no packet for {silence_s:.1f} s",
                where=f"UDP {self._link.host}:{self._link.data_port}",
                got=f"{n_foreign} datagrams of other senders" if n_foreign else None,
                expected=f"packets from {self._link.dca1000}",
                remedy=f"run 'radarid doctor'; {CAUSES}",
            )
        self.stop()

    def _reassemble(self, receiver: UdpReceiver) -> None:
        while not self._stopping.is_set():
            self._push(receiver.read(0.1))
        receiver.close()
        while len(batch := receiver.read(0)):
            self._push(batch)
        self._hand_out(self._reassembler.flush())

    def _push(self, batch: PacketBatch) -> None:
        """Reassemble a batch; the board is known by its address, whatever port it sends from."""
        hosts = batch.source >> _PORT_BITS << _PORT_BITS
        if (hosts == self._own).any():
            self._last_packet_s = time.monotonic()
        self._hand_out(self._reassembler.push(replace(batch, source=hosts)))

    def _hand_out(self, frames: list[RawFrame]) -> None:
        if not frames:
            return
        with self._changed:
            for frame in frames:
                self._n_dropped_frames += len(self._queue) == self._queue.maxlen
                self._queue.append(frame)
            self._changed.notify()
