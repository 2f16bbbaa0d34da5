"""From the radar to the identifier, for days: receiving, silences, recovery, recording."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from capture.dca1000.frame_buffer import RawFrame
from capture.errors import LinkError
from capture.file.framing import adc_frame
from capture.udp.live import LiveSource
from radarid.live.engine import LiveIdentifier
from radarid.live.hardware import Wiring, interrupts
from radarid.live.pieces import Pieces
from radarid.live.reception import Reception
from radarid.live.recovery import Supervisor
from radarid.live.snapshot import Health

log = logging.getLogger(__name__)

_WAIT_S = 0.1
_REOPEN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class LivePlan(Wiring):
    """How live identification is wired, and what it bears.

    Attributes
    ----------
    record : folder to keep the raw stream in; None keeps nothing
    flush_s : silence after which what is left is decided on; over 2 s, since the board holds
        back what fills no packet
    patience_s : silence after which board and radar are set up anew
    """

    record: Path | None = None
    flush_s: float = 2.5
    patience_s: float = 4.0


class LiveSession:
    """Brings frames to an identifier until it is stopped.

    Parameters
    ----------
    plan : wiring and patience
    identifier : of the same waveform

    Raises
    ------
    LinkError
        When it begins: an address is not this machine's, a port is taken, or board or radar do
        not answer. What fails later is logged and tried again.
    RecordError
        The stream is to be kept, and the disk does not take it.
    """

    def __init__(self, plan: LivePlan, identifier: LiveIdentifier) -> None:
        self._plan, self._identifier = plan, identifier
        self._source = self._new_source()
        self._reception = Reception()
        self._supervisor: Supervisor | None = None
        self._pieces: Pieces | None = None
        self._stopping = threading.Event()
        self._has_flushed = True
        self._base = 0  # added to the indices of this source, which begin at 0
        self._next_index, self._last_s = 0, time.monotonic()
        identifier.health = self.health

    def stop(self) -> None:
        """End in good order, from any thread."""
        self._stopping.set()
        self._source.stop()

    def run(self) -> None:
        """Identify until `stop`, Ctrl-C or a request to end; decide on what is left then."""
        with ExitStack() as opened:
            if self._plan.record is not None:
                self._pieces = opened.enter_context(Pieces(self._plan.record, self._plan.config))
            opened.callback(self._close_source)
            self._source.__enter__()
            opened.enter_context(interrupts(self.stop))
            if not self._plan.receive_only:
                supervisor = Supervisor(self._plan, self._silence_s, self._plan.patience_s)
                self._supervisor = opened.enter_context(supervisor)
            link = self._plan.link
            log.info("listening on UDP %s:%d", link.host, link.data_port)
            while self._turn():
                pass
            self._identifier.flush()

    def health(self) -> Health:
        """State of the reception now."""
        supervisor = self._supervisor
        is_starting = supervisor is not None and supervisor.is_starting
        n_recoveries = supervisor.n_recoveries if supervisor is not None else 0
        return self._reception.health(
            self._source, is_starting=is_starting, n_recoveries=n_recoveries
        )

    def _turn(self) -> bool:
        """Take what came, or note that nothing did; False when it is over."""
        try:
            frames = self._source.take(_WAIT_S)
        except LinkError as failure:
            self._reopen(failure)
            return not self._stopping.is_set()
        if self._supervisor is not None:
            self._supervisor.check()
        if frames is None:
            return False
        if frames:
            self._push(frames)
        else:
            silence_s = self._silence_s() or 0.0
            if silence_s > self._plan.flush_s and not self._has_flushed:
                self._flush()
            self._identifier.tick()
        return True

    def _push(self, frames: list[RawFrame]) -> None:
        layout = self._source.info.layout
        self._has_flushed, self._last_s = False, time.monotonic()
        self._next_index = self._base + frames[-1].index + 1
        self._identifier.push(
            [
                adc_frame(raw.data.view("<i2"), raw.lost, self._plan.config, layout,
                          self._base + raw.index)
                for raw in frames
            ],
            frames[-1].last_ns,
        )  # fmt: skip
        if self._pieces is not None:
            for raw in frames:
                self._pieces.write(raw)

    def _flush(self) -> None:
        self._has_flushed = True
        self._identifier.flush()
        if self._pieces is not None:
            self._pieces.cut()

    def _reopen(self, failure: LinkError) -> None:
        """Bind to the port again, as often as it takes; indices go on by the clock."""
        log.warning("%s; the port is opened anew", failure)
        self._flush()
        self._reception.close(self._source)
        while not self._stopping.wait(_REOPEN_S):
            try:
                self._close_source()
                source = self._new_source()
                source.__enter__()
            except LinkError as again:
                log.debug("%s", again)
                self._identifier.tick()
                continue
            self._source = source
            break
        n_periods = (time.monotonic() - self._last_s) / self._plan.config.frame_period_s
        self._base = self._next_index + 1 + round(n_periods)
        if self._stopping.is_set():
            self._source.stop()

    def _new_source(self) -> LiveSource:
        return LiveSource(self._plan.config, self._plan.link, idle_timeout_s=None)

    def _close_source(self) -> None:
        self._source.__exit__(None, None, None)

    def _silence_s(self) -> float | None:
        return self._source.silence_s
