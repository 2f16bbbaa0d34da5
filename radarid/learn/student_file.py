"""The exported student: all that `identify` needs, and nothing of any face."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from capture.config import RadarConfig
from capture.schema import to_mapping
from radarid.dsp.params import DspParams
from radarid.errors import RunError
from radarid.learn import openset
from radarid.learn.checkpoint import read_json, read_tensors, write_json, write_tensors
from radarid.learn.student_facts import InputParams, damaged, read_facts, write_facts
from radarid.learn.students import Student, build_student, to_input

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

    @property
    def precision(self) -> str:
        """Of the weights, and of what is computed."""
        return "float32"

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of a SHA-256 of what turns clips into embeddings.

        It covers backbone, input and every weight: embeddings of equal fingerprints can be
        compared.
        """
        digest = hashlib.sha256(f"{self.name} {to_mapping(self.input)}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            array = np.ascontiguousarray(tensor.detach().cpu().numpy())
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

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
    write_json(run_folder / _FACTS, write_facts(student))


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
    found = read_facts(read_json(run_folder / _FACTS), run_folder)
    tensors = read_tensors(run_folder / _WEIGHTS)
    try:
        model = build_student(found.name, found.input.channels, len(found.subjects))
        people = tensors.pop(_TEMPLATES).numpy()
        model.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as failure:
        raise damaged(failure, run_folder) from None
    return TrainedStudent(
        model.to(device).eval(), found.name, found.input, found.subjects, found.radar, found.dsp,
        people, found.calibration, found.facts,
    )  # fmt: skip
