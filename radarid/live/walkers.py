"""Who is there now: each walker's clips of the last seconds, and what they say together."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from radarid.dsp.clips import Clip
from radarid.live.identify import Decider
from radarid.live.snapshot import ClipDecision, TrackDecision


@dataclass
class _Walker:
    """One walker, while it is seen."""

    number: int
    clips: deque[tuple[ClipDecision, np.ndarray]] = field(default_factory=deque)
    decision: TrackDecision | None = None


class Walkers:
    """Decides on each clip, and on each walker from the clips of a sliding window.

    Parameters
    ----------
    decider : student, and gallery if any
    clip_s : length of a clip
    window_s : how far back the clips of a decision may begin before the newest one's end
    forget_s : without a good clip for so long, whoever comes is somebody new
    """

    def __init__(
        self, decider: Decider, clip_s: float, window_s: float, forget_s: float
    ) -> None:
        self._decider, self._clip_s = decider, clip_s
        self._window_s, self._forget_s = window_s, forget_s
        self._numbers = itertools.count()
        self._walkers: dict[int, _Walker] = {}

    def decide(self, clip: Clip, embeddings: np.ndarray, logits: np.ndarray) -> ClipDecision:
        """Take a good clip, embedded: its own decision; the walker's is brought up to date.

        Parameters
        ----------
        clip : of one walker
        embeddings, logits : float32 arrays, shape (1, d) and (1, n_subjects)
        """
        self.forget(clip.start_s)
        walker = self._walkers.get(clip.track)
        if walker is None:
            walker = self._walkers[clip.track] = _Walker(next(self._numbers))
        one = self._decider.decide(embeddings, logits)
        decision = ClipDecision(
            walker.number, clip.start_s, clip.quality, clip.direction, clip.range_m,
            one.subject or "unknown", one.best, one.score, one.second, embeddings[0],
        )  # fmt: skip
        walker.clips.append((decision, logits))
        oldest_s = clip.start_s + self._clip_s - self._window_s
        while walker.clips[0][0].start_s < oldest_s - 1e-9 and len(walker.clips) > 1:
            walker.clips.popleft()
        walker.decision = self._together(walker)
        return decision

    def forget(self, now_s: float) -> None:
        """Drop walkers who had no good clip since `forget_s` before `now_s`."""
        for track, walker in list(self._walkers.items()):
            if now_s - self._stop_s(walker) > self._forget_s:
                del self._walkers[track]

    def forget_all(self) -> None:
        """Nobody is there any more."""
        self._walkers.clear()

    @property
    def decisions(self) -> tuple[TrackDecision, ...]:
        """Who is there, in order of appearance."""
        found = [each.decision for each in self._walkers.values() if each.decision is not None]
        return tuple(sorted(found, key=lambda decision: decision.track))

    def _stop_s(self, walker: _Walker) -> float:
        return walker.clips[-1][0].start_s + self._clip_s

    def _together(self, walker: _Walker) -> TrackDecision:
        clips = [decision for decision, _ in walker.clips]
        whole = self._decider.decide(
            np.stack([clip.embedding for clip in clips]),
            np.concatenate([logits for _, logits in walker.clips]),
        )
        return TrackDecision(
            walker.number, whole.subject or "unknown", whole.best, whole.score, whole.second,
            len(clips), clips[0].start_s, self._stop_s(walker), clips[-1].direction,
            clips[-1].range_m,
        )  # fmt: skip
