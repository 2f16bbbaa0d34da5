"""An untrained student that sees the small recordings of `walk_files`, and what it is asked."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from walk_files import DSP, RADAR, walk_words

from capture.config import RadarConfig
from capture.file.recording import RecordingWriter
from capture.layouts import default_layout
from capture.schema import write_toml
from capture.types import AdcFrame
from radarid.dsp.params import DspParams
from radarid.learn.openset import Calibration
from radarid.learn.student_file import TrainedStudent, save_student
from radarid.learn.students import InputParams, build_student

SUBJECTS = ("anna", "bob", "cem")


def student(dsp: DspParams = DSP, radar: RadarConfig = RADAR) -> TrainedStudent:
    """Random weights, the same ones each time; everybody is accepted."""
    torch.manual_seed(3)
    model = build_student("resnet18", "repeat", len(SUBJECTS)).eval()
    people = np.eye(len(SUBJECTS), model.n_embedding, dtype=np.float32)
    return TrainedStudent(
        model, "resnet18", InputParams(size=32), SUBJECTS, radar, dsp, people,
        Calibration(-1e3, 0.0, 0.0, 1, 1), {},
    )  # fmt: skip


def write_run(folder: Path, dsp: DspParams = DSP) -> Path:
    folder.mkdir()
    save_student(folder, student(dsp))
    return folder


@functools.cache
def words(start_m: float, speed_mps: float, seed: int) -> np.ndarray:
    return walk_words(RADAR, start_m, speed_mps, seed)


def frames(samples: np.ndarray, first: int = 0, radar: RadarConfig = RADAR) -> list[AdcFrame]:
    """Frames of words (n_frames, n_chirps, words), nothing lost."""
    layout = default_layout(radar)
    every = np.ones(radar.n_chirps, bool)
    return [
        AdcFrame(radar, layout, first + k, (first + k) * radar.frame_period_s, row, every)
        for k, row in enumerate(samples)
    ]


def lossy(whole: list[AdcFrame], share: float, seed: int) -> list[AdcFrame]:
    """Frames of which a share of the chirps, and some whole frames, never came."""
    rng = np.random.default_rng(seed)
    kept = [frame for frame in whole if rng.random() > share / 4 or frame.index == 0]
    return [replace(frame, valid=rng.random(len(frame.valid)) > share) for frame in kept]


def write_recording(path: Path, samples: np.ndarray, radar: RadarConfig = RADAR) -> Path:
    """A .bin file of words, and its radar beside it."""
    with RecordingWriter(path, radar) as writer:
        for row in samples:
            writer.write(row)
    write_toml(path.with_suffix(".toml"), radar)
    return path
