"""The parts of a split recording as one byte stream, in the order of their numbers."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from capture.errors import LayoutError
from capture.types import Gap

_SPLIT = re.compile(r"(.*_(?:Raw|hdr_0ADC))_(\d+)")


class PayloadStream(Protocol):
    """What the radar sent, as bytes from its first one on."""

    def __len__(self) -> int:
        """Bytes from the first to the last one known."""
        ...

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Stretches that were never received, ascending; they read as zeros."""
        ...

    def words(self, start: int, n_words: int) -> np.ndarray:
        """`n_words` int16 from byte `start` on."""
        ...


class ByteStream:
    """Several files as one read-only byte stream.

    Bytes are read when they are asked for, and no memory is kept. The files stay open as long as
    the stream lives. Any number of threads may read.

    Parameters
    ----------
    paths : files in stream order; empty ones are allowed

    Raises
    ------
    LayoutError
        A file cannot be read.
    """

    gaps: tuple[Gap, ...] = ()

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._files: list[int] = []
        weakref.finalize(self, _close, self._files)
        sizes = []
        for path in paths:
            try:
                self._files.append(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
                sizes.append(os.lseek(self._files[-1], 0, os.SEEK_END))
            except OSError as failure:
                raise LayoutError(f"cannot be read: {failure.strerror}", where=path) from None
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._starts = self._ends - sizes

    def __len__(self) -> int:
        return int(self._ends[-1])

    def place_of(self, position: int) -> str:
        """File and byte in it of a stream position, for people."""
        part = min(int(np.searchsorted(self._ends, position, "right")), len(self._paths) - 1)
        return f"{self._paths[part]}, byte {position - int(self._starts[part])}"

    def file_at(self, start: int, n_bytes: int) -> tuple[int, int] | None:
        """Open file and place in it of a stretch, None if it is not all in one file."""
        part = int(np.searchsorted(self._ends, start, "right"))
        if part == len(self._files) or start + n_bytes > self._ends[part]:
            return None
        return self._files[part], start - int(self._starts[part])

    def read(self, start: int, n_bytes: int) -> np.ndarray:
        """`n_bytes` from byte `start` on, uint8.

        Raises
        ------
        LayoutError
            The stream ends before, or a file has shrunk since it was opened.
        """
        raw = np.empty(n_bytes, np.uint8)
        into = memoryview(raw)  # type: ignore[arg-type]
        n_read, part = 0, int(np.searchsorted(self._ends, start, "right"))
        while n_read < n_bytes and part < len(self._files):
            place = start + n_read - int(self._starts[part])
            wanted = min(n_bytes - n_read, int(self._ends[part] - self._starts[part]) - place)
            n_read += self._read_part(part, place, into[n_read : n_read + wanted])
            part += 1
        if n_read < n_bytes:
            raise LayoutError(
                "the recording ends too early",
                where=self._paths[-1],
                got=f"{n_read} bytes from byte {start} on",
                expected=f"{n_bytes} bytes",
            )
        return raw

    def _read_part(self, part: int, place: int, into: memoryview) -> int:
        """Bytes of one file; how many there were."""
        n_read = 0
        try:
            while n := os.preadv(self._files[part], [into[n_read:]], place + n_read):
                n_read += n
        except OSError as failure:
            where = self._paths[part]
            raise LayoutError(f"cannot be read: {failure.strerror}", where=where) from None
        return n_read

    def words(self, start: int, n_words: int) -> np.ndarray:
        """`n_words` little-endian int16 from byte `start` on."""
        return np.asarray(self.read(start, 2 * n_words).view("<i2"), np.int16)


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)


def in_order(paths: Path | str | Sequence[Path | str]) -> tuple[Path, ...]:
    """The files in stream order: by the number at the end of the stem, `_10` after `_9`.

    Raises
    ------
    LayoutError
        No file, names without different numbers, or a part that is missing, the first included.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    files = [Path(path) for path in given]
    if not files:
        raise LayoutError("no file given")
    if len(files) == 1:
        _refuse_later_part(files[0])
        return tuple(files)
    numbers = [re.search(r"_(\d+)$", path.stem) for path in files]
    order = {int(match[1]): path for match, path in zip(numbers, files, strict=True) if match}
    if len(order) < len(files):
        raise LayoutError(
            "the parts of a split recording must end in different numbers",
            got=", ".join(path.name for path in files),
            expected="names such as adc_data_Raw_0.bin, adc_data_Raw_1.bin",
        )
    if sorted(order) != list(range(min(order), min(order) + len(order))):
        raise LayoutError("a part of the split recording is missing", got=sorted(order))
    _refuse_later_part(order[min(order)])
    return tuple(order[number] for number in sorted(order))


def _refuse_later_part(first: Path) -> None:
    match = _SPLIT.fullmatch(first.stem)
    if match and int(match[2]):
        raise LayoutError(
            f"part {match[2]} of a split recording without the parts before it",
            where=first,
            expected=f"the recording to start with {match[1]}_0{first.suffix}",
            remedy="pass all parts; or, if this is a recording of its own, give it another name",
        )


def group_split_files(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Group `<name>_Raw_<n>.bin` and `<name>_hdr_0ADC_<n>.bin` files into one tuple a recording.

    Every other file is a recording of its own. Groups keep the order of their first files; parts
    are in numeric order. That none is missing is checked when they are opened.
    """
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        match = _SPLIT.fullmatch(path.stem)
        groups.setdefault(path.with_name(match[1]) if match else path, []).append(path)
    return [tuple(sorted(group, key=_part_number)) for group in groups.values()]


def _part_number(path: Path) -> int:
    match = _SPLIT.fullmatch(path.stem)
    return int(match[2]) if match else 0
