"""Board and radar, switched on and off in the only order that works; Ctrl-C in good order."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType

from capture.config import RadarConfig
from capture.dca1000.commands import Dca1000, Status, explain_status
from capture.dca1000.link import LinkParams
from capture.dca1000.radar_cli import RadarCli
from capture.errors import LinkError
from capture.formats.load import write_cfg

log = logging.getLogger(__name__)

_USUAL = Status.RECORD_DONE


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """How board and radar are reached, and what is sent to them.

    Attributes
    ----------
    config, link : waveform and raw format; network
    serial_port, cfg : of the radar, to configure and start it; the file to send, None to write
        one from `config`
    receive_only : send no command at all
    """

    config: RadarConfig
    link: LinkParams
    serial_port: str | None = None
    cfg: Path | None = None
    receive_only: bool = False

    @property
    def is_started_by_hand(self) -> bool:
        """Whether the user must start the radar now (the emulator starts by itself)."""
        by_itself = self.receive_only or IPv4Address(self.link.host).is_loopback
        return self.serial_port is None and not by_itself


class Hardware:
    """Board and radar, as far as commands are to be sent to them; a context manager.

    Entering stops what still runs, so that nothing old is received, and configures both.

    Attributes
    ----------
    told : what the board reported when it was stopped

    Raises
    ------
    LinkError
        On entering and starting: the board or the radar does not answer, or refuses.
    """

    def __init__(self, plan: Wiring) -> None:
        self._plan, self._opened = plan, ExitStack()
        self._board: Dca1000 | None = None
        self._radar: RadarCli | None = None
        self.told: tuple[str, ...] = ()

    def __enter__(self) -> Hardware:
        plan = self._plan
        if plan.receive_only:
            return self
        with ExitStack() as opened:
            self._board = opened.enter_context(Dca1000(plan.link))
            self._board.alive()
            attempt(self._board.stop, "stopping an old recording", logging.DEBUG)
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

    def is_alive(self) -> bool:
        """Whether the board answers."""
        try:
            if self._board is not None:
                self._board.alive()
        except LinkError:
            return False
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """The board records, and then the radar sends; both are stopped at the end."""
        with ExitStack() as started:
            if self._board is not None:
                started.callback(self._stop_board, self._board)
                self._board.start(self._radar)
            if self._radar is not None:
                started.callback(attempt, self._radar.stop, "stopping the radar")
                self._radar.start(self._board)
            yield

    def _stop_board(self, board: Dca1000) -> None:
        attempt(board.stop, "stopping the board's recording")
        told = [text for bits in board.statuses() for text in explain_status(bits & ~_USUAL)]
        self.told = tuple(dict.fromkeys(told))
        for text in self.told:
            log.warning("the board reports: %s", text)


def _configure(radar: RadarCli, plan: Wiring) -> None:
    """Send the radar its configuration: the file it came from, or one that says the same."""
    if plan.cfg is not None:
        radar.configure(plan.cfg)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "radar.cfg"
        write_cfg(path, plan.config)
        radar.configure(path)


def attempt(command: Callable[[], None], doing: str, level: int = logging.WARNING) -> None:
    """Do what a recording that is over, or not yet begun, does not hang on."""
    try:
        command()
    except LinkError as failure:
        log.log(level, "%s: %s", doing, failure)


@contextmanager
def interrupts(stop: Callable[[], None]) -> Iterator[threading.Event]:
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
