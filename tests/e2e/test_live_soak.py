"""Two minutes of the radar's time, sent faster than that, over the wrap-around of both counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from live_students import student, words
from loopback import BOARD, free_port, sender
from walk_files import DSP, RADAR

from capture.dca1000.link import LinkParams
from capture.dca1000.packets import COUNT_SPAN, PAYLOAD_BYTES, SEQUENCE_SPAN, compose
from radarid.live.engine import LiveIdentifier, LiveParams
from radarid.live.identify import Decider
from radarid.live.session import LivePlan, LiveSession
from radarid.live.snapshot import Snapshot

HOST = "127.0.0.71"
SECONDS = 120
FRAME_BYTES = RADAR.stored_frame_bytes
WALK = np.concatenate([words(2.0, 1.3, 0), words(3.6, -1.3, 1)])  # there and back, for ever


def packets(n_frames: int) -> Iterator[bytes]:
    """The walk in a loop; both counters wrap in the second quarter."""
    payload = WALK.astype("<i2").tobytes()
    n_packets = n_frames * FRAME_BYTES // PAYLOAD_BYTES
    to_wrap = (n_packets // 4, n_packets // 3)
    # A listener who comes late takes the byte counter for the place: let it begin a frame.
    begin = COUNT_SPAN - to_wrap[1] * PAYLOAD_BYTES
    begin -= begin % FRAME_BYTES
    looped = payload * 2
    for k in range(n_packets):
        start = k * PAYLOAD_BYTES % len(payload)
        yield compose((SEQUENCE_SPAN - to_wrap[0] + k) % SEQUENCE_SPAN,
                      (begin + k * PAYLOAD_BYTES) % COUNT_SPAN,
                      looped[start : start + PAYLOAD_BYTES])  # fmt: skip


def is_behind(session: LiveSession, n_sent: int) -> bool:
    """Whether more than a dozen frames are on their way, or wait for the identifier."""
    stats = session._source.stats()
    return stats["n_received"] < n_sent - 128 or stats["n_queued_frames"] > 16


def play(link: LinkParams, session: LiveSession) -> None:
    """As fast as the listener takes it, which is what bounds the test's time."""
    with sender(BOARD) as board:
        for k, datagram in enumerate(packets(round(SECONDS / RADAR.frame_period_s))):
            board.sendto(datagram, (link.host, link.data_port))
            while k % 64 == 63 and is_behind(session, k):
                time.sleep(0.002)
    time.sleep(1.0)
    session.stop()


def test_two_minutes_in_bounded_memory_over_the_wrap_around() -> None:
    dsp = replace(DSP, hop_s=0.5)
    identifier = LiveIdentifier(Decider(student(dsp)), params=LiveParams(window_s=2.0))
    link = LinkParams(host=HOST, dca1000=BOARD, data_port=free_port(HOST))
    session = LiveSession(LivePlan(config=RADAR, link=link, receive_only=True), identifier)
    memory: list[int] = []
    clips: list[float] = []
    last: list[Snapshot] = []

    def note(snapshot: Snapshot) -> None:
        memory.append(snapshot.health.memory_bytes)
        clips.extend(clip.start_s for clip in snapshot.clips)
        last[:] = [snapshot]

    identifier.listen(note)
    playing = threading.Thread(target=play, args=(link, session))
    begin_s = time.monotonic()
    playing.start()
    session.run()
    playing.join()
    health = last[0].health
    assert time.monotonic() - begin_s < SECONDS
    assert health.n_frames >= SECONDS / RADAR.frame_period_s - 2
    assert (health.n_missing, health.n_dropped, health.n_restarts) == (0, 0, 0)
    assert health.n_incomplete <= 1  # the last
    # No frame was skipped or counted twice: radar time is the frames' number of periods.
    assert np.diff(clips) == pytest.approx(dsp.hop_s)
    assert len(clips) >= SECONDS / dsp.hop_s - 3
    settled, end = memory[len(memory) // 4], max(memory[-10:])
    assert end - settled < 24 << 20
