"""A recording from the first command to the summary, with the emulator as board and radar."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from capture.camera.reader import open_camera, write_video
from capture.camera.times import read_times
from capture.config import RadarConfig
from capture.dca1000.clock import FrameClock
from capture.dca1000.frame_buffer import RawFrame
from capture.dca1000.link import LinkParams
from capture.emulator.board import Emulator
from capture.errors import LinkError, RecordError
from capture.file.sidecar import LiveFacts, Sidecar, read_sidecar
from capture.formats.load import write_cfg
from radarid.live import recording
from radarid.live.hardware import interrupts
from radarid.live.recording import Plan, run

RADAR = RadarConfig(n_samples=64, rx_mask=1, n_loops=48, frame_period_s=10e-3)
N_FRAMES, FRAME = 30, 48 * 64 * 4
_numbers = itertools.count(os.getpid() % 1000 * 40 + 1)


@pytest.fixture
def link() -> LinkParams:
    number = next(_numbers)
    net = f"127.{201 + (number >> 14 & 15)}.{number >> 7 & 127}.{number & 127}"
    return LinkParams(host=net, dca1000=net.replace("127.2", "127.1", 1))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "walk.bin"
    np.random.default_rng(1).integers(0, 256, N_FRAMES * FRAME, np.uint8).tofile(path)
    return path


@pytest.fixture
def plan(tmp_path: Path, link: LinkParams) -> Plan:
    return Plan(out=tmp_path / "w", config=RADAR, link=link, n_frames=N_FRAMES)


def sidecar_of(plan: Plan) -> tuple[Sidecar, LiveFacts]:
    sidecar = read_sidecar(plan.out.with_name("w_Raw_0.json"))
    assert sidecar.live is not None
    return sidecar, sidecar.live


def test_the_radar_is_configured_started_last_and_stopped(walk: Path, plan: Plan) -> None:
    with Emulator(walk, RADAR, plan.link, flush_s=0.1, serial=True) as board:
        assert board.radar is not None
        report = run(replace(plan, serial_port=board.radar.port))
        lines = [line.strip() for line in board.radar.lines]
        sent = board.sent
    write_cfg(plan.out.with_name("expected.cfg"), RADAR)
    expected = plan.out.with_name("expected.cfg").read_text(encoding="utf-8").splitlines()
    settings = [line for line in expected if line and line[0] != "%" and line != "sensorStart"]
    assert lines == [*settings, "sensorStart", "sensorStop"]
    assert (report.n_complete, report.ended) == (N_FRAMES, "all frames are there")
    assert sent.n_lost == 0
    assert report.fit is not None
    assert sidecar_of(plan)[1].frame_period_s == report.fit.period_s
    assert report.files[0].read_bytes() == walk.read_bytes()


def test_joining_a_stream_sends_nothing_and_begins_with_its_frame(walk: Path, plan: Plan) -> None:
    with Emulator(walk, RADAR, plan.link, loop=True) as board:
        board.start()
        while board.sent.n_turns < 300:  # of 9 packets a frame: the recording joins late
            board.wait(0.01)
        report = run(replace(plan, receive_only=True, n_frames=12))
        assert len(board.runs) == 1  # no command came
    rows = np.fromfile(report.files[0], np.uint8).reshape(12, FRAME)
    original = np.fromfile(walk, np.uint8).reshape(N_FRAMES, FRAME)
    (first,) = np.flatnonzero((original == rows[1]).all(axis=1)) - 1
    assert np.array_equal(rows[1:], original[(first + np.arange(1, 12)) % N_FRAMES])
    assert (report.n_frames, report.n_missing) == (12, 0)
    assert report.n_complete >= 11
    assert sum(n for _, n in sidecar_of(plan)[0].lost) == report.lost_bytes < FRAME


def test_a_camera_is_recorded_beside(walk: Path, plan: Plan) -> None:
    images = [np.full((48, 64, 3), 10 * k, np.uint8) for k in range(5)]
    film = plan.out.with_name("source.avi")
    write_video(film, images, 10.0)
    with Emulator(walk, RADAR, plan.link, flush_s=0.1):
        report = run(replace(plan, camera=str(film)))
    assert report.n_images == 5
    sidecar, live = sidecar_of(plan)
    assert sidecar.camera == "w.avi"
    times = read_times(plan.out.with_name("w.camera.csv"))
    assert np.allclose(times.time_s, np.arange(5) / 10, atol=1e-3)
    again = [time_s for time_s, _ in open_camera(plan.out.with_name("w.avi"))]
    assert np.allclose(again, times.time_s, atol=1e-6)
    assert live.started_at is not None
    assert times.started_at_s is not None
    radar_s = datetime.fromisoformat(live.started_at).timestamp()
    assert sidecar.camera_offset_s == pytest.approx(times.started_at_s - radar_s, abs=2e-6)


def test_without_its_camera_the_radar_is_recorded(
    walk: Path, plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    with Emulator(walk, RADAR, plan.link, flush_s=0.1):
        report = run(replace(plan, camera=str(plan.out.with_name("no.avi"))))
    assert report.n_complete == N_FRAMES
    assert sidecar_of(plan)[0].camera is None
    assert "recording without a camera" in caplog.text


def test_the_wrong_lanes_are_named(
    walk: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recording, "_SILENCE_S", 0.3)
    with (
        Emulator(walk, RADAR, plan.link),
        pytest.raises(LinkError, match="no packet for 0.*radarid doctor"),
    ):
        run(replace(plan, config=replace(RADAR, n_lanes=4)))
    assert "the board reports: no data on the LVDS lanes" in caplog.text
    assert list(plan.out.parent.iterdir()) == []


def test_a_board_that_is_not_there_leaves_no_files(plan: Plan) -> None:
    with pytest.raises(LinkError, match="does not answer ALIVE"):
        run(plan)
    assert list(plan.out.parent.iterdir()) == []


def test_what_exists_is_found_before_anything_is_sent(plan: Plan) -> None:
    plan.out.with_name("w_Raw_3.bin").touch()
    with pytest.raises(RecordError, match="a recording of this name exists"):
        run(plan)


def test_interrupted_before_the_first_frame(plan: Plan) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(RecordError, match="stopped before the first frame"):
        run(replace(plan, receive_only=True))
    assert list(plan.out.parent.iterdir()) == []


def test_a_second_interrupt_is_not_caught() -> None:
    usual, stops = signal.getsignal(signal.SIGINT), []
    with interrupts(lambda: stops.append(1)) as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stops == [1]
    assert signal.getsignal(signal.SIGINT) is usual


class Scripted:
    """A source of frames 2, 3, ... that came every 10.01 ms, say, from 13:20:00 UTC on."""

    def __init__(self, n_restarts: int = 0, period_ns: int = 10_010_000) -> None:
        self.clock = FrameClock(RADAR.frame_period_s)
        self.n_restarts, self.period_ns = n_restarts, period_ns

    def raw_frames(self) -> Iterator[RawFrame]:
        for k in range(2, 20):
            time_ns = 1_700_054_400_000_000_000 + (k - 2) * self.period_ns
            self.clock.add(k, time_ns)
            yield RawFrame(k, np.ones(FRAME, np.uint8), (), time_ns + 500_000 * (k == 2), 0)

    def stats(self) -> dict[str, object]:
        return {"n_restarts": self.n_restarts, "n_lost": 7, "n_dropped_frames": 0,
                "n_kernel_drops": None, "remedy": "more room"}  # fmt: skip


@pytest.mark.parametrize(("n_restarts", "late_us"), [(0, 0), (1, 500)])
def test_the_clock_goes_into_the_sidecar(plan: Plan, n_restarts: int, late_us: int) -> None:
    source = Scripted(n_restarts)
    session = recording._Session(replace(plan, receive_only=True), source)  # type: ignore[arg-type]
    with session.recorder as recorder:
        for frame in session.frames():
            recorder.write(frame)
        session.fit_clock()
    live = sidecar_of(plan)[1]
    # Frame 2 is the first: the fit knows its time; a restart makes the fit that of another stream.
    assert live.started_at == f"2023-11-15T13:20:00.000{late_us:03}+00:00"
    assert live.frame_period_s == pytest.approx(10.01e-3, rel=1e-12)
    assert live.clock_residual_s == pytest.approx(0, abs=1e-9)
    assert live.packets == {"n_restarts": n_restarts, "n_lost": 7, "n_dropped_frames": 0}


@pytest.mark.parametrize(("silent_polls", "warns"), [(0, True), (12, False)])
def test_a_radar_started_by_hand(
    plan: Plan, silent_polls: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "radarid")
    source, polls = Scripted(), itertools.count()

    def stats() -> dict[str, object]:
        return {"n_received": int(next(polls) >= silent_polls)}

    source.stats = stats  # type: ignore[method-assign]
    by_hand = replace(plan, link=LinkParams())
    assert by_hand.is_started_by_hand
    assert not replace(by_hand, serial_port="COM3").is_started_by_hand
    assert not replace(by_hand, receive_only=True).is_started_by_hand
    recording._Session(by_hand, source).await_packet(threading.Event())  # type: ignore[arg-type]
    assert "start the radar now" in caplog.text
    assert ("before the board recorded" in caplog.text) == warns


@pytest.mark.parametrize(("period_ns", "warns"), [(10_009_000, False), (10_011_000, True)])
def test_a_radar_with_another_frame_period(
    plan: Plan, period_ns: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = Scripted(period_ns=period_ns)
    session = recording._Session(plan, source)  # type: ignore[arg-type]
    with session.recorder as recorder:
        for frame in session.frames():
            recorder.write(frame)
    session.fit_clock()
    report = session.report(threading.Event(), ())
    # 9 us more than 10 ms are 900 ppm, 11 us more are 1100 ppm.
    assert report.as_dict()["clock"]["ppm"] == pytest.approx((period_ns - 10_000_000) / 10)
    assert ("came every 10.0110 ms, but the configuration says 10.0000" in caplog.text) == warns
