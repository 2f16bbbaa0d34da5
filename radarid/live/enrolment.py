"""Recordings and stores -> templates and background, as the student sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from capture.types import FrameSource
from radarid.data.store import GaitStore
from radarid.errors import GalleryError
from radarid.learn.json_file import read_json
from radarid.learn.openset import unit
from radarid.learn.student_facts import GaitStudent
from radarid.live.gallery import (
    Background,
    Gallery,
    MatchParams,
    Templates,
    no_templates,
    to_templates,
)
from radarid.live.identify import check_waveform, read_walk
from radarid.live.template_key import TemplateKey
from radarid.progress import log
from radarid.provenance import sha256_of

_READ_AT_ONCE = 256
_HASH_DIGITS = 16
_FEWEST_PEOPLE = 4
Source = Literal["never seen", "trained on"]
"""What people are to a student, see `Gallery.source`."""


def new_gallery(
    student: GaitStudent, run: Path | None, params: MatchParams,
    store_path: Path | None = None, key: TemplateKey | None = None,
) -> Gallery:
    """Make a gallery of nobody, with people to judge strangers by.

    Parameters
    ----------
    student : whose embeddings will be in it
    run : folder of its training; None needs `store_path`
    params : how people will be compared
    store_path : everybody in this gait store is in the background; None takes from the run's
        store the people that its split keeps out as outsiders, or else the validation walks of
        the people that the student was trained on
    key : protects the embeddings

    Raises
    ------
    GalleryError
        Too few people, or no store to take them from.
    StoreError
        No store, or one of other clips.
    """
    source: Source = "never seen"
    with GaitStore.open(store_path or _store_of(run)) as store:
        store.require(student.radar, student.dsp)
        if store_path is None and run is not None:
            background, source = run_background(student, run, store)
        else:
            background = _background(store, np.arange(store.n_clips), student)
    if key is not None:
        background = Background(
            key.protect(background.embedding), background.subject, background.walk
        )
    return Gallery(
        student.fingerprint, student.radar, student.dsp,
        no_templates(background.embedding.shape[1]), background, source, params,
        key.id if key else "",
    )  # fmt: skip


def _store_of(run: Path | None) -> Path:
    """Store that a run was trained on."""
    if run is None:
        raise GalleryError(
            "a new gallery needs people to judge strangers by", remedy="--background STORE of them"
        )
    return Path(read_json(run / "config.json")["store"])


def run_background(
    student: GaitStudent, run: Path, store: GaitStore
) -> tuple[Background, Source]:
    """People of a run's store to judge strangers by, and what they are to the student.

    Its outsiders, and, where these are too few, also the validation walks of the people that it
    was trained on.

    Raises
    ------
    GalleryError
        Nobody is left, or the store has changed since the training.
    """
    source: Source = "never seen"
    rows = _part(run, store, "outsiders")
    if len(set(store.table().subject[rows])) < _FEWEST_PEOPLE:
        source, rows = "trained on", np.union1d(rows, _part(run, store, "val"))
        log.warning(
            "strangers are judged by people that the student was trained on, so more of "
            "them will be accepted than stated; better: --background STORE of others"
        )
    return _background(store, rows, student), source


def _part(run: Path, store: GaitStore, part: str) -> np.ndarray:
    """Rows of a part of the run's split, int64; refuses a store that has changed since."""
    split = read_json(run / "split.json")
    rows = np.array(split["rows"][part], np.int64)
    names, recording = [entry.name for entry in store.recordings()], store.table().recording
    known = rows < store.n_clips
    found = sorted({names[k] for k in recording[rows[known]]})
    if not known.all() or found != split["recordings"][part]:
        raise GalleryError(
            "the store has changed since the training", where=store.path,
            got=f"other recordings in the part '{part}'", remedy="--background STORE of others",
        )
    return rows


def _background(store: GaitStore, rows: np.ndarray, student: GaitStudent) -> Background:
    if not len(rows):
        raise GalleryError(
            "nobody is left to judge strangers by", where=store.path, remedy="--background STORE"
        )
    table = store.table()
    walk = np.unique(table.recording[rows], return_inverse=True)[1].astype(np.int64)
    embeddings = unit(embed_clips(store, rows, student)).astype(np.float32)
    return Background(embeddings, table.subject[rows], walk)


def embed_clips(store: GaitStore, rows: np.ndarray, student: GaitStudent) -> np.ndarray:
    """Embeddings of clips of a store, float32 (n, d); `rows` int64 (n,) of its table, n > 0."""
    read = store.read_layers if student.input.channels == "stack" else store.read_clips
    return np.concatenate([
        student.embed(read(rows[start : start + _READ_AT_ONCE]))[0]
        for start in range(0, len(rows), _READ_AT_ONCE)
    ])  # fmt: skip


def enroll_recording(
    source: FrameSource, student: GaitStudent, subject: str, session: str,
    key: TemplateKey | None = None,
) -> Templates:  # fmt: skip
    """Make a person's templates of one walk.

    Parameters
    ----------
    source : frames of the walk, from a file
    student : that embeds
    subject, session : whose walk, and on which day
    key : of the gallery they are for

    Raises
    ------
    RunError
        The recording has another waveform than the student was trained on.
    GalleryError
        There is not enough signal in it, or several people walk.
    """
    check_waveform(source, student)
    walk = read_walk(source, student)
    if not walk.clips:
        raise GalleryError(
            "not enough signal to enroll anybody", where=source.info.name, got=walk.reason,
            remedy="take a recording in which the person walks for some seconds",
        )
    n_walkers = len({clip.track for clip in walk.clips})
    if student.dsp.max_walkers > 1 and n_walkers > 1:
        raise GalleryError(
            "nobody knows which of them is to be enrolled", where=source.info.name,
            got=f"{n_walkers} walkers", remedy="take a recording of the person alone",
        )
    embeddings = student.embed(np.stack([clip.layers for clip in walk.clips]))[0]
    if key is not None:
        embeddings = key.protect(embeddings)
    digest = sha256_of(source.info.paths)[:_HASH_DIGITS]
    return to_templates(
        embeddings, [clip.direction for clip in walk.clips], subject, session, digest
    )


def combine(walks: Sequence[Templates]) -> Templates:
    """All templates of some walks, at least one."""
    first, *rest = walks
    for each in rest:
        first = first + each
    return first
