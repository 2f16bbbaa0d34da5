"""The log of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from radarid.errors import TrainError


class EventLog:
    """Writes lines of metrics.jsonl as TensorBoard's scalars.

    Parameters
    ----------
    folder : of the event files
    first_epoch : what was written of this epoch and later ones is dropped

    Raises
    ------
    TrainError
        TensorBoard is not installed.
    """

    def __init__(self, folder: Path, first_epoch: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as failure:
            raise TrainError(
                "TensorBoard is not installed", got=str(failure),
                remedy="pip install tensorboard, or --set runtime.log_tensorboard=false",
            ) from None
        self._writer: Any = SummaryWriter(str(folder), purge_step=first_epoch)

    def write(self, line: Mapping[str, Any]) -> None:
        """Write every number of an epoch's line; tables become "table/name"."""
        for name, value in _numbers(line):
            self._writer.add_scalar(name, value, line["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def _numbers(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and name != "epoch":
            yield prefix + name, float(value)
