"""One recording, from the board's configuration to the summary."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.dca1000.clock import ClockFit
from capture.dca1000.commands import MISALIGNED
from capture.dca1000.frame_buffer import RawFrame
from capture.errors import RecordError
from capture.file.sidecar import LiveFacts, Sidecar
from capture.udp.live import LiveSource
from capture.udp.recorder import Recorder, check_room, record_stream, utc
from radarid.live.hardware import Hardware, Wiring, interrupts
from radarid.progress import console

if TYPE_CHECKING:
    from capture.camera.film import Film

log = logging.getLogger(__name__)

_SILENCE_S = 5.0
_BY_HAND_S = 30.0
_TOO_EARLY_S = 0.3
_ODD_PPM = 1000.0
_TOLD = ("n_received", "n_lost", "n_late", "n_duplicate", "n_reordered", "n_foreign", "n_malformed",
         "n_restarts", "n_kernel_drops", "n_dropped_frames")


@dataclass(frozen=True, kw_only=True)
class Plan(Wiring):
    """What is to be recorded, and the wiring to it.

    Attributes
    ----------
    out : folder and name
    n_frames : length; None until it is stopped
    camera : number, file or URL
    force : replace a recording of this name
    sidecar : who walks, and when
    """

    out: Path
    n_frames: int | None = None
    camera: str | None = None
    force: bool = False
    sidecar: Sidecar = field(default_factory=Sidecar)


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
        hardware = opened.enter_context(Hardware(plan))
        source = opened.enter_context(
            LiveSource(plan.config, plan.link, idle_timeout_s=_SILENCE_S)
        )
        session = _Session(plan, source)
        recorder = opened.enter_context(session.recorder)
        if plan.camera is not None:
            from capture.camera.film import Film

            session.film = opened.enter_context(Film(plan.camera, plan.out))
        interrupted = opened.enter_context(interrupts(source.stop))
        with hardware.running():
            session.await_packet(interrupted)
            record_stream(session.frames(), recorder)
            session.fit_clock()
        if not recorder.n_frames:
            raise RecordError("stopped before the first frame", where=plan.out)
    return session.report(interrupted, hardware.told)


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
