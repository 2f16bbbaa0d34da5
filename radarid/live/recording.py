"""One recording, from the board's configuration to the summary."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from capture.config import RadarConfig
from capture.dca1000.clock import ClockFit
from capture.dca1000.commands import MISALIGNED, Dca1000, Status, explain_status
from capture.dca1000.frame_buffer import RawFrame
from capture.dca1000.link import LinkParams
from capture.dca1000.radar_cli import RadarCli
from capture.errors import LinkError, RecordError
from capture.file.sidecar import LiveFacts, Sidecar
from capture.formats.load import write_cfg
from capture.udp.live import LiveSource
from capture.udp.recorder import Recorder, check_room, record_stream, utc
from radarid.progress import console

if TYPE_CHECKING:
    from capture.camera.film import Film

log = logging.getLogger(__name__)

_SILENCE_S = 5.0
_BY_HAND_S = 30.0
_TOO_EARLY_S = 0.3
_ODD_PPM = 1000.0
_USUAL = Status.RECORD_DONE
_TOLD = ("n_received", "n_lost", "n_late", "n_duplicate", "n_reordered", "n_foreign", "n_malformed",
         "n_restarts", "n_kernel_drops", "n_dropped_frames")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be recorded.

    Attributes
    ----------
    out : folder and name
    config, link : waveform and raw format; network
    n_frames : length; None until it is stopped
    serial_port, cfg : of the radar, to configure and start it; the file to send, None to write
        one from `config`
    camera : number, file or URL
    receive_only : send no command at all
    force : replace a recording of this name
    sidecar : who walks, and when
    """

    out: Path
    config: RadarConfig
    link: LinkParams
    n_frames: int | None = None
    serial_port: str | None = None
    cfg: Path | None = None
    camera: str | None = None
    receive_only: bool = False
    force: bool = False
    sidecar: Sidecar = field(default_factory=Sidecar)

    @property
    def is_started_by_hand(self) -> bool:
        """Whether the user must start the radar now (the emulator starts by itself)."""
        by_itself = self.receive_only or IPv4Address(self.link.host).is_loopback
        return self.serial_port is None and not by_itself


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a recording went.

    Attributes
    ----------
    n_frames, n_complete, n_missing, lost_bytes : in the files
    seconds : length, frame periods of the configuration
    ended : why
    packets : counters of receiver, reassembler and queue
    fit : of the frame clock; None for a few frames only
    n_images : of the camera
    board : what the DCA1000 reported
    files : the .bin files
    """

    n_frames: int
    n_complete: int
    n_missing: int
    lost_bytes: int
    seconds: float
    ended: str
    packets: dict[str, Any]
    fit: ClockFit | None
    n_images: int
    board: tuple[str, ...]
    files: tuple[Path, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything by name, for JSON and tables."""
        clock = self.fit and {
            "period_ms": round(self.fit.period_s * 1e3, 6),
            "ppm": round(self.fit.ppm, 2),
            "residual_us": round(self.fit.residual_s * 1e6, 1),
        }
        return {
            "n_frames": self.n_frames, "n_complete": self.n_complete,
            "n_incomplete": self.n_frames - self.n_complete - self.n_missing,
            "n_missing": self.n_missing, "lost_bytes": self.lost_bytes,
            "seconds": round(self.seconds, 3), "ended": self.ended,
            "packets": {name: self.packets.get(name) for name in _TOLD},
            "clock": clock, "n_images": self.n_images, "board": list(self.board),
            "files": [str(path) for path in self.files],
        }  # fmt: skip


def run(plan: Plan) -> Report:
    """Record.

    The order is what makes the first frame whole: receive, configure the board and the radar,
    start the board's recording, and only then the radar.

    Raises
    ------
    LinkError
        The board or the radar does not answer, or no packet comes.
    RecordError
        The recording cannot be written, or was stopped before its first frame.
    """
    check_room(plan.out, force=plan.force)
    with ExitStack() as opened:
        hardware = opened.enter_context(_Hardware(plan))
        source = opened.enter_context(
            LiveSource(plan.config, plan.link, idle_timeout_s=_SILENCE_S)
        )
        session = _Session(plan, source)
        recorder = opened.enter_context(session.recorder)
        if plan.camera is not None:
            from capture.camera.film import Film

            session.film = opened.enter_context(Film(plan.camera, plan.out))
        interrupted = opened.enter_context(_interrupts(source.stop))
        with hardware.running():
            session.await_packet(interrupted)
            record_stream(session.frames(), recorder)
            session.fit_clock()
        if not recorder.n_frames:
            raise RecordError("stopped before the first frame", where=plan.out)
    return session.report(interrupted, hardware.told)


class _Hardware:
    """Board and radar, as far as the plan wants commands sent to them; a context manager.

    Entering stops what still runs, so that nothing old is received, and configures both.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self._opened = plan, ExitStack()
        self._board: Dca1000 | None = None
        self._radar: RadarCli | None = None
        self.told: tuple[str, ...] = ()

    def __enter__(self) -> _Hardware:
        plan = self._plan
        if plan.receive_only:
            return self
        with ExitStack() as opened:
            self._board = opened.enter_context(Dca1000(plan.link))
            self._board.alive()
            _try(self._board.stop, "stopping an old recording", logging.DEBUG)
            if plan.serial_port is not None:
                self._radar = opened.enter_context(RadarCli(plan.serial_port))
                _configure(self._radar, plan)
            self._board.configure(plan.config)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """The board records, and then the radar sends; both are stopped at the end."""
        with ExitStack() as started:
            if self._board is not None:
                started.callback(self._stop_board, self._board)
                self._board.start(self._radar)
            if self._radar is not None:
                started.callback(_try, self._radar.stop, "stopping the radar")
                self._radar.start(self._board)
            yield

    def _stop_board(self, board: Dca1000) -> None:
        _try(board.stop, "stopping the board's recording")
        told = [text for bits in board.statuses() for text in explain_status(bits & ~_USUAL)]
        self.told = tuple(dict.fromkeys(told))
        for text in self.told:
            log.warning("the board reports: %s", text)


def _configure(radar: RadarCli, plan: Plan) -> None:
    """Send the radar its configuration: the file it came from, or one that says the same."""
    if plan.cfg is not None:
        radar.configure(plan.cfg)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "radar.cfg"
        write_cfg(path, plan.config)
        radar.configure(path)


def _try(command: Callable[[], None], doing: str, level: int = logging.WARNING) -> None:
    """Do what a recording that is over, or not yet begun, does not hang on."""
    try:
        command()
    except LinkError as failure:
        log.log(level, "%s: %s", doing, failure)


class _Session:
    """The source, the files, and what is known about the recording while it goes on."""

    def __init__(self, plan: Plan, source: LiveSource) -> None:
        self._plan, self._source = plan, source
        self._fit: ClockFit | None = None
        self.film: Film | None = None
        self.recorder = Recorder(
            plan.out, plan.config, plan.sidecar, n_frames=plan.n_frames,
            first_index=None if plan.receive_only else 0,
            describe=self._describe, force=plan.force,
        )  # fmt: skip

    def await_packet(self, interrupted: threading.Event) -> None:
        """Give the user time to start the radar; warn of one that sends already."""
        if not self._plan.is_started_by_hand:
            return
        log.info("the board records: start the radar now")
        begin_s = time.monotonic()
        while not self._source.stats()["n_received"] and not interrupted.wait(0.05):
            if time.monotonic() - begin_s > _BY_HAND_S - _SILENCE_S:
                return
        if time.monotonic() - begin_s < _TOO_EARLY_S and not interrupted.is_set():
            log.warning("the radar sent before the board recorded: %s", MISALIGNED)

    def frames(self) -> Iterator[RawFrame]:
        """Frames as they come; on a terminal with a line a second about them."""
        next_s = 0.0
        status = console.status("waiting for the first packet")
        with status if sys.stderr.isatty() else nullcontext():
            for frame in self._source.raw_frames():
                yield frame
                if time.monotonic() >= next_s:
                    next_s = time.monotonic() + 1
                    self.fit_clock()
                    status.update(self._line())

    def fit_clock(self) -> None:
        """Fit the clock, in the thread that takes the frames: it is not made for two."""
        self._fit = self._source.clock.fit()

    def report(self, interrupted: threading.Event, told: tuple[str, ...]) -> Report:
        """What became of it."""
        recorder = self.recorder
        if recorder.is_full:
            ended = "all frames are there"
        else:
            ended = "stopped" if interrupted.is_set() else f"no packet for {_SILENCE_S:.0f} s"
        if self._fit is not None and abs(self._fit.ppm) > _ODD_PPM:
            log.warning(
                "frames came every %.4f ms, but the configuration says %.4f ms: is it the radar's?",
                self._fit.period_s * 1e3, self._plan.config.frame_period_s * 1e3,
            )  # fmt: skip
        return Report(
            n_frames=recorder.n_frames,
            n_complete=recorder.n_frames - recorder.n_incomplete - recorder.n_missing,
            n_missing=recorder.n_missing,
            lost_bytes=recorder.lost_bytes,
            seconds=recorder.n_frames * self._plan.config.frame_period_s,
            ended=ended,
            packets=self._source.stats(),
            fit=self._fit,
            n_images=self.film.n_images if self.film else 0,
            board=told,
            files=recorder.files,
        )

    def _line(self) -> str:
        recorder, stats = self.recorder, self._source.stats()
        return (
            f"{recorder.n_frames * self._plan.config.frame_period_s:.0f} s, "
            f"{recorder.n_frames} frames, {recorder.n_incomplete + recorder.n_missing} incomplete, "
            f"{stats['n_lost']} packets lost, {stats['n_dropped_frames']} frames dropped"
        )

    def _describe(self, sidecar: Sidecar) -> Sidecar:
        """Complete the sidecar; called by the thread that writes it."""
        stats, fit, recorder = self._source.stats(), self._fit, self.recorder
        counts = {name: value for name, value in stats.items() if isinstance(value, int)}
        start_ns = recorder.started_ns
        if fit is not None and not stats["n_restarts"] and recorder.first_index is not None:
            start_ns = fit.start_ns + round(recorder.first_index * fit.period_s * 1e9)
        live = replace(
            sidecar.live or LiveFacts(),
            packets=counts,
            frame_period_s=fit.period_s if fit else None,
            clock_residual_s=fit.residual_s if fit else None,
            started_at=utc(start_ns) if start_ns else None,
        )
        sidecar = replace(sidecar, live=live)
        film_s = self.film.started_at_s if self.film else None
        if self.film is None or film_s is None:
            return sidecar
        offset_s = film_s - start_ns * 1e-9 if start_ns else None
        return replace(sidecar, camera=self.film.path.name, camera_offset_s=offset_s)


@contextmanager
def _interrupts(stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Make the first Ctrl-C, or request to end, a stop in good order; a second one is as usual."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: object) -> None:
        signal.signal(number, usual[signal.Signals(number)])
        interrupted.set()
        stop()

    for number in usual:
        signal.signal(number, end)
    try:
        yield interrupted
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
