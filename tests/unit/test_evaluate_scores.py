"""Scores of hand-made probes, worked out by hand; no network."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from radarid.cli.evaluate import _doubt, _notes
from radarid.learn.evaluate_scores import (
    at_chance_below,
    calibration,
    closed_set,
    open_set,
    retrieval,
)
from radarid.learn.probes import Probes


def probes(
    labels: list[int], captures: list[int], logits: list[list[float]],
    subjects: tuple[str, ...] = ("anna", "bob"), groups: list[int] | None = None,
) -> Probes:  # fmt: skip
    """Probes whose embeddings are their logits."""
    values = np.array(logits, np.float32)
    return Probes(
        subjects, np.arange(len(labels)), np.array(labels), np.array(captures),
        np.array(captures if groups is None else groups), values, values,
    )  # fmt: skip


# anna: capture 5 with clips 3 : 0 and 0 : 1 (mean 1.5 : 0.5), capture 2 with 1 : 2;
# bob: capture 9 with 0 : 4 and 1 : 3.
TEST = probes([0, 0, 0, 1, 1], [5, 5, 2, 9, 9], [[3, 0], [0, 1], [1, 2], [0, 4], [1, 3]])


def test_clips_and_walks_by_hand() -> None:
    found = closed_set(TEST)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["clips"]["accuracy"] == pytest.approx(3 / 5)
    assert found["clips"]["macro_recall"] == pytest.approx((1 / 3 + 1) / 2)
    # anna: precision 1, recall 1/3, F1 1/2; bob: precision 1/2, recall 1, F1 2/3.
    assert found["clips"]["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["walks"]["accuracy"] == pytest.approx(2 / 3)
    assert found["worst_subject"] == {"subject": "anna", "recall": pytest.approx(1 / 3)}
    assert found["per_subject"]["bob"] == {
        "n_clips": 2, "recall": 1.0, "precision": 0.5, "f1": pytest.approx(2 / 3), "n_walks": 1,
        "walk_recall": 1.0,
    }  # fmt: skip
    assert found["confusion"]["clips"] == [[1, 2], [0, 2]]


def test_recordings_of_one_walk_are_drawn_together() -> None:
    # 12 walks, half of them right, each seen by 4 recordings that agree: as wide as 12 draws.
    right = np.repeat(np.arange(12) % 2 == 0, 4)
    logits = np.where(right[:, None], [[1, 0]], [[0, 1]]).tolist()
    labels, captures = [0] * 48, list(range(48))
    together = probes(labels, captures, logits, groups=np.repeat(np.arange(12), 4).tolist())
    low, high = closed_set(together)["walks"]["accuracy_interval"]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 12), rel=0.2)
    low, high = closed_set(probes(labels, captures, logits))["walks"]["accuracy_interval"]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 48), rel=0.2)


def test_people_without_clips_are_in_no_table() -> None:
    found = closed_set(probes([0, 2], [0, 1], [[1, 0, 0], [0, 0, 1]], ("a", "b", "c")))
    assert list(found["recall_per_subject"]) == ["a", "c"]


def test_the_temperature_comes_from_validation_alone() -> None:
    # Gap 3 and 3 of 4 right in validation: T = 3 / log 3, confidence 3/4. In the test, 1 of 2.
    val = probes([0, 0, 0, 1], [0, 1, 2, 3], [[3, 0]] * 4)
    found = calibration(probes([0, 1], [0, 1], [[3, 0]] * 2), val)
    assert found["temperature"] == pytest.approx(3 / math.log(3))
    assert not found["at_bound"]
    assert found["after"]["ece"] == pytest.approx(0.25)
    assert found["after"]["brier"] == pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2)
    assert found["after"]["nll"] == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    sure = 1 / (1 + math.exp(-3))
    assert found["before"]["ece"] == pytest.approx(sure - 0.5)
    bins = found["reliability"]["after"]
    assert (sum(bins["n"]), max(bins["confidence"]), max(bins["accuracy"])) == (
        2, pytest.approx(0.75), 0.5
    )  # fmt: skip


def test_retrieval_by_hand() -> None:
    # Templates along the axes. Walk 2 (anna, (1, 2)): cosine 0.447 to anna, 0.894 to bob. Walk 5
    # (anna, directions (1, 0) and (0, 1)): as like to bob as to herself, which is no match.
    found = retrieval(TEST, np.eye(2))
    assert found["rank_1"] == pytest.approx(1 / 3)
    assert found["rank_5"] == 1.0
    assert found["cmc"] == pytest.approx([1 / 3, 1])
    assert (found["n_genuine"], found["n_impostor"]) == (3, 3)
    # Genuine: anna's walk 5 at (1, 1) / 2, 0.707; 0.447; bob's 9, 0.99. Impostor: 0.707, 0.894,
    # 0.16. None of the impostors in: only bob's, 1 of 3.
    assert found["tar_at_far"] == {
        rate: pytest.approx(1 / 3) for rate in ("0.001", "0.01", "0.1")
    }
    assert found["det"]["far"][0] == 0
    assert found["det"]["frr"][-1] == 0


def test_strangers_by_the_threshold_and_by_rate() -> None:
    # Known walks, mean logits: 2 -> (1, 2) wrong; 5 -> (1.5, 0.5) right; 9 -> (0.5, 3.5) right.
    strangers = probes([0, 0, 1], [0, 1, 2], [[1.6, 0], [0, 1], [0.5, 0]], ("eve", "mallory"))
    found = open_set(TEST, strangers, np.eye(2), threshold=1.5)
    assert found["known_walks_accepted"] == 1.0
    assert found["known_walks_identified"] == pytest.approx(2 / 3)
    assert found["strangers"] == {"eve": 0.5, "mallory": 0.0}
    assert found["strangers_accepted"] == pytest.approx(1 / 3)
    # No stranger in: above 1.6 lies only walk 9 among those that are right.
    assert found["dir_at_far"]["0.01"] == pytest.approx(1 / 3)
    assert found["finest_far"] == pytest.approx(1 / 3)
    assert "none held out" in open_set(TEST, None, np.eye(2), 1.5)["strangers"]


def test_chance_on_walks_by_hand() -> None:
    # Chance 1/4, 48 walks: standard deviation sqrt(3/16/48) = 1/16.
    assert at_chance_below(0.25, 48) == pytest.approx(0.25 + 3 / 16)


def test_what_the_reader_is_told() -> None:
    result = {
        "split": {"leaking": True}, "retrieval": {"finest_far": 0.02, "tar_at_far": {"0.01": 1}},
        "open_set": {}, "walks": {"accuracy_interval": [1, 1], "accuracy_exact_interval": [0.7, 1]},
        "calibration": {"temperature": 0.05, "at_bound": True, "n_val_clips": 4},
    }  # fmt: skip
    notes = " ".join(_notes(result))
    for words in ("leaks", "none of the 50", "70% to 100%", "at its bound"):
        assert words in notes
    control = {"walk_accuracy": 0.9, "at_chance_below": 0.5, "is_at_chance": False}
    assert "A LEAK?" in _doubt(control)
    assert "A LEAK?" not in _doubt(control | {"walk_accuracy": 0.3, "is_at_chance": True})
