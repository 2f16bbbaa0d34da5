"""The parts of a split recording as one byte stream, in the order of their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from capture.errors import LayoutError

_SPLIT = re.compile(r"(.*_Raw)_(\d+)")


class ByteStream:
    """Several files as one read-only byte stream.

    Parameters
    ----------
    paths : files in stream order; empty ones are allowed

    Raises
    ------
    LayoutError
        A file cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        try:
            sizes = [path.stat().st_size for path in paths]
            self._maps = [
                np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
                for path, size in zip(paths, sizes, strict=True)
            ]
        except OSError as failure:
            raise LayoutError(
                f"cannot be read: {failure.strerror}", where=failure.filename
            ) from None
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes

    def __len__(self) -> int:
        return int(self._ends[-1])

    def words(self, start: int, n_words: int) -> np.ndarray:
        """`n_words` little-endian int16 from byte `start` on; a view where one file has them."""
        stop = start + 2 * n_words
        parts = [
            file[max(start - begin, 0) : stop - begin]
            for file, begin, end in zip(self._maps, self._starts, self._ends, strict=True)
            if begin < stop and end > start
        ]
        raw = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, np.uint8)])
        return np.require(raw.view(np.ndarray).view("<i2"), np.int16, "A")


def in_order(paths: Path | str | Sequence[Path | str]) -> tuple[Path, ...]:
    """The files in stream order: by the number at the end of the stem, `_10` after `_9`."""
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    files = [Path(path) for path in given]
    if not files:
        raise LayoutError("no file given")
    if len(files) == 1:
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
    return tuple(order[number] for number in sorted(order))


def group_split_files(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Group `<name>_Raw_<n>.bin` files, the recorders' split parts, into one tuple a recording.

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
