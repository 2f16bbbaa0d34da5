"""Progress bars on a terminal, silence elsewhere; logging that goes with them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
console = Console(stderr=True)
log = logging.getLogger("radarid")


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` behind a progress bar on stderr; silent when stderr is not a terminal."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        yield from bar.track(items, total=total, description=description)


class EpochBars:
    """Two bars on stderr while a network is trained: epochs with their scores, batches.

    Parameters
    ----------
    description : of the training
    n_epochs : in all
    n_done : epochs that an earlier process finished
    is_silent : show nothing, as where stderr is no terminal
    """

    def __init__(
        self, description: str, n_epochs: int, n_done: int = 0, is_silent: bool = False
    ) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[scores]}"),
        )  # fmt: skip
        is_silent = is_silent or not sys.stderr.isatty()
        self._bars = Progress(*columns, console=console, disable=is_silent)
        self._epochs = self._bars.add_task(
            description, total=n_epochs, completed=n_done, scores=""
        )
        self._steps = self._bars.add_task("batches", total=None, scores="")

    def __enter__(self) -> EpochBars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._bars.stop()

    def begin(self, n_steps: int) -> None:
        """Begin an epoch of so many batches."""
        self._bars.reset(self._steps, total=n_steps)

    def step(self, scores: str) -> None:
        """A batch is done; `scores` is shown beside the bar."""
        self._bars.update(self._steps, advance=1, scores=scores)

    def end(self, scores: str) -> None:
        """The epoch is done."""
        self._bars.update(self._epochs, advance=1, scores=scores)


def set_up_logging(level: int) -> None:
    """Send the project's log records to stderr through rich."""
    handler = RichHandler(console=console, show_time=False, show_path=False)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("radarid", "capture"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
