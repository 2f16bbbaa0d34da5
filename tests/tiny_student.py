"""A student of a handful of weights, and what of it ONNX makes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from capture.config import RadarConfig
from radarid.dsp.params import DspParams
from radarid.learn import openset
from radarid.learn.student_facts import InputParams
from radarid.learn.student_file import TrainedStudent
from radarid.learn.students import Backbone, Student

N_EMBEDDING, SUBJECTS = 4, ("ada", "bo", "cy")
IMAGE_SIZE = 48


def tiny_student(
    seed: int = 0, image_size: int = IMAGE_SIZE, subjects: tuple[str, ...] = SUBJECTS,
    **inputs: object,
) -> TrainedStudent:
    """A convolution, an activation and a mean, with random weights; `inputs` of `InputParams`."""
    params = InputParams(**{"size": 32} | inputs)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    backbone = nn.Sequential(
        nn.Conv2d(1 if params.channels == "single" else 3, N_EMBEDDING, 3, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    entry = Backbone("", "", N_EMBEDDING, ("", "", "", ""))
    model = Student(backbone, entry, len(subjects), params.channels).eval()
    with torch.no_grad():
        model.classifier.weight *= 20
    templates = np.random.default_rng(seed).normal(size=(len(subjects), N_EMBEDDING))
    return TrainedStudent(
        model, "resnet18", params, subjects, RadarConfig(n_samples=128),
        DspParams(image_size=image_size, span_db=40.0), openset.unit(templates).astype("f4"),
        openset.Calibration(1.5, 0.1, 0.2, 10, 20), {"recipe": "baseline", "seed": 3},
    )  # fmt: skip


def clips_of(student: TrainedStudent, n: int, seed: int = 0) -> np.ndarray:
    """uint8 clips: most of them dark, towards or away at random."""
    rng = np.random.default_rng(seed)
    side = student.dsp.image_size
    shape = (n, 3, side, side) if student.input.channels == "stack" else (n, side, side)
    return (255 * rng.random(shape) ** 4).astype(np.uint8)
