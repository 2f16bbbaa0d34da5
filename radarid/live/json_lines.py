"""Live identification as JSON lines: one for each news, and one a few seconds."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any, TextIO

from radarid.live.snapshot import Snapshot

_EVERY_S = 5.0


class JsonLines:
    """Writes snapshots that tell of a clip, another answer or another state; a listener.

    Parameters
    ----------
    out : to write to; every line is flushed
    every_s : a line at least so often, while there are snapshots
    """

    def __init__(self, out: TextIO, every_s: float = _EVERY_S) -> None:
        self._out, self._every_s = out, every_s
        self._told: tuple[object, ...] = ()
        self._told_s = -math.inf

    def __call__(self, snapshot: Snapshot) -> None:
        """Write a line if there is something to tell."""
        answers = tuple((one.track, one.answer, one.reason) for one in snapshot.decisions)
        told = (snapshot.health.state, answers)
        is_due = snapshot.wall_s - self._told_s >= self._every_s
        if snapshot.clips or told != self._told or is_due:
            self._told, self._told_s = told, snapshot.wall_s
            self._out.write(json.dumps(as_table(snapshot)) + "\n")
            self._out.flush()


def as_table(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot for JSON: without its pictures and embeddings, and null for what is unknown."""
    clips = [asdict(clip) for clip in snapshot.clips]
    for clip in clips:
        del clip["embedding"]
    table = {
        "time_s": snapshot.time_s,
        "wall_s": snapshot.wall_s,
        "decisions": [asdict(decision) for decision in snapshot.decisions],
        "clips": clips,
        "health": asdict(snapshot.health),
        "latency_ms": dict(snapshot.latency_ms),
        "threshold": snapshot.threshold,
        "precision": snapshot.precision,
    }
    return _without_nan(table)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
