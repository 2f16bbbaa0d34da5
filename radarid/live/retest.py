"""Students that should be one and the same, on the test part of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radarid.data.store import GaitStore
from radarid.errors import RadaridError
from radarid.learn import openset
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_facts import GaitStudent
from radarid.learn.training_data import split_and_label
from radarid.progress import track

_READ_AT_ONCE = 64


@dataclass(frozen=True)
class Trial:
    """Clips that a run is tested on, and those that enrol its people.

    Attributes
    ----------
    clips : uint8 array, shape (n, size, size) or (n, 3, size, size)
    labels : int64 array, shape (n,)
    captures : int64 array, shape (n,), the recording each clip comes from
    enrolling : clips of the people who are enrolled after the training; none where the logits
        know the people
    enrolled : int64 array, their labels
    """

    clips: np.ndarray
    labels: np.ndarray
    captures: np.ndarray
    enrolling: np.ndarray
    enrolled: np.ndarray


@dataclass(frozen=True)
class Scores:
    """What a student makes of a test part.

    Attributes
    ----------
    clips, walks : share that is named rightly, by logits; people who were enrolled after the
        training by likeness to their templates
    logit_difference : largest, from the first student's
    least_cosine : of an embedding and the first student's
    """

    clips: float
    walks: float
    logit_difference: float
    least_cosine: float


def read_trial(run: Path, student: GaitStudent, most: int | None = None) -> Trial | str:
    """Read the test clips of a run as they are, without what a training may take from them.

    Parameters
    ----------
    run : folder of a finished training
    student : of that run
    most : take so many at most, evenly spread

    Returns
    -------
    Trial, or why there is none: the store is gone, or has changed
    """
    folder = RunFolder(run)
    try:
        config = folder.read_config()
        with GaitStore.open(folder.store_path()) as store:
            folder.check_store(store)
            table, split = split_and_label(store, config)
            folder.write_split(store, split)
            is_disjoint = split.params.protocol == "subject"
            subjects = split.subjects["test"] if is_disjoint else student.subjects
            rows = split.test[np.isin(table.subject[split.test], subjects)]
            if most is not None and len(rows) > most:
                rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
            if not len(rows):
                return "no clip is left for a test"
            enrol = split.enroll if is_disjoint else rows[:0]
            read = store.read_layers if student.input.channels == "stack" else store.read_clips

            def labels(which: np.ndarray) -> np.ndarray:
                return np.searchsorted(subjects, table.subject[which]).astype(np.int64)

            return Trial(
                read(rows), labels(rows), table.recording[rows], read(enrol), labels(enrol)
            )
    except RadaridError as failure:
        return str(failure)


def retest(part: Trial, students: Mapping[str, GaitStudent]) -> dict[str, Scores]:
    """Score several students on the same clips; the first is what the others are held against."""
    found: dict[str, Scores] = {}
    first: tuple[np.ndarray, np.ndarray] | None = None
    for name, student in students.items():
        embeddings, logits = _embed(student, part.clips, name)
        own, known = first = first or (embeddings, logits)
        cosines = (openset.unit(own) * openset.unit(embeddings)).sum(1)
        clips, walks = _accuracy(part, student, embeddings, logits)
        found[name] = Scores(
            clips, walks, float(np.abs(logits - known).max()), float(cosines.min())
        )
    return found


def _embed(student: GaitStudent, clips: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and logits of many clips, behind a progress bar."""
    starts = range(0, len(clips), _READ_AT_ONCE)
    pieces = [student.embed(clips[k : k + _READ_AT_ONCE]) for k in track(starts, what)]
    return np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces])


def _accuracy(
    part: Trial, student: GaitStudent, embeddings: np.ndarray, logits: np.ndarray
) -> tuple[float, float]:
    scores, (walks, first) = logits, openset.walk_means(logits, part.captures)
    if len(part.enrolled):
        enrolling = _embed(student, part.enrolling, "enrolment")[0]
        people = openset.templates(enrolling, part.enrolled, int(part.enrolled.max()) + 1)
        scores = openset.scores(embeddings, people)
        walks = openset.scores(
            openset.walk_means(openset.unit(embeddings), part.captures)[0], people
        )
    right = scores.argmax(1) == part.labels
    return float(right.mean()), float((walks.argmax(1) == part.labels[first]).mean())
