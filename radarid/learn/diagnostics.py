"""What a student took over from a teacher: its features beside those of a face or radar teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radarid import seeding
from radarid.data.pairs import FacePairs
from radarid.data.store import GaitStore
from radarid.data.tables import ClipTable
from radarid.errors import RunError
from radarid.learn.checkpoint import write_json
from radarid.learn.config import FaceUse, pick_device, use_all_cores
from radarid.learn.degrade import DegradeParams
from radarid.learn.face_bank import Embedder, NormEmbedder
from radarid.learn.feature_stats import linear_cka, norm_test, pearson
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import TrainedStudent, load_student
from radarid.learn.students import FEATURES
from radarid.learn.training_data import load_part, split_and_label

PLACES = (*FEATURES, "embedding")
_BATCH = 32


@dataclass(frozen=True)
class Features:
    """What a network says of clips (or of faces paired with them), place by place.

    Parameters
    ----------
    at : a name of `PLACES` -> float32 array, shape (n, ...)
    has_lengths : False where every row was scaled to length 1
    """

    at: Mapping[str, np.ndarray]
    has_lengths: bool = True


def diagnose(
    run_path: Path,
    store_path: Path | None = None,
    *,
    teacher_run: Path | None = None,
    part: str = "test",
    n_clips: int = 200,
    alpha: float = 0.01,
    teacher: Embedder | None = None,
) -> dict[str, Any]:
    """Compare a student's features with those of a teacher, on the same walks.

    Parameters
    ----------
    run_path : finished run
    store_path : gait store; None takes the one the run was trained on
    teacher_run : run whose student is the teacher, compared place by place; None compares all
        places with the face embedding of the same person
    part : "train", "val" or "test"
    n_clips : clips, at most, spread over the part
    alpha : of the test on the lengths
    teacher : embeds faces; None loads FaceNet where the store has pictures

    Returns
    -------
    dict
        `layers`: place -> `cka`, `cka_debiased`, and where both features have one shape `norms`
        (see `norm_test`; x is the student), `pearson` and `pearson_over_clips`; None where that
        makes no sense. Also in diagnostics.json of the run.

    Raises
    ------
    RunError
        A run is not finished, or too few clips.
    SplitError, StoreError
        Somebody's face was not seen, or the store has no faces, or is of another waveform.

    Notes
    -----
    A student that was trained on degraded clips sees them here, too; a radar teacher sees them
    as they are.
    """
    folder = RunFolder(run_path)
    config = folder.read_config()
    device = pick_device(config.device)
    student = load_student(run_path, device)
    use_all_cores()
    with GaitStore.open(store_path or folder.store_path()) as store:
        folder.check_store(store)
        table, split = split_and_label(store, config)
        rows = _spread(getattr(split, part), n_clips)
        if len(rows) < 4:
            raise RunError("too few clips to compare", where=part, got=len(rows), expected="4")
        own = _of_clips(student, store, table, rows, config.degrade)
        if teacher_run is None:
            theirs = _of_faces(store, table, rows, config.faces, teacher, device)
        else:
            trained = load_student(teacher_run, device)
            store.require(trained.radar, trained.dsp)
            theirs = _of_clips(trained, store, table, rows, DegradeParams())
    result = {
        "run": run_path.name,
        "teacher": "faces" if teacher_run is None else str(teacher_run),
        "part": part,
        "n_clips": len(rows),
        "n_walks": len({table.groups[row] for row in rows}),
        "alpha": alpha,
        "layers": {place: _compare(own, theirs, place, alpha) for place in PLACES},
    }
    write_json(run_path / "diagnostics.json", result)
    return result


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    """Up to `n` of the rows, at equal distances."""
    if len(rows) <= n:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, n).round().astype(int)])


def _of_clips(
    trained: TrainedStudent, store: GaitStore, table: ClipTable, rows: np.ndarray,
    lesser: DegradeParams,
) -> Features:  # fmt: skip
    """All places of a network on clips, degraded as it is used to."""
    people = tuple(sorted(set(table.subject[rows].tolist())))
    images = load_part(store, table, rows, people, trained.input, lesser).images
    device = trained.model.classifier.weight.device
    pieces: dict[str, list[np.ndarray]] = {place: [] for place in PLACES}
    with torch.inference_mode():
        for batch in images.split(_BATCH):
            embedding, _, features = trained.model.observe(batch.to(device), FEATURES)
            for place, value in {**features, "embedding": embedding}.items():
                pieces[place].append(value.cpu().numpy())
    return Features({place: np.concatenate(each) for place, each in pieces.items()})


def _of_faces(
    store: GaitStore, table: ClipTable, rows: np.ndarray, params: FaceUse,
    teacher: Embedder | None, device: str,
) -> Features:  # fmt: skip
    """The face embedding of each clip's person, as training pairs them."""
    pairs, rng = FacePairs(table, store.faces(), rows), seeding.rng(0, "faces", "diagnose")
    if params.pairing == "synchronous":
        faces = pairs.synchronous(rows, store.dsp.clip_s)
    else:
        faces = pairs.random(rows, rng)
    if store.face_content.kind == "embeddings":
        found, lengths = store.read_embeddings(faces)[:, 0], None
    else:
        found, lengths = _embed(store.read_faces(faces), teacher, device)
    if lengths is not None:
        found = found * lengths[:, None]
    return Features(dict.fromkeys(PLACES, found), has_lengths=lengths is not None)


def _embed(
    crops: np.ndarray, teacher: Embedder | None, device: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embeddings and, from a teacher that tells them, their lengths."""
    if teacher is None:
        from radarid.learn.teacher import Teacher

        teacher = Teacher(device=device)
    if isinstance(teacher, NormEmbedder):
        return teacher.measure(crops)
    return teacher.embed(crops), None


def _compare(own: Features, theirs: Features, place: str, alpha: float) -> dict[str, Any]:
    x, y = own.at[place], theirs.at[place]
    is_alike = x.shape == y.shape
    with_lengths = is_alike and own.has_lengths and theirs.has_lengths
    return {
        "shape": list(x.shape[1:]),
        "teacher_shape": list(y.shape[1:]),
        "cka": _or_none(linear_cka(x, y)),
        "cka_debiased": _or_none(linear_cka(x, y, debiased=True)),
        "norms": norm_test(x, y, alpha) if with_lengths else None,
        "pearson": _or_none(pearson(x, y)) if is_alike else None,
        "pearson_over_clips": _or_none(pearson(x, y, "clips")) if is_alike else None,
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
