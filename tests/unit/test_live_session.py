"""A session that goes on: board and radar set up anew, ports opened again, pieces recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from emulation import own_link
from live_students import student, words, write_recording
from walk_files import RADAR

from capture.dca1000.frame_buffer import RawFrame
from capture.dca1000.link import LinkParams
from capture.emulator.board import Emulator
from capture.errors import LinkError, RecordError
from capture.file.recording import open_recording
from capture.udp.live import LiveSource
from radarid.live.engine import LiveIdentifier
from radarid.live.hardware import Wiring
from radarid.live.identify import Decider
from radarid.live.pieces import Pieces
from radarid.live.recovery import Supervisor
from radarid.live.session import LivePlan, LiveSession
from radarid.live.snapshot import Snapshot

WALK = np.concatenate([words(2.0, 1.3, 0), words(3.6, 1.0, 1), words(4.8, -1.2, 2)])


@pytest.fixture
def link() -> LinkParams:
    return own_link()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("raw") / "walk.bin", WALK)


def until(condition: Callable[[], bool], patience_s: float = 30.0) -> None:
    end_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_board_that_was_gone_is_set_up_again(walk: Path, link: LinkParams) -> None:
    silence: list[float | None] = [None]
    wiring = Wiring(config=RADAR, link=link)
    with Emulator(walk, RADAR, link, loop=True) as board:
        supervisor = Supervisor(wiring, lambda: silence[0], patience_s=0.3)
        supervisor.__enter__()
        assert len(board.runs) == 1
        silence[0] = 0.0
        time.sleep(0.8)
        assert (len(board.runs), supervisor.n_recoveries) == (1, 0)  # packets come
    silence[0] = 1e9  # the board is gone
    until(lambda: supervisor.is_starting)
    with Emulator(walk, RADAR, link, loop=True) as board:
        until(lambda: supervisor.n_recoveries > 0)
        assert board.is_recording.is_set()
        silence[0] = 0.0
        supervisor.__exit__(None, None, None)
        assert not board.is_recording.is_set()
    supervisor.check()


def test_a_board_whose_radar_is_started_by_hand_is_left_alone(
    walk: Path, link: LinkParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wiring, "is_started_by_hand", property(lambda self: True))
    with (
        Emulator(walk, RADAR, link, loop=True) as board,
        Supervisor(Wiring(config=RADAR, link=link), lambda: 1e9, patience_s=0.1) as supervisor,
    ):
        time.sleep(1.0)
        assert (len(board.runs), supervisor.n_recoveries) == (1, 0)


def test_a_serial_port_starts_the_radar_again(walk: Path, link: LinkParams) -> None:
    with Emulator(walk, RADAR, link, loop=True, serial=True) as board:
        assert board.radar is not None
        wiring = Wiring(config=RADAR, link=link, serial_port=board.radar.port)
        with Supervisor(wiring, lambda: 1e9, patience_s=0.5) as supervisor:
            until(lambda: supervisor.n_recoveries > 0)
        assert sum(line.startswith("sensorStart") for line in board.radar.lines) >= 2


def test_no_board_at_the_start_is_an_error(link: LinkParams) -> None:
    with pytest.raises(LinkError, match="does not answer"):
        Supervisor(Wiring(config=RADAR, link=link), lambda: None, 1.0).__enter__()


def test_receiving_that_fails_is_begun_again_and_time_goes_on(
    walk: Path, link: LinkParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radarid.live.session._REOPEN_S", 0.05)
    identifier, seen = LiveIdentifier(Decider(student())), list[Snapshot]()
    identifier.listen(seen.append)
    session = LiveSession(LivePlan(config=RADAR, link=link, receive_only=True), identifier)
    original, failed = LiveSource.take, threading.Event()

    def take(self: LiveSource, timeout_s: float) -> list[RawFrame] | None:
        if not failed.is_set() and any(snapshot.clips for snapshot in seen):
            failed.set()
            raise LinkError("receiving failed: Network is down")
        return original(self, timeout_s)

    monkeypatch.setattr(LiveSource, "take", take)
    running = threading.Thread(target=session.run)
    with Emulator(walk, RADAR, link, loop=True) as board:
        running.start()
        board.start()
        until(failed.is_set)
        failed_at_s = seen[-1].time_s
        until(lambda: any(one.clips and one.time_s > failed_at_s for one in list(seen)))
        session.stop()
        running.join()
    times_s = [snapshot.time_s for snapshot in seen]
    assert times_s == sorted(times_s)
    assert seen[-1].health.n_recoveries == 1
    assert {clip.track for snapshot in seen for clip in snapshot.clips} >= {0, 1}
    assert seen[-1].health.n_frames > 60  # of both sources


def raw(index: int, segment: int = 0) -> RawFrame:
    data = np.full(RADAR.stored_frame_bytes, index % 251 + 1, np.uint8)
    return RawFrame(index, data, (), 10**18 + index, segment)


def test_pieces_are_cut_at_restarts_and_silences(tmp_path: Path) -> None:
    with Pieces(tmp_path, RADAR) as pieces:
        for frame in (raw(7), raw(9), raw(20, 1), raw(21, 1)):
            pieces.write(frame)
        pieces.cut()
        pieces.cut()
        pieces.write(raw(500_000, 1))
    found = sorted(tmp_path.glob("*.bin"), key=lambda path: path.name.split("-")[-1])
    assert [len(open_recording(path, RADAR)) for path in found] == [3, 2, 1]
    first = np.fromfile(found[0], np.uint8).reshape(3, -1)
    assert first[:, 0].tolist() == [8, 0, 10]
    with pytest.raises(RecordError, match="no such folder"):
        Pieces(tmp_path / "nowhere", RADAR)


def test_the_health_of_a_silence(link: LinkParams) -> None:
    identifier, seen = LiveIdentifier(Decider(student())), list[Snapshot]()
    identifier.listen(seen.append)
    session = LiveSession(LivePlan(config=RADAR, link=link, receive_only=True), identifier)
    threading.Timer(0.6, session.stop).start()
    session.run()
    assert {snapshot.health.state for snapshot in seen} == {"waiting"}
    assert seen[0].decisions[0].reason == "no packet comes from the radar"
