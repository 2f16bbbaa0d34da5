"""The exported student: all that `identify` needs, and nothing of any face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.schema import fingerprint, from_mapping, to_mapping
from radarid.dsp.params import DspParams
from radarid.errors import RunError
from radarid.learn import openset
from radarid.learn.checkpoint import read_json, read_tensors, write_json, write_tensors
from radarid.learn.students import InputParams, Student, build_student, to_input

FORMAT = 1
_WEIGHTS, _FACTS, _TEMPLATES = "student.safetensors", "student.json", "templates"
BATCH = 64


@dataclass(frozen=True)
class TrainedStudent:
    """A student with the people it knows.

    Parameters
    ----------
    model : network, in evaluation mode
    name : of the backbone
    input : what the network sees
    subjects : names, in order of the logits
    radar, dsp : configuration of the clips it was trained on
    templates : float32 array, shape (n_subjects, d), a unit vector of each person
    calibration : threshold between known and unknown
    facts : what else is known of its training, for reports
    """

    model: Student
    name: str
    input: InputParams
    subjects: tuple[str, ...]
    radar: RadarConfig
    dsp: DspParams
    templates: np.ndarray
    calibration: openset.Calibration
    facts: Mapping[str, Any]

    @property
    def threshold(self) -> float:
        """Least score of a walk that is accepted as somebody."""
        return self.calibration.threshold

    def embed(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed and classify clips.

        Parameters
        ----------
        clips : uint8, or float32 in [0, 1], shape (n, 256, 256), or (n, n_planes, 256, 256) of
            which the student takes what it was trained on

        Returns
        -------
        embeddings : float32 array, shape (n, d)
        logits : float32 array, shape (n, n_subjects)
        """
        embeddings, logits = run(self.model, to_input(clips, self.input))
        return embeddings.numpy(), logits.numpy()

    def identify(self, logits: np.ndarray) -> openset.Identification:
        """Decide who walked, from the logits of all clips of one walk, shape (n, n_subjects)."""
        return openset.identify(logits.mean(0), self.subjects, self.threshold)


def run(model: Student, images: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings and logits of images, as `to_input` makes them, in evaluation mode, on the CPU.

    The batches are the same whoever calls, so the same images give the same bits.
    """
    device = model.classifier.weight.device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        pieces = [model(part.to(device)) for part in images.split(BATCH)]
    model.train(was_training)
    embeddings, logits = (torch.cat([piece[k].cpu() for piece in pieces]) for k in (0, 1))
    return embeddings, logits


def save_student(run_folder: Path, student: TrainedStudent) -> None:
    """Write student.safetensors and student.json into a run folder."""
    tensors = dict(student.model.state_dict()) | {
        _TEMPLATES: torch.from_numpy(np.ascontiguousarray(student.templates))
    }
    write_tensors(run_folder / _WEIGHTS, tensors)
    facts = {
        "format": FORMAT,
        "student": student.name,
        "input": to_mapping(student.input),
        "subjects": list(student.subjects),
        "radar": to_mapping(student.radar),
        "radar_fingerprint": fingerprint(student.radar),
        "dsp": to_mapping(student.dsp),
        "dsp_fingerprint": fingerprint(student.dsp),
        "openset": vars(student.calibration),
        "facts": dict(student.facts),
    }
    write_json(run_folder / _FACTS, facts)


def load_student(run_folder: Path, device: str = "cpu") -> TrainedStudent:
    """Load the student of a finished run.

    Parameters
    ----------
    run_folder : with student.safetensors and student.json
    device : where it computes

    Raises
    ------
    RunError
        Missing, damaged, of another version, or files that do not belong together.
    """
    if not (run_folder / _FACTS).is_file():
        raise RunError(
            "no trained student here", where=run_folder,
            expected=f"{_WEIGHTS} and {_FACTS}", remedy="radarid train, or finish it: --resume",
        )
    facts, tensors = read_json(run_folder / _FACTS), read_tensors(run_folder / _WEIGHTS)
    if facts.get("format") != FORMAT:
        raise RunError(
            "a student of another version", where=run_folder, got=facts.get("format"),
            expected=FORMAT, remedy="train again",
        )
    try:
        inputs = from_mapping(InputParams, facts["input"])
        subjects = tuple(facts["subjects"])
        model = build_student(facts["student"], inputs.channels, len(subjects))
        people = tensors.pop(_TEMPLATES).numpy()
        model.load_state_dict(tensors)
        student = TrainedStudent(
            model.to(device).eval(), facts["student"], inputs, subjects,
            from_mapping(RadarConfig, facts["radar"]), from_mapping(DspParams, facts["dsp"]),
            people, openset.Calibration(**facts["openset"]), facts["facts"],
        )  # fmt: skip
    except (KeyError, TypeError, RuntimeError, ConfigError) as failure:
        raise RunError(
            f"damaged: {json.dumps(str(failure))[:200]}", where=run_folder, remedy="train again"
        ) from None
    for name in ("radar", "dsp"):
        if fingerprint(facts[name]) != facts[f"{name}_fingerprint"]:
            raise RunError(f"damaged: its {name} configuration was changed", where=run_folder)
    return student
