"""Board and radar that are kept running: set up anew whenever they fall silent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType

from capture.dca1000.commands import MISALIGNED
from capture.errors import LinkError
from radarid.live.hardware import Hardware, Wiring

log = logging.getLogger(__name__)

_STEP_S = 0.2
_MOST_PATIENCE_S = 15.0


class Supervisor:
    """Starts board and radar, and starts them again when no packet comes; a context manager.

    After each attempt it is twice as patient, up to 15 s. A board whose radar is started by hand
    is left alone while it answers, since it waits for the radar and must not begin inside a
    frame.

    Parameters
    ----------
    wiring : how they are reached
    silence_s : called for the time since the last packet, None before the first
    patience_s : silence that is borne; over 2 s, since the board holds back what fills no packet

    Attributes
    ----------
    is_starting : whether it is setting them up anew right now
    n_recoveries : how often that worked

    Raises
    ------
    LinkError
        On entering: the board or the radar does not answer. Later ones are logged.
    """

    def __init__(
        self, wiring: Wiring, silence_s: Callable[[], float | None], patience_s: float
    ) -> None:
        self._wiring, self._silence_s, self._patience_s = wiring, silence_s, patience_s
        self.is_starting, self.n_recoveries = False, 0
        self._running = ExitStack()
        self._hardware: Hardware | None = None
        self._started_s = 0.0
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, "radarid-supervisor")
        self._work: Future[None] | None = None

    def __enter__(self) -> Supervisor:
        self._start()
        if self._wiring.is_started_by_hand:
            log.info("the board records: start the radar now")
        self._work = self._thread.submit(self._watch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.shutdown()
        self._running.close()

    def check(self) -> None:
        """Raise whatever ended the watch, if anything did."""
        if self._work is not None and self._work.done():
            self._work.result()

    def _watch(self) -> None:
        patience_s, has_failed = self._patience_s, False
        while not self._closing.wait(_STEP_S):
            quiet_s = self._quiet_s()
            if quiet_s < _STEP_S:
                patience_s, has_failed = self._patience_s, False
            if quiet_s < patience_s or self._waits_for_hand():
                continue
            if not has_failed:
                log.warning("no packet for %.1f s: board and radar are set up anew", quiet_s)
            try:
                self._start_again()
            except LinkError as failure:
                log.log(logging.DEBUG if has_failed else logging.WARNING, "%s", failure)
                has_failed = True
            patience_s = min(2 * patience_s, _MOST_PATIENCE_S)

    def _quiet_s(self) -> float:
        """Time since the last packet, or since they were last started."""
        since_start_s = time.monotonic() - self._started_s
        silence_s = self._silence_s()
        return since_start_s if silence_s is None else min(silence_s, since_start_s)

    def _waits_for_hand(self) -> bool:
        """Whether the board is well, and its radar must be started by hand."""
        by_hand = self._wiring.is_started_by_hand and self._hardware is not None
        return by_hand and self._hardware is not None and self._hardware.is_alive()

    def _start_again(self) -> None:
        self.is_starting = True
        try:
            self._hardware = None
            self._running.close()
            self._start()
            self.n_recoveries += 1
            log.info("board and radar answer again")
            if self._wiring.is_started_by_hand:
                log.warning("start the radar anew, too: %s", MISALIGNED)
        finally:
            self._started_s = time.monotonic()
            self.is_starting = False

    def _start(self) -> None:
        with ExitStack() as started:
            hardware = started.enter_context(Hardware(self._wiring))
            started.enter_context(hardware.running())
            self._running = started.pop_all()
        self._hardware, self._started_s = hardware, time.monotonic()
