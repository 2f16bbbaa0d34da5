"""A run's student as one ONNX file, checked, searched for faces, and described by a card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radarid import seeding
from radarid.errors import RunError
from radarid.learn.student_facts import GaitStudent
from radarid.learn.student_file import TrainedStudent, load_student
from radarid.live.audit import Report, audit
from radarid.live.model_card import card_text
from radarid.live.onnx_graph import to_onnx
from radarid.live.onnx_session import to_int8
from radarid.live.onnx_student import OnnxStudent, graph_shape, load_onnx, pack
from radarid.live.retest import Scores, Trial, read_trial, retest

TOLERANCE = 1e-4
_N_MADE_UP, _N_TEST_CLIPS = 8, 64


@dataclass(frozen=True)
class Check:
    """How far the graph is from the student it was made of.

    Attributes
    ----------
    n_clips : that both saw
    n_real : of them, from the run's test part; the others are made up
    logits, embeddings : largest difference
    """

    n_clips: int
    n_real: int
    logits: float
    embeddings: float


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes
    ----------
    path, card : the model, and the text about it
    precision : "float32" or "int8", of the weights
    n_bytes : of the model
    check : of the float32 graph
    held_against : "int8" or "bfloat16", which `cost` is of; "" if of none
    cost : name of the student -> its scores on the run's whole test part: "float32", and
        `held_against`; without that, or the run's store, why that was not measured
    audit : of the model
    """

    path: Path
    card: Path
    precision: str
    n_bytes: int
    check: Check
    held_against: str
    cost: dict[str, Scores] | str
    audit: Report


def export(
    run: Path, path: Path, *, int8: bool = False, bfloat16: bool = False
) -> Exported:
    """Write the student of a run as an ONNX file that stands alone, and a model card beside it.

    Parameters
    ----------
    run : folder of a finished training
    path : of the file to be, ending in .onnx; the card gets the same name with .md
    int8 : exchange the weights with 8-bit ones, and measure what that costs
    bfloat16 : measure what it costs to compute the file in bfloat16; its weights stay float32

    Raises
    ------
    RunError
        No finished training; or the graph's logits are further than `TOLERANCE` from the
        student's; or the audit found something; or bfloat16 is out of reach, or of int8 weights.
        Nothing is left behind then.
    """
    if int8 and bfloat16:
        raise RunError("bfloat16 is for float32 weights", got="--int8 and --bfloat16",
                       expected="one of them")  # fmt: skip
    if path.suffix != ".onnx":
        raise RunError("an ONNX file is to be written", got=path.name, expected="a name in .onnx")
    student = load_student(run)
    partial = path.with_name(f"{path.stem}.partial.onnx")
    try:
        graph = to_onnx(student)
        partial.write_bytes(pack(graph, student, "float32", student.fingerprint))
        sample = read_trial(run, student, _N_TEST_CLIPS)
        check = check_same(student, load_onnx(partial), sample)
        cost: dict[str, Scores] | str = "nothing: the weights are the student's own"
        if int8:
            graph = to_int8(graph)
            partial.write_bytes(pack(graph, student, "int8", _fingerprint(graph)))
            cost = _measure(run, {"float32": student, "int8": load_onnx(partial)})
        elif bfloat16:
            rounded = load_onnx(partial, bfloat16=True)
            cost = _measure(run, {"float32": student, "bfloat16": rounded})
        [report] = audit(partial)
        if not report.is_clean:
            raise RunError(
                "something that is no part of a student would leave with it", where=run,
                got="; ".join(f"{found.place}: {found.what}" for found in report.findings[:5]),
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    found = Exported(
        path, path.with_suffix(".md"), "int8" if int8 else "float32", path.stat().st_size, check,
        "int8" if int8 else "bfloat16" if bfloat16 else "", cost, report,
    )  # fmt: skip
    found.card.write_text(card_text(run, student, found), encoding="utf-8")
    return found


def check_same(
    student: TrainedStudent, graph: OnnxStudent, sample: Trial | str
) -> Check:
    """Refuse a graph that does not say what its student says.

    Parameters
    ----------
    student, graph : are shown the same clips
    sample : of the student's test part; where there is none made-up clips must do

    Raises
    ------
    RunError
        Logits further apart than `TOLERANCE`, or no numbers at all.
    """
    rng = seeding.rng(0, "clips to check an exported student")
    shape = _N_MADE_UP, *graph_shape(student)
    darkness = np.linspace(1, 12, _N_MADE_UP).reshape(-1, *[1] * (len(shape) - 1))
    clips = [(rng.random(shape) ** darkness).astype(np.float32)]
    clips += [sample.clips] if isinstance(sample, Trial) else []
    far: dict[str, list[float]] = {"embeddings": [], "logits": []}
    for each in clips:
        pairs = zip(far.values(), student.embed(each), graph.embed(each), strict=True)
        for found, own, other in pairs:
            found.append(float(np.abs(own - other).max()))
    largest = {name: float(np.max(found)) for name, found in far.items()}
    if not largest["logits"] <= TOLERANCE:
        raise RunError(
            "the exported graph says something else than the student", where="largest difference "
            "of a logit", got=f"{largest['logits']:.2g}", expected=f"at most {TOLERANCE:g}",
        )
    n_real = len(clips[1]) if len(clips) > 1 else 0
    return Check(_N_MADE_UP + n_real, n_real, **largest)


def _fingerprint(graph: bytes) -> str:
    """Of a graph that computes other embeddings than the student it was made of."""
    return hashlib.sha256(graph).hexdigest()[:16]


def _measure(run: Path, students: Mapping[str, GaitStudent]) -> dict[str, Scores] | str:
    part = read_trial(run, students["float32"])
    return part if isinstance(part, str) else retest(part, students)
