"""Honest scores of a run: clips, walks, strangers, calibration, chance, a shuffled control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radarid.data.store import GaitStore
from radarid.learn.checkpoint import write_json
from radarid.learn.config import pick_device, use_all_cores
from radarid.learn.evaluate_control import run_control
from radarid.learn.evaluate_scores import score
from radarid.learn.face_bank import Embedder
from radarid.learn.probes import write_predictions
from radarid.learn.report import draw_confusion
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import load_student
from radarid.learn.training_data import split_and_label


def evaluate(
    run_path: Path,
    store_path: Path | None = None,
    *,
    control: bool | None = None,
    teacher: Embedder | None = None,
) -> dict[str, Any]:
    """Score a finished run on the test part of its split.

    Parameters
    ----------
    run_path : run folder
    store_path : gait store; None takes the one the run was trained on
    control : also train the same configuration on shuffled labels, and score that; None does what
        the run's configuration says
    teacher : for the control's training, see `train`

    Returns
    -------
    dict
        What evaluation.json holds; predictions.npz and confusion.png lie beside it.

    Raises
    ------
    RunError
        The run is not finished, or the store has changed since.
    StoreError
        A store of another waveform or signal processing.

    Notes
    -----
    Scores come for clips and for captures (recordings, whose clips vote together), with a 95 %
    bootstrap interval that draws whole walks. Chance and the control stand beside them: a
    control above chance means that something other than the person is being recognised.
    """
    folder = RunFolder(run_path)
    config = folder.read_config()
    student = load_student(run_path, pick_device(config.device))
    store_path = store_path or folder.store_path()
    use_all_cores()
    with GaitStore.open(store_path) as store:
        folder.check_store(store)
        table, split = split_and_label(store, config)
        folder.write_split(store, split)
        scores, test = score(student, store, table, split, config.degrade)
    write_predictions(run_path, test, student.subjects)
    named: dict[str, Any] = {"run": run_path.name, "recipe": config.recipe, "seed": config.seed}
    result = named | scores
    wanted = config.control if control is None else control
    result["control"] = (
        run_control(folder, store_path, result, teacher) if wanted else "not run: --no-control"
    )
    write_json(run_path / "evaluation.json", result)
    if "confusion" in result:
        title = f"{run_path.name}: {result['clips']['accuracy']:.1%} of the test clips are right"
        draw_confusion(run_path / "confusion.png", result["confusion"], title)
    return result
