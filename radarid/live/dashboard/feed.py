"""Snapshots -> messages to pages, each of which gets what it has not seen yet."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from radarid.live.dashboard.roll import COLUMN_S, Roll
from radarid.live.snapshot import Snapshot, TrackDecision

SHOWN_S = 10.0
N_VISITS = 200
TRACE_S, N_TRACE = 1.0, 600
"""The reception is noted every second, for ten minutes."""


@dataclass(frozen=True)
class Visit:
    """Somebody who walked by, and who that was, as last decided.

    Attributes
    ----------
    decision : the last one that rests on clips
    began_s, ended_s : times of the first and of the last decision, seconds since 1970
    since_s : start of the first clip, seconds of the radar's clock
    change : number of the last change of any visit
    """

    decision: TrackDecision
    began_s: float
    ended_s: float
    since_s: float
    change: int


@dataclass
class Cursor:
    """What a page has seen: numbers of the next column, change of a visit, and note."""

    range_time: int = -1
    spectrogram: int = -1
    change: int = 0
    trace: int = 0


class Feed:
    """Everything that a page may show, in bounded memory.

    Neither embeddings nor anything else of a clip but its decision ever gets into a message.
    """

    def __init__(self) -> None:
        n_columns = round((SHOWN_S + 0.5) / COLUMN_S)  # a page is a little behind
        self.range_time, self.spectrogram = Roll(n_columns), Roll(n_columns)
        self._visits: dict[int, Visit] = {}
        self._trace: deque[list[float | None]] = deque(maxlen=N_TRACE)
        self._n_changes = self._n_traced = 0
        self._traced_s = -math.inf
        self._newest: Snapshot | None = None

    @property
    def n_seen(self) -> int:
        """Number after the newest snapshot; 0 before the first."""
        return self._newest.number + 1 if self._newest else 0

    def push(self, snapshot: Snapshot) -> None:
        """Take a snapshot."""
        self._newest = snapshot
        frames_s = snapshot.range_time.time_s
        patience_s = float(np.median(np.diff(frames_s))) if len(frames_s) > 1 else COLUMN_S
        self.range_time.push(snapshot.range_time, patience_s)
        self.spectrogram.push(snapshot.spectrogram, patience_s)
        for decision in snapshot.decisions:
            if decision.track >= 0 and decision.n_clips:
                self._note_visit(decision, snapshot.wall_s)
        if abs(snapshot.wall_s - self._traced_s) >= TRACE_S:
            self._traced_s = snapshot.wall_s
            latency_ms = snapshot.latency_ms.get("decision", math.nan)
            self._trace.append([snapshot.wall_s, _number(snapshot.health.recent_loss),
                                _number(latency_ms), _number(snapshot.health.cpu_share)])
            self._n_traced += 1

    def message(self, cursor: Cursor) -> bytes | None:
        """What is new to a page, whose cursor goes on; None before the first snapshot.

        Returns
        -------
        bytes
            Length of the JSON text as a little-endian uint32, the text, and then the levels of
            both rolls, column by column.
        """
        snapshot = self._newest
        if snapshot is None:
            return None
        distance = self.range_time.since(cursor.range_time)
        velocity = self.spectrogram.since(cursor.spectrogram)
        n_new = min(self._n_traced - cursor.trace, len(self._trace))
        head = {
            "number": snapshot.number, "time_s": snapshot.time_s, "wall_s": snapshot.wall_s,
            "shown_s": SHOWN_S, "range_time": distance.head, "spectrogram": velocity.head,
            "decisions": [_plain(asdict(each)) for each in snapshot.decisions],
            "visits": [_visit(each) for each in self._visits.values()
                       if each.change > cursor.change],
            "trace": list(islice(self._trace, len(self._trace) - n_new, None)),
            "health": _plain(asdict(snapshot.health)), "latency_ms": _plain(snapshot.latency_ms),
            "threshold": _number(snapshot.threshold), "subjects": list(snapshot.subjects),
        }  # fmt: skip
        cursor.range_time, cursor.spectrogram = distance.end, velocity.end
        cursor.change, cursor.trace = self._n_changes, self._n_traced
        text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
        return len(text).to_bytes(4, "little") + text + distance.levels + velocity.levels

    def _note_visit(self, decision: TrackDecision, wall_s: float) -> None:
        before = self._visits.get(decision.track)
        if before is not None and before.decision == decision:
            return
        self._n_changes += 1
        began_s, since_s = wall_s, decision.since_s
        if before is not None:
            began_s, since_s = before.began_s, min(before.since_s, since_s)
        self._visits[decision.track] = Visit(decision, began_s, wall_s, since_s, self._n_changes)
        if len(self._visits) > N_VISITS:
            del self._visits[min(self._visits, key=lambda track: self._visits[track].change)]


def _visit(visit: Visit) -> dict[str, Any]:
    return _plain(asdict(visit.decision)) | {
        "began_s": visit.began_s, "ended_s": visit.ended_s, "since_s": visit.since_s
    }  # fmt: skip


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """Values for JSON, which knows no NaN."""
    return {
        name: _number(value) if isinstance(value, float) else value
        for name, value in table.items()
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
