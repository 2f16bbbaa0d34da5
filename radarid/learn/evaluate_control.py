"""The control: the same training with the walks' labels shuffled, which must know nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from radarid.data.store import GaitStore
from radarid.learn.config import pick_device
from radarid.learn.evaluate_scores import at_chance_below, score
from radarid.learn.face_bank import Embedder
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import load_student
from radarid.learn.trainer import train
from radarid.learn.training_data import split_and_label
from radarid.progress import log

CONTROL = "control"
_BESIDE = {
    "clips": ("accuracy", "macro_recall", "macro_f1", "calibration_error", "brier"),
    "walks": ("accuracy", "macro_recall", "macro_f1"),
    "worst_subject": ("recall",),
    "retrieval": ("rank_1", "rank_5", "eer", "tar_at_far"),
}


def run_control(
    folder: RunFolder, store_path: Path, result: Mapping[str, Any], teacher: Embedder | None
) -> dict[str, Any]:
    """Train and score a run's configuration with shuffled labels, in a folder inside the run's.

    Parameters
    ----------
    folder : of the run; a control that is there already is used again
    store_path : gait store
    result : scores of the run itself
    teacher : see `train`

    Returns
    -------
    dict
        Accuracy of clips and walks (of retrieval, without a classifier), whether that is chance,
        and under `scores` the figures to put beside those of the run.
    """
    control = RunFolder(folder.path / CONTROL)
    if not control.is_finished:
        log.info("training the control: the same, with the labels of the walks shuffled")
        config = replace(folder.read_config(), shuffle_labels=True)
        train(
            store_path, control.path, None if control.exists else config,
            teacher=teacher, cache=folder.path.parent,
        )  # fmt: skip
    own = control.read_config()
    student = load_student(control.path, pick_device(own.device))
    with GaitStore.open(store_path) as store:
        table, split = split_and_label(store, own)
        control.write_split(store, split)
        scores, _ = score(student, store, table, split, own.degrade)
    limit = at_chance_below(result["chance"]["guessing"], result["n_test_walks"])
    reached = scores["walks"]["accuracy"] if "walks" in scores else scores["retrieval"]["rank_1"]
    return {
        "clip_accuracy": scores["clips"]["accuracy"] if "clips" in scores else None,
        "walk_accuracy": reached,
        "at_chance_below": limit if limit < 1 else "too few walks to tell",
        "is_at_chance": reached <= limit,
        "scores": {
            level: {name: scores[level][name] for name in names}
            for level, names in _BESIDE.items() if level in scores
        },
    }  # fmt: skip
