"""Strips as a page can draw them: levels of one byte each on an even grid of time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from radarid.live.snapshot import Strip

COLUMN_S = 0.02
LOST = 0  # the code of a level that was not received
LOW_DB, STEP_DB = -60.0, 0.75  # codes 1 to 255 reach from -60 dB to 130.5 dB


def encode(level_db: np.ndarray) -> np.ndarray:
    """Levels as bytes: 0 is lost, k is the level -60 dB + 0.75 dB * (k - 1).

    Parameters
    ----------
    level_db : float array; NaN is lost

    Returns
    -------
    uint8 array of the same shape; what lies outside the range of levels is brought to its ends
    """
    code = np.clip(np.rint((level_db - LOW_DB) / STEP_DB) + 1, 1, 255)
    return np.where(np.isnan(level_db), LOST, code).astype(np.uint8)


@dataclass(frozen=True)
class Part:
    """Columns of a roll that somebody has not seen yet.

    Attributes
    ----------
    head : what the page must know of them, fit for JSON
    levels : uint8 codes, column by column, each ascending along the axis
    end : number after the newest column; what to ask for next time
    """

    head: dict[str, Any]
    levels: bytes
    end: int


class Roll:
    """The newest columns of a strip on the page's grid, whose lines are multiples of 20 ms.

    Every column is made once, whatever of the strip is sent again, and is numbered.

    Parameters
    ----------
    n_columns : kept
    """

    def __init__(self, n_columns: int) -> None:
        self._columns: deque[bytes] = deque(maxlen=n_columns)
        self._axis = np.empty(0, np.float32)
        self._end = self._first = 0  # numbers of the next column, and of the first on this axis
        self._line = 0  # of the grid, of the next column

    def push(self, strip: Strip, patience_s: float) -> None:
        """Take the new columns of a strip.

        Parameters
        ----------
        strip : may repeat columns that were there before
        patience_s : distance to the nearest column of the strip from which on a column is lost
        """
        if not len(strip.time_s):
            return
        last = int(np.floor(strip.time_s[-1] / COLUMN_S))
        if last < self._line - 1 or not np.array_equal(strip.axis, self._axis):
            self._begin(strip, last)
        n_kept = self._columns.maxlen or 0
        lines = np.arange(max(self._line, last + 1 - n_kept), last + 1)
        if len(lines):
            self._columns.extend(_columns_at(strip, lines * COLUMN_S, patience_s))
            self._end += len(lines)
            self._line = last + 1

    def since(self, number: int) -> Part:
        """Columns from this number on, as far as they are still there."""
        first = max(number, self._end - len(self._columns))
        rows = list(islice(self._columns, len(self._columns) - (self._end - first), None))
        head = {
            "clear": number < self._first, "n": len(rows), "n_axis": len(self._axis),
            "n_kept": self._columns.maxlen, "column_s": COLUMN_S, "step_db": STEP_DB,
            "until_s": (self._line - 0.5) * COLUMN_S,
            "low": float(self._axis[0]) if len(self._axis) else 0.0,
            "high": float(self._axis[-1]) if len(self._axis) else 0.0,
        }  # fmt: skip
        return Part(head, b"".join(rows), self._end)

    def _begin(self, strip: Strip, last: int) -> None:
        """Forget everything: the clock went back, or the axis is another one."""
        self._columns.clear()
        self._axis = strip.axis
        self._line = min(last + 1, int(np.ceil(strip.time_s[0] / COLUMN_S)))
        self._end += 1  # a number that no column has, so that whoever saw the last one is told
        self._first = self._end


def _columns_at(strip: Strip, seconds: np.ndarray, patience_s: float) -> list[bytes]:
    """The nearest column of a strip at each time, none of which is after its last column."""
    right = np.searchsorted(strip.time_s, seconds).clip(0, len(strip.time_s) - 1)
    left = (right - 1).clip(0)
    is_left = seconds - strip.time_s[left] < strip.time_s[right] - seconds
    nearest = np.where(is_left, left, right)
    codes = encode(strip.level_db[nearest])
    codes[np.abs(strip.time_s[nearest] - seconds) > patience_s] = LOST
    return [row.tobytes() for row in codes]
