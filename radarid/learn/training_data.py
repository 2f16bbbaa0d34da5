"""What the trainer holds in memory: clips, labels, and for each clip the faces it may meet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radarid import seeding
from radarid.data.pairs import FacePairs
from radarid.data.splits import Split, make_split
from radarid.data.store import GaitStore
from radarid.data.tables import ClipTable, FaceTable, Group
from radarid.errors import TrainError
from radarid.learn.config import FaceUse, TrainConfig
from radarid.learn.degrade import DegradeParams, as_tested
from radarid.learn.face_bank import Embedder, FaceBank, build_bank
from radarid.learn.recipes import needs, uses_faces
from radarid.learn.students import InputParams, to_input
from radarid.learn.teacher_head import LabelledFaces
from radarid.progress import log

DIRECTIONS = ("away", "towards")
_READ_AT_ONCE = 256


@dataclass(frozen=True)
class Part:
    """Clips of one part of the split, as the student sees them.

    Parameters
    ----------
    rows : int64 array, shape (n,), rows of the store's clip table
    images : uint8 tensor, shape (n, size, size), or (n, 3, size, size) of three planes
    labels : int64 tensor, shape (n,)
    captures : int64 array, shape (n,), the recording each clip comes from
    directions : int64 tensor, shape (n,), 0 away, 1 towards, -1 across or, since folded clips all
        look away, unknown
    """

    rows: np.ndarray
    images: Tensor
    labels: Tensor
    captures: np.ndarray
    directions: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class FaceSource:
    """Faces to pair with training clips.

    Parameters
    ----------
    pairs : chooses faces of `table`
    table : of the faces
    bank : their embeddings, row by row
    params : how they are chosen
    clip_s : length of a clip
    """

    pairs: FacePairs
    table: FaceTable
    bank: FaceBank
    params: FaceUse
    clip_s: float

    def draw(
        self, clips: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """A face for each clip (rows of the clip table): see `FaceBank.draw`."""
        if self.params.pairing == "synchronous":
            faces = self.pairs.synchronous(clips, self.clip_s)
        else:
            faces = self.pairs.random(clips, rng)
        return self.bank.draw(faces, rng)

    def labelled(self, subjects: tuple[str, ...]) -> LabelledFaces:
        """The faces of `subjects`, with their labels, for a classifier of faces."""
        own = np.isin(self.table.subject, subjects)
        labels = np.searchsorted(subjects, self.table.subject[own]).astype(np.int64)
        return LabelledFaces(
            self.bank.embeddings[torch.from_numpy(own)], torch.from_numpy(labels),
            self.table.recording[own],
        )  # fmt: skip


@dataclass(frozen=True)
class TrainingData:
    """Everything an epoch needs.

    Parameters
    ----------
    subjects : people in order of their labels
    split : which clips serve what
    train, val : in memory
    outsiders : clips of people who serve for the threshold alone; may be empty
    faces : None for recipes without faces
    """

    subjects: tuple[str, ...]
    split: Split
    train: Part
    val: Part
    outsiders: Part
    faces: FaceSource | None


def load_part(
    store: GaitStore, table: ClipTable, rows: np.ndarray, subjects: tuple[str, ...],
    params: InputParams, lesser: DegradeParams | None = None,
) -> Part:  # fmt: skip
    """Read clips into memory, brought to the student's size; `subjects` gives the labels.

    `lesser` is taken from them, the same every time; nothing is taken from clips that train,
    which each epoch degrades anew.
    """
    stacked = params.channels == "stack"
    read = store.read_layers if stacked else store.read_clips
    pieces = [
        to_input(read(rows[start : start + _READ_AT_ONCE]), params)
        for start in range(0, len(rows), _READ_AT_ONCE)
    ]
    shape = (0, 3, params.size, params.size) if stacked else (0, params.size, params.size)
    images = torch.cat(pieces) if pieces else torch.empty(shape, dtype=torch.uint8)
    if lesser is not None:
        images = as_tested(images, lesser)
    labels = np.searchsorted(subjects, table.subject[rows]).astype(np.int64)
    known = [] if params.fold else [table.direction[rows] == name for name in DIRECTIONS]
    directions = np.select(known, range(len(known)), -1) if known else np.full(len(rows), -1)
    return Part(
        rows, images, torch.from_numpy(labels), table.recording[rows],
        torch.from_numpy(directions.astype(np.int64)),
    )  # fmt: skip


def load_training_data(
    store: GaitStore, config: TrainConfig, teacher: Embedder | None, cache: Path
) -> TrainingData:
    """Split the store and load what training needs.

    Parameters
    ----------
    store : open for reading
    config : of the training
    teacher : embeds faces; None loads the real one where the recipe needs faces
    cache : folder of the face embeddings

    Raises
    ------
    TrainError
        Fewer than two people, no validation clips, no weights for the teacher, embeddings in
        the store that come from another one, three planes wanted of a store of one, or noise for
        clips of another span.
    SplitError
        Nothing to train or test with, or people without faces (see `FaceUse.faceless_subjects`).
    """
    inputs = config.model.input
    if inputs.channels == "stack" and store.dsp.planes == "one":
        raise TrainError(
            "the store has one image plane a clip, and the student is to see three",
            where=store.path, got="planes = 'one', channels = 'stack'",
            remedy="ingest the recordings into another store with --set planes=stack (or"
            " multires), or train with --set model.input.channels=repeat",
        )
    _check_span(store, config.degrade)
    table, split = split_and_label(store, config)
    people = set(table.subject[split.train].tolist())
    if uses_faces(config) and config.faces.faceless_subjects == "drop":
        people = _with_faces(people, table, store.faces(), split.train)
    subjects = tuple(sorted(people))
    train = split.train[np.isin(table.subject[split.train], subjects)]
    val = split.val[np.isin(table.subject[split.val], subjects)]
    _check_parts(store, split, subjects, train, val)
    faces = None
    if uses_faces(config):
        faces = _load_faces(store, table, train, config, teacher, cache)
    return TrainingData(
        subjects=subjects,
        split=split,
        train=load_part(store, table, train, subjects, inputs),
        val=load_part(store, table, val, subjects, inputs, config.degrade),
        outsiders=load_part(
            store, table, split.outsiders, split.subjects["outsiders"], inputs, config.degrade
        ),
        faces=faces,
    )


def _check_span(store: GaitStore, params: DegradeParams) -> None:
    if max(params.noise_db) > 0 and params.span_db != store.dsp.span_db:
        raise TrainError(
            "noise is to be added to clips of another span", where=store.path,
            got=f"degrade.span_db = {params.span_db}", expected=f"{store.dsp.span_db} dB",
            remedy=f"--set degrade.span_db={store.dsp.span_db}",
        )


def _check_parts(
    store: GaitStore, split: Split, subjects: tuple[str, ...], train: np.ndarray, val: np.ndarray
) -> None:
    if len(subjects) < 2:
        raise TrainError(
            "nobody to tell apart", where=store.path,
            got=f"{len(subjects)} people with clips to train on", expected="two, at least",
        )
    if not len(val):
        raise TrainError(
            "no walk is left for validation, which chooses the weights", where=store.path,
            got=f"{len(train)} clips to train on",
            remedy="three walks a person, at least, or --set split.protocol=...",
        )
    if split.unvalidated:
        log.warning("nobody validates, for want of walks: %s", ", ".join(split.unvalidated))


def _with_faces(
    people: set[str], table: ClipTable, faces: FaceTable, train: np.ndarray
) -> set[str]:
    seen = np.isin(faces.recording, np.unique(table.recording[train]))
    kept = people & set(faces.subject[seen].tolist())
    if kept != people:
        log.warning("left out, no face was seen: %s", ", ".join(sorted(people - kept)))
    return kept


def _load_faces(
    store: GaitStore, table: ClipTable, train: np.ndarray, config: TrainConfig,
    teacher: Embedder | None, cache: Path,
) -> FaceSource:  # fmt: skip
    """Choose the faces, embed them, and make the source of pairs."""
    params, whole, clip_s = config.faces, store.faces(), store.dsp.clip_s
    pairs = FacePairs(table, whole, train)
    rows = (
        np.unique(pairs.synchronous(train, clip_s))
        if params.pairing == "synchronous"
        else _at_most(pairs.rows, whole.subject, params.max_per_subject, config.seed)
    )
    columns = {
        field.name: getattr(whole, field.name)[rows] for field in dataclasses.fields(FaceTable)
    }
    if store.face_content.kind == "embeddings":
        from radarid.learn.face_storage import stored_bank

        bank = stored_bank(store, rows, params, teacher)
    else:
        if teacher is None:
            from radarid.learn.config import pick_device
            from radarid.learn.teacher import Teacher

            teacher = Teacher(device=pick_device(config.device))
        bank = build_bank(store.read_faces(rows), teacher, params, config.seed, cache)
    if needs(config).norms and bank.norms is None:
        raise TrainError(
            "nobody knows how long the face embeddings were before they were normalised",
            where=store.path, expected="norms, which this training weighs the faces by",
            got="a store of embeddings, which are unit vectors"
            if store.face_content.kind == "embeddings" else "a teacher that does not tell them",
            remedy="--set mkd.quality=false (or of the extra loss), or ingest the recordings into"
            " a store of face crops",
        )  # fmt: skip
    chosen = FaceTable(**columns)
    return FaceSource(FacePairs(table, chosen, train), chosen, bank, params, clip_s)


def _at_most(rows: np.ndarray, subject: np.ndarray, n: int, seed: int) -> np.ndarray:
    """At most `n` rows of each subject, drawn at random, ascending."""
    kept = []
    for name in np.unique(subject[rows]):
        own = rows[subject[rows] == name]
        kept.append(seeding.rng(seed, "which faces", name).permutation(own)[:n])
    return np.sort(np.concatenate(kept))


def split_and_label(store: GaitStore, config: TrainConfig) -> tuple[ClipTable, Split]:
    """Clip table with the labels that the configuration asks for, and its split."""
    table = store.table()
    split = make_split(table, config.split, config.split_seed)
    return (shuffle_labels(table, split, config.seed) if config.shuffle_labels else table), split


def shuffle_labels(table: ClipTable, split: Split, seed: int) -> ClipTable:
    """Give walks to other people at random; what a control is trained and tested on.

    Parameters
    ----------
    table : of the store
    split : of the table, made with the true labels
    seed : of the shuffle

    Returns
    -------
    ClipTable
        The same but for `subject`.

    Notes
    -----
    All clips of a walk get one label, so a walk that trains and tests (a leak) can be recognised
    from memory, while with walks kept apart nothing is left to learn. Labels change places among
    the walks of one part, so every person keeps as many walks in it.
    """
    names, subject = table.groups, table.subject.copy()
    seen: set[Group] = set()
    owner: dict[Group, str] = {}
    for part in ("train", "val", "enroll", "test"):
        walks = sorted({names[row] for row in getattr(split, part)} - seen)
        order = seeding.rng(seed, "shuffled labels", part).permutation(len(walks))
        owner |= {walk: walks[k][0] for walk, k in zip(walks, order, strict=True)}
        seen |= set(walks)
    for row, walk in enumerate(names):
        subject[row] = owner.get(walk, walk[0])
    return dataclasses.replace(table, subject=subject)
