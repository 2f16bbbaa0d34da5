"""Frames out of DCA1000 data packets: lost, late, doubled, swapped and restarted ones included.

`Reassembler` is a pure state machine: batches of datagrams in, `RawFrame`s with the exact lost
stretches out. It opens no socket and reads no clock, so that a test can feed it anything.

A packet is placed only when its two counters agree to the byte with those of the stream, and it
lies at most a horizon ahead; one that fills a gap is placed once the stream goes on. What fits
nowhere waits in limbo: `resync_packets` of such packets that agree with each other, while the
stream itself does not go on, are a stream that jumped or began anew; those that stay alone are
dropped when the stream goes on. A packet that brings other bytes than the ones at its place is
evidence of a restart: then nothing is placed until the packets in limbo settle it.

What no receiver can see from the counters: a restart of which all packets are lost up to the
point that the old stream had reached, or into gaps of frames still open. It looks like a stream
that goes on. Only a restart within the first few packets of a stream can come to that. And
`resync_packets` packets in a row that are all older than the frames remembered are taken for a
restart, as nothing tells them from one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.dca1000.counters import StreamCounters, agreeing, n_behind
from capture.dca1000.frame_buffer import Fate, FrameWindow, PacketStats, RawFrame
from capture.dca1000.packets import COUNT_SPAN, PAYLOAD_BYTES, PacketBatch, PacketRun, find_runs
from capture.errors import CaptureError, ConfigError
from capture.schema import config_class

__all__ = ["PacketStats", "RawFrame", "Reassembler", "ReassemblyParams"]


@config_class
class ReassemblyParams:
    """How patient the reassembler is.

    Attributes
    ----------
    horizon_frames : an incomplete frame closes when the stream is this far beyond its end;
        a packet further ahead than this must be confirmed by others
    resync_packets : how many packets in agreement make a jump or a restart
    """

    horizon_frames: float = 1.0
    resync_packets: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.horizon_frames <= 64:
            raise ConfigError(
                "'horizon_frames' out of range", got=self.horizon_frames, expected="0 to 64"
            )
        if not 2 <= self.resync_packets <= 256:
            raise ConfigError(
                "'resync_packets' out of range", got=self.resync_packets, expected="2 to 256"
            )


@dataclass(frozen=True, slots=True)
class _Waiting:
    packet: PacketRun
    fate: Fate


class Reassembler:
    """Packets in, frames out, in the order of their index.

    Parameters
    ----------
    frame_bytes : stored bytes of a frame (`RadarConfig.stored_frame_bytes`)
    params : patience
    source : accept this sender only (IPv4 address << 16 | port); datagrams whose sender is
        unknown (0) pass
    frame_period_s : nominal; with it and kernel times, the frame index goes on by the clock
        across a restart. Without, a restart skips one index. One index at least is always
        skipped, so that slow time never runs on across a restart

    Raises
    ------
    CaptureError
        frame_bytes or frame_period_s is not positive.
    """

    def __init__(
        self,
        frame_bytes: int,
        params: ReassemblyParams | None = None,
        *,
        source: int | None = None,
        frame_period_s: float | None = None,
    ) -> None:
        if frame_bytes <= 0:
            raise CaptureError("no bytes in a frame", got=frame_bytes, expected="at least 1")
        if frame_period_s is not None and not frame_period_s > 0:
            raise CaptureError("frame period is not positive", got=frame_period_s)
        params = params or ReassemblyParams()
        self._source, self._period_s = source, frame_period_s
        self._n_resync = params.resync_packets
        self._horizon_bytes = int(params.horizon_frames * frame_bytes)
        kept_bytes = self._horizon_bytes + 2 * self._n_resync * PAYLOAD_BYTES
        self.stats = PacketStats()
        self._window = FrameWindow(frame_bytes, self._horizon_bytes, kept_bytes, self.stats)
        self._stream = StreamCounters(1, 0, 1)
        self._has_begun = False
        self._limbo: list[_Waiting] = []
        self._gaps: list[PacketRun] = []

    def push(self, batch: PacketBatch) -> list[RawFrame]:
        """Take datagrams in the order of their arrival, and return the frames they close.

        How a stream is cut into batches does not change the frames. The batch may be reused
        afterwards.
        """
        wanted = batch.well_formed()
        own = np.ones(len(batch), np.bool_)
        if self._source is not None:
            own = (batch.source == 0) | (batch.source == self._source)
        self.stats.n_received += len(batch)
        self.stats.n_foreign += int((~own).sum())
        self.stats.n_malformed += int((own & ~wanted).sum())
        for run in find_runs(batch, own & wanted):
            self._take(run)
        return self._window.hand_out()

    def flush(self) -> list[RawFrame]:
        """End the stream and return every frame still open; packets pushed later restart it.

        Packets in limbo are believed when two or more agree, and they either begin a new stream
        from its very first packet, or go on with the old one after a stall.
        """
        if not self._is_contested():
            self._fill_gaps()
        if self._limbo:
            group = agreeing([w.packet for w in self._limbo], self._limbo[-1].packet)
            if len(group) > 1 and self._may_end_with(group[0]):
                self._adopt(group)
        self._drop_limbo()
        self._end_stream()
        return self._window.hand_out()

    def _take(self, run: PacketRun) -> None:
        start = 0
        while start < len(run):
            rest = run.part(start, len(run))
            if not self._limbo and self._goes_on(rest):
                self._append(rest)
                return
            self._take_one(run.part(start, start + 1))
            start += 1

    def _take_one(self, packet: PacketRun) -> None:
        if any(waiting.packet.equals(packet) for waiting in self._limbo):
            self._count("duplicate")
            return
        contested = self._is_contested()
        self._drop_superseded(packet)
        fate = "conflict" if contested else self._judge(packet)
        if fate in ("stray", "unknown", "conflict"):
            self._drop_older(packet)
            self._limbo.append(_Waiting(packet.copy(), fate))
            self._judge_limbo()
            return
        self._accept(packet, fate)
        if fate == "ahead":
            self._settle_limbo()

    def _is_contested(self) -> bool:
        return any(waiting.fate == "conflict" for waiting in self._limbo)

    def _accept(self, packet: PacketRun, fate: Fate) -> None:
        """Do what a packet's fate asks for."""
        if fate == "ahead":
            self._append(packet)
        elif fate == "gap":
            self._gaps.append(packet.copy())
            if len(self._gaps) > 4 * self._n_resync:
                self._fill(self._gaps.pop(0))
        else:
            self._count(fate)

    def _goes_on(self, run: PacketRun, within_bytes: int | None = None) -> bool:
        """Whether a run lies ahead of the stream, within the horizon, with counters that agree."""
        if within_bytes is None:
            within_bytes = self._horizon_bytes
        sequence, position = self._stream.extend(run)
        return (
            sequence > self._stream.sequence
            and position == self._stream.expected(sequence)
            and position - self._stream.end <= within_bytes
        )

    def _append(self, run: PacketRun) -> None:
        """Put a run that goes on with the stream at its place."""
        self._fill_gaps()
        if not self._has_begun:
            self._begin(run)
        stream, stats = self._stream, self.stats
        sequence, position = stream.extend(run)
        stats.n_lost += sequence - stream.sequence - 1
        stats.n_used += len(run)
        stats.n_bytes += run.n_bytes
        stream.advance(sequence, position, run)
        self._window.write(position, run)
        self._window.close_passed(stream.end)

    def _judge(self, packet: PacketRun) -> Fate:
        """What to do with a packet; 'stray' when its counters leave any doubt."""
        if self._goes_on(packet):
            return "ahead"
        sequence, position = self._stream.extend(packet)
        whole = position + packet.n_bytes == self._stream.expected(sequence + 1)
        if (
            sequence <= self._stream.sequence
            and position == self._stream.expected(sequence)
            and whole
        ):
            return self._window.fate(position, packet)
        return "stray"

    def _fill_gaps(self) -> None:
        gaps, self._gaps = self._gaps, []
        for packet in gaps:
            self._fill(packet)

    def _fill(self, packet: PacketRun) -> None:
        """Put a packet that came after a later one into its gap, unless its double did so."""
        sequence, position = self._stream.extend(packet)
        fate = self._window.fate(position, packet)
        if fate != "gap":
            self._count(fate)
            return
        self._window.write(position, packet)
        self._window.close_passed(self._stream.end)
        self.stats.n_used += 1
        self.stats.n_reordered += 1
        self.stats.n_bytes += packet.n_bytes
        self.stats.n_lost -= sequence >= self._stream.origin

    def _begin(self, packet: PacketRun) -> None:
        """Begin a stream; the bytes before a first packet that lies within the horizon are lost."""
        position = packet.byte_count
        at_home = position <= self._horizon_bytes
        at_home &= position == (packet.sequence - 1) * PAYLOAD_BYTES
        self._end_stream()
        self._stream = StreamCounters(packet.sequence, position, 1 if at_home else packet.sequence)
        self._has_begun = True
        self.stats.n_lost += packet.sequence - 1 if at_home else 0
        self.stats.n_restarts += self._window.begin(
            0 if at_home else position, position, int(packet.time_ns[0]), self._period_s
        )

    def _end_stream(self) -> None:
        """Close all frames; a next stream is expected to begin with packet 1 at byte 0."""
        self.stats.n_stray += len(self._gaps)
        self._gaps = []
        self._window.close_all(self._stream.end)
        self._stream = StreamCounters(1, 0, 1)
        self._has_begun = False

    def _judge_limbo(self) -> None:
        """Believe the packets in limbo once enough of them agree with the newest one."""
        group = agreeing([w.packet for w in self._limbo], self._limbo[-1].packet)
        if len({packet.sequence for packet in group}) >= self._n_resync:
            self._adopt(group)
        elif len(self._limbo) > 4 * self._n_resync:
            self._count(self._limbo.pop(0).fate)

    def _adopt(self, group: list[PacketRun]) -> None:
        """Go on with packets of limbo: in this stream if they lie ahead, else in a new one."""
        contested = self._is_contested()
        self._limbo = [w for w in self._limbo if w.packet not in group]
        self._drop_limbo()
        first, stream = group[0], self._stream
        if self._has_begun and self._lies_ahead(first) and not contested:
            self._fill_gaps()
            sequence, position = stream.extend(first)
            self.stats.n_lost += sequence - stream.sequence - 1
            self.stats.n_resyncs += 1
            stream.rejoin(sequence, position)
        else:
            self._begin(first)
        for packet in group:
            confirmed = self._goes_on(packet, COUNT_SPAN)
            self._accept(packet, "ahead" if confirmed else self._judge(packet))

    def _lies_ahead(self, packet: PacketRun, within_bytes: int = COUNT_SPAN) -> bool:
        """Whether a packet can go on with the stream, if what lies between was all lost."""
        sequence, position = self._stream.extend(packet)
        most = (sequence - self._stream.sequence - 1) * PAYLOAD_BYTES
        return 0 <= position - self._stream.end <= min(most, within_bytes)

    def _may_end_with(self, packet: PacketRun) -> bool:
        if packet.sequence == 1 and packet.byte_count == 0:
            return True
        sequence, position = self._stream.extend(packet)
        return self._lies_ahead(packet) and position == self._stream.expected(sequence)

    def _settle_limbo(self) -> None:
        """The stream went on: place what fits now, and drop all but what may fit soon.

        That is what lies ahead within the horizon: behind a short packet that was swapped.
        """
        limbo, self._limbo = self._limbo, []
        for waiting in limbo:
            fate = self._judge(waiting.packet) if waiting.fate == "stray" else waiting.fate
            if fate == "stray" and self._lies_ahead(waiting.packet, self._horizon_bytes):
                self._limbo.append(waiting)
            else:
                self._accept(waiting.packet, fate)

    def _drop_superseded(self, packet: PacketRun) -> None:
        """Drop a stream from limbo of which a packet comes again with other bytes."""
        for waiting in self._limbo:
            if waiting.packet.contradicts(packet):
                self._drop_limbo(agreeing([w.packet for w in self._limbo], waiting.packet))
                return

    def _drop_older(self, packet: PacketRun) -> None:
        """Drop from limbo the stream that a packet falls far behind: it may have begun anew."""
        if self._lies_ahead(packet, self._horizon_bytes):
            return
        for waiting in self._limbo:
            if n_behind(waiting.packet, packet) >= self._n_resync:
                self._drop_limbo(agreeing([w.packet for w in self._limbo], waiting.packet))
                return

    def _drop_limbo(self, packets: list[PacketRun] | None = None) -> None:
        dropped = [w for w in self._limbo if packets is None or w.packet in packets]
        self._limbo = [w for w in self._limbo if w not in dropped]
        for waiting in dropped:
            self._count(waiting.fate)

    def _count(self, fate: Fate) -> None:
        """Count a packet that was not used."""
        self.stats.n_late += fate in ("late", "unknown")
        self.stats.n_duplicate += fate == "duplicate"
        self.stats.n_stray += fate in ("stray", "conflict")
