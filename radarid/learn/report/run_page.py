"""The page of one run: what was trained, how it went, and what may be believed of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capture.schema import to_mapping
from radarid.data.store import GaitStore
from radarid.errors import RunError
from radarid.learn.checkpoint import read_json
from radarid.learn.compare_tables import doubt
from radarid.learn.config import TrainConfig
from radarid.learn.probes import read_predictions
from radarid.learn.report import figures, page
from radarid.learn.report.confusion import confusion_figure
from radarid.learn.report.examples import Decisions, draw_examples
from radarid.learn.run_folder import RunFolder
from radarid.learn.student_file import TrainedStudent, load_student

Scores = Mapping[str, Any]


def run_page(folder: Path, store_path: Path | None) -> str:
    """The page of an evaluated run, as HTML.

    Parameters
    ----------
    folder : of the run
    store_path : gait store with the clips to show; None takes the one it was trained on

    Raises
    ------
    RunError
        The run is not finished, or was not evaluated, or the store has changed since.
    """
    run = RunFolder(folder)
    if not (folder / "evaluation.json").is_file():
        raise RunError("not evaluated yet", where=folder, remedy=f"radarid evaluate {folder}")
    scores = read_json(folder / "evaluation.json")
    decisions = Decisions(*read_predictions(folder))
    student = load_student(folder)
    config = run.read_config()
    split = scores["split"]
    lead = (
        f"{config.recipe} with {student.name}, seed {config.seed}: {scores['n_subjects']} people, "
        f"{scores['n_test_clips']} test clips of {scores['n_test_walks']} recordings, split by "
        f"{split['protocol']}."
    )
    return page.page(
        f"Run {folder.name}",
        lead,
        *_warnings(scores),
        page.tiles(_tiles(scores)),
        page.text(doubt(scores, "the same")),
        _training(run, student),
        _people(scores),
        _retrieval(scores),
        _calibration(scores),
        _embeddings(decisions),
        _examples(run, store_path or run.store_path(), student, decisions),
        _settings(run, config, split),
    )


def _warnings(scores: Scores) -> list[str]:
    found = []
    if scores["split"]["leaking"]:
        found.append("This split leaks: clips that overlap in time are in training and in test.")
    control = scores["control"]
    if isinstance(control, dict) and not control["is_at_chance"]:
        found.append("The control with shuffled labels is above chance: something other than the "
                     "person is being recognised.")  # fmt: skip
    return [page.text(words, "warn") for words in found]


def _tiles(scores: Scores) -> list[tuple[str, str, str]]:
    entries = []
    for level, name in (("clips", "clips right"), ("walks", "recordings right")):
        if level in scores:
            low, high = scores[level]["accuracy_interval"]
            entries.append(
                (name, f"{scores[level]['accuracy']:.1%}", f"95 %: {low:.0%} to {high:.0%}")
            )
    if "clips" in scores:
        worst = scores["worst_subject"]
        entries += [
            ("macro recall", f"{scores['clips']['macro_recall']:.1%}",
             f"macro F1 {scores['clips']['macro_f1']:.1%}"),
            ("worst person", f"{worst['recall']:.1%}", worst["subject"]),
        ]  # fmt: skip
    found = scores["retrieval"]
    entries += [
        ("rank 1, by template", f"{found['rank_1']:.1%}", f"rank 5: {found['rank_5']:.1%}"),
        ("equal error rate", f"{found['eer']:.1%}", "one against one"),
    ]
    if "calibration" in scores:
        after = scores["calibration"]["after"]["ece"]
        entries.append(("calibration error", f"{scores['calibration']['before']['ece']:.3f}",
                        f"{after:.3f} with temperature"))  # fmt: skip
    entries.append(("chance", f"{scores['chance']['guessing']:.1%}", "by guessing"))
    return entries


def _training(run: RunFolder, student: TrainedStudent) -> str:
    epochs, facts = run.epochs(), student.facts
    if not epochs:
        return ""
    last = epochs[-1]["epoch"]
    exported = {"best": facts["best_epoch"], "final": last}.get(facts["selected"])
    rows = [
        [f"**{name}**" if name == facts["selected"] else name,
         *(f"{100 * values[key]:.1f}" for key in ("accuracy", "macro_recall", "macro_f1")),
         f"{values['cross_entropy']:.3f}"]
        for name, values in facts["candidates"].items()
    ]  # fmt: skip
    seconds = sum(line["seconds"] for line in epochs)
    return page.section(
        "Training",
        page.picture(figures.training(epochs, exported), "losses and accuracy over the epochs"),
        page.text(f"{len(epochs)} epochs in {seconds:.0f} s. Weights by their scores on validation "
                  "clips (%); the exported ones in bold."),
        page.table(["weights", "accuracy", "macro recall", "macro F1", "cross-entropy"], rows),
    )  # fmt: skip


def _people(scores: Scores) -> str:
    if "confusion" not in scores:
        return page.section("People", page.text(
            "People are enrolled after the training, so nobody is classified; see the templates."
        ))  # fmt: skip
    people = scores["per_subject"]
    columns = ["person", "clips", "recall", "precision", "F1", "recordings", "recall"]
    rows = [
        [name, str(row["n_clips"]), *(f"{row[key]:.1%}" for key in ("recall", "precision", "f1")),
         str(row["n_walks"]), f"{row['walk_recall']:.1%}"]
        for name, row in people.items()
    ]  # fmt: skip
    chance = scores["chance"]["guessing"]
    return page.section(
        "People",
        page.picture(figures.people(people, chance), "recall of every person"),
        page.picture(confusion_figure(scores["confusion"], ""), "who is taken for whom",
                     "Who is taken for whom: numbers of clips."),
        page.folded("Table of the people", page.table(columns, rows)),
    )  # fmt: skip


def _retrieval(scores: Scores) -> str:
    found, strangers = scores["retrieval"], scores["open_set"]
    rows = [
        [f"others accepted at most {float(far):.1%}", f"own accepted {value:.1%}"]
        for far, value in found["tar_at_far"].items()
    ] + [
        [f"strangers accepted at most {float(far):.1%}", f"own found {value:.1%}"]
        for far, value in strangers.get("dir_at_far", {}).items()
    ]
    caption = (
        f"Recordings against templates by cosine: {found['n_genuine']} genuine and "
        f"{found['n_impostor']} impostor scores, so nothing below {found['finest_far']:.2%} of "
        "false accepts can be told."
    )
    words = ""
    if "strangers_accepted" in strangers:
        words = page.text(
            f"At its threshold the student accepts {strangers['known_walks_accepted']:.1%} of the "
            f"known and {strangers['strangers_accepted']:.1%} of "
            f"{strangers['n_stranger_walks']} recordings of strangers."
        )
    elif "n_stranger_walks" not in strangers:
        words = page.text(f"Strangers: {strangers['strangers']}", "soft")
    return page.section(
        "Templates and strangers",
        page.picture(figures.retrieval(found), "CMC and DET curves", caption),
        page.table(["at", "reached"], rows),
        words,
    )


def _calibration(scores: Scores) -> str:
    if "calibration" not in scores:
        return ""
    calibration = scores["calibration"]
    rows = [
        [name, *(f"{calibration[key][score]:.3f}" for score in ("ece", "brier", "nll"))]
        for key, name in (("before", "as trained"), ("after", "with temperature"))
    ]
    caption = (
        f"On test clips. The temperature was fitted to {calibration['n_val_clips']} validation "
        "clips; red lines are the gaps that make up the calibration error (ECE)."
    )
    return page.section(
        "How sure it may be",
        page.picture(figures.reliability(calibration), "reliability diagrams", caption),
        page.table(["probabilities", "ECE", "Brier", "negative log-likelihood"], rows),
    )


def _embeddings(decisions: Decisions) -> str:
    probes = decisions.probes
    if len(probes.labels) < 5:
        return page.section("Embeddings", page.text("Too few test clips for a map.", "soft"))
    figure = figures.embedding_map(
        probes.embeddings, probes.labels, decisions.right, probes.subjects
    )
    return page.section("Embeddings", page.picture(
        figure, "t-SNE map of the embeddings",
        "Test clips, by t-SNE: neighbours are alike, distances between groups mean nothing. "
        "Crosses are decided wrongly.",
    ))  # fmt: skip


def _examples(
    run: RunFolder, store_path: Path, student: TrainedStudent, decisions: Decisions
) -> str:
    if not store_path.is_file():
        return page.section("Examples", page.text(
            f"The gait store is not at {store_path} any more, so no clip can be shown (--store).",
            "soft",
        ))  # fmt: skip
    parts = []
    with GaitStore.open(store_path) as store:
        run.check_store(store)
        for right, name in ((True, "Right"), (False, "Wrong")):
            chosen = decisions.examples(right=right)
            if len(chosen):
                figure = draw_examples(student, store, decisions, chosen)
                caption = f"{name}: the surest clip of a person each, and under it its evidence."
                parts.append(page.picture(figure, f"clips decided {name.lower()}", caption,
                                          pixels=True))  # fmt: skip
            else:
                parts.append(page.text(f"{name}: none."))
    return page.section("Examples", *parts, page.text(
        "Time to the right, velocity upwards (away from the radar above the middle). Evidence by "
        "Grad-CAM on the last maps: tinted is what speaks for the decision; it is coarse, one "
        f"field being 32 of the clip's {student.input.size} pixels wide.", "soft",
    ))  # fmt: skip


def _settings(run: RunFolder, config: TrainConfig, split: Scores) -> str:
    default, own = _flat(to_mapping(TrainConfig())), _flat(to_mapping(config))
    changed = [
        [key, str(default.get(key, "-")), str(value)]
        for key, value in own.items() if default.get(key) != value
    ]  # fmt: skip
    facts = read_json(run.path / "config.json")
    parts = [
        [part, str(entry["n_clips"]), str(entry["n_groups"]), str(len(entry["subjects"]))]
        for part, entry in split["parts"].items() if entry["n_clips"]
    ]  # fmt: skip
    everything = [[key, str(value)] for key, value in own.items()]
    return page.section(
        "Settings",
        page.table(["part", "clips", "walks", "people"], parts),
        page.table(["key that differs", "default", "here"], changed) if changed else "",
        page.folded("Every key", page.table(["key", "value"], everything)),
        page.folded("Versions", page.table(
            ["of", "version"], [[name, str(value)] for name, value in facts["versions"].items()]
        )),
        page.text("No face and no embedding of a face is in this page. Spectrograms and names of "
                  "people are: share it with those who may see the store.", "soft"),
    )  # fmt: skip


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables by dotted keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
