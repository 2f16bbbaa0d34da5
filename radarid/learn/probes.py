"""What a student says of a part of the split: the raw material of every score."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from radarid.data.store import GaitStore
from radarid.data.tables import ClipTable
from radarid.errors import RunError
from radarid.learn import openset
from radarid.learn.degrade import DegradeParams
from radarid.learn.student_file import TrainedStudent, run
from radarid.learn.training_data import load_part

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Probes:
    """Clips as the student sees them.

    Parameters
    ----------
    subjects : people, in order of the labels
    rows : int64 array, shape (n,), rows of the store's clip table
    labels : int64 array, shape (n,)
    captures : int64 array, shape (n,), the recording each clip comes from
    groups : int64 array, shape (n,), the walk it comes from, which several recordings may have
        seen; scores of different walks are independent, and intervals draw these
    logits : float32 array, shape (n, n_known), of the people of the training, who are not
        `subjects` where these are strangers or were enrolled later
    embeddings : float32 array, shape (n, d)
    templates : float array, shape (n_subjects, d), of the subjects when they were enrolled after
        the training; None for those that the logits know
    """

    subjects: tuple[str, ...]
    rows: np.ndarray
    labels: np.ndarray
    captures: np.ndarray
    groups: np.ndarray
    logits: np.ndarray
    embeddings: np.ndarray
    templates: np.ndarray | None = None

    @property
    def scores(self) -> np.ndarray:
        """What each clip is decided by, (n, n_subjects): logits, or likeness to the templates."""
        if self.templates is None:
            return self.logits
        return openset.scores(self.embeddings, self.templates)

    def walks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each capture: mean direction of the embeddings, mean logits, and a clip of it."""
        embeddings, first = openset.walk_means(openset.unit(self.embeddings), self.captures)
        return embeddings, openset.walk_means(self.logits, self.captures)[0], first


def probe(
    student: TrainedStudent, store: GaitStore, table: ClipTable, rows: np.ndarray,
    subjects: tuple[str, ...], lesser: DegradeParams,
) -> Probes:  # fmt: skip
    """Run a student on clips of a store.

    Parameters
    ----------
    student : network and what it sees
    store, table : where the clips are; the table's subjects give the labels
    rows : int64 array, shape (n,), of the table
    subjects : sorted names, all those of the rows among them
    lesser : what is taken from the clips before the student sees them, drawn the same every time
    """
    part = load_part(store, table, rows, subjects, student.input, lesser)
    embeddings, logits = run(student.model, part.images)
    names = {name: number for number, name in enumerate(sorted(set(table.groups)))}
    groups = np.array([names[name] for name in table.groups], np.int64)[rows]
    return Probes(
        subjects, rows, part.labels.numpy(), part.captures, groups, logits.numpy(),
        embeddings.numpy(),
    )  # fmt: skip


def write_predictions(folder: Path, probes: Probes, known: tuple[str, ...]) -> Path:
    """Write what the student said of the test clips into `predictions.npz`.

    The arrays are those of `Probes`, `subjects` as text, and `known`, the people of the logits'
    columns. No picture and nothing of a face is in it; readable by its owner only, since
    embeddings tell people apart.

    Parameters
    ----------
    folder : of the run
    probes : test clips
    known : people of the training
    """
    path = folder / PREDICTIONS
    partial = path.with_name(PREDICTIONS + ".partial")
    arrays = {
        name: value for name, value in vars(probes).items()
        if name != "subjects" and value is not None
    }  # fmt: skip
    with partial.open("wb") as stream:
        os.chmod(partial, 0o600)
        np.savez(stream, subjects=np.array(probes.subjects), known=np.array(known), **arrays)
    os.replace(partial, path)
    return path


def read_predictions(folder: Path) -> tuple[Probes, tuple[str, ...]]:
    """Read back what `write_predictions` wrote: the test clips and the people of the logits.

    Raises
    ------
    RunError
        The run was not evaluated, or the file is damaged.
    """
    path = folder / PREDICTIONS
    if not path.is_file():
        raise RunError(
            "no predictions here", where=path, remedy=f"radarid evaluate {folder}"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        subjects, known = (tuple(arrays.pop(name).tolist()) for name in ("subjects", "known"))
        return Probes(subjects, **arrays), known
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as failure:
        raise RunError(
            f"damaged: {str(failure)[:200]}", where=path, remedy=f"radarid evaluate {folder}"
        ) from None
