"""One byte stream over several files of a fixed length, written from front to back."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO

from capture.errors import RecordError

PART_BYTES = (1 << 30) // 1456 * 1456
"""Where TI's recorder goes on in the next file: whole packets in a gibibyte (e2e 900487)."""


def part_path(out: Path, number: int) -> Path:
    """`OUT_Raw_<number>.bin`, as TI's recorder calls the parts."""
    return out.with_name(f"{out.name}_Raw_{number}.bin")


class PartWriter:
    """Write a byte stream to `OUT_Raw_0.bin`, `OUT_Raw_1.bin`, ...; skipped bytes are zeros.

    One thread writes, and another may `sync` at the same time.

    Parameters
    ----------
    out : folder and name
    part_bytes : length of every file but the last

    Attributes
    ----------
    paths : files begun so far
    """

    def __init__(self, out: Path, part_bytes: int = PART_BYTES) -> None:
        self.paths: list[Path] = []
        self._out, self._part_bytes = out, part_bytes
        self._open: list[BinaryIO] = []  # the file in hand, and before it those not yet on disk
        self._lock = threading.Lock()
        self._begin_part()

    def write(self, position: int, data: memoryview) -> None:
        """Write bytes at a position of the stream, which never goes back.

        Raises
        ------
        OSError
            The disk does not take them.
        """
        while len(data):
            file, offset = self._part_at(position)
            file.seek(offset)
            n_written = file.write(data[: self._part_bytes - offset]) or 0
            position, data = position + n_written, data[n_written:]

    def end_at(self, n_bytes: int) -> None:
        """Make the stream `n_bytes` long, with zeros or by cutting off what is beyond."""
        last = max(-(-n_bytes // self._part_bytes) - 1, 0)
        while len(self.paths) <= last:
            self._begin_part()
        with self._lock:
            while len(self.paths) > last + 1:
                self._open.pop().close()
                self.paths.pop().unlink()
                if not self._open:
                    self._open.append(self.paths[-1].open("r+b", buffering=0))
            self._open[-1].truncate(n_bytes - last * self._part_bytes)

    def sync(self) -> None:
        """Wait until all that was written before the call is on the disk."""
        with self._lock:
            files = list(self._open)
        for file in files:
            os.fsync(file.fileno())
        with self._lock:
            for file in [f for f in files if f in self._open[:-1]]:
                self._open.remove(file)
                file.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._open:
            file.close()

    def _part_at(self, position: int) -> tuple[BinaryIO, int]:
        number, offset = divmod(position, self._part_bytes)
        while len(self.paths) <= number:
            self._begin_part()
        return self._open[-1], offset

    def _begin_part(self) -> None:
        path = part_path(self._out, len(self.paths))
        if self.paths:
            self._open[-1].truncate(self._part_bytes)
        try:
            file = path.open("xb", buffering=0)
        except FileExistsError:
            raise RecordError("this file came into being while recording", where=path) from None
        with self._lock:
            self._open.append(file)
        self.paths.append(path)
