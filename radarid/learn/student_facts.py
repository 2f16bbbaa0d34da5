"""What a student is, whatever computes it: known without torch, so that ONNX Runtime will do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import Field

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.schema import config_class, fingerprint, from_mapping, to_mapping
from radarid.dsp.params import DspParams
from radarid.errors import RunError
from radarid.learn import openset

FORMAT = 1


@config_class
class InputParams:
    """What the student sees of a clip; stored with it, since `identify` must do the same.

    Parameters
    ----------
    size : pixels along each side; clips are averaged down to it by area
    channels : "repeat" copies the plane to the three inputs of a usual backbone, "colormap"
        gives them its red, green and blue in viridis, "single" gives the backbone a one-plane
        stem, "stack" shows it the three planes of a store that has them (see `DspParams.planes`)
    fold : mirror clips whose power lies at negative velocities, so that everybody walks away
    """

    size: int = Field(default=256, ge=32, le=1024)
    channels: Literal["repeat", "colormap", "single", "stack"] = "repeat"
    fold: bool = False


class GaitStudent(Protocol):
    """A trained student: `TrainedStudent` computes with torch, `OnnxStudent` without."""

    @property
    def name(self) -> str:
        """Of the backbone."""

    @property
    def input(self) -> InputParams:
        """What the network sees."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names, in order of the logits."""

    @property
    def radar(self) -> RadarConfig:
        """Configuration of the recordings it was trained on."""

    @property
    def dsp(self) -> DspParams:
        """Configuration of the clips it was trained on."""

    @property
    def templates(self) -> np.ndarray:
        """Float32 (n_subjects, d), a unit vector of each person."""

    @property
    def calibration(self) -> openset.Calibration:
        """Threshold between known and unknown."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What else is known of its training, for reports."""

    @property
    def threshold(self) -> float:
        """Least score of a walk that is accepted as somebody."""

    @property
    def precision(self) -> str:
        """Of what it computes with: "float32", "int8" or "bfloat16"."""

    @property
    def fingerprint(self) -> str:
        """Of what turns clips into embeddings: those of equal fingerprints can be compared."""

    def embed(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings (n, d) and logits (n, n_subjects) of clips, see `TrainedStudent.embed`."""

    def identify(self, logits: np.ndarray) -> openset.Identification:
        """Decide who walked, from the logits of all clips of one walk, shape (n, n_subjects)."""


@dataclass(frozen=True)
class StudentFacts:
    """All of a student but its numbers; the attributes are those of `GaitStudent`."""

    name: str
    input: InputParams
    subjects: tuple[str, ...]
    radar: RadarConfig
    dsp: DspParams
    calibration: openset.Calibration
    facts: Mapping[str, Any]


def write_facts(student: GaitStudent) -> dict[str, Any]:
    """Plain values of all of a student but its numbers; `read_facts` reads them back."""
    return {
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


def read_facts(values: Any, where: object) -> StudentFacts:
    """Read back what `write_facts` gave.

    Parameters
    ----------
    values : plain values, from a file that may be damaged
    where : the file

    Raises
    ------
    RunError
        Damaged, or of another version.
    """
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise RunError(
            "a student of another version", where=where,
            got=values.get("format") if isinstance(values, dict) else None,
            expected=FORMAT, remedy="train again",
        )
    try:
        found = StudentFacts(
            values["student"], from_mapping(InputParams, values["input"]),
            tuple(values["subjects"]), from_mapping(RadarConfig, values["radar"]),
            from_mapping(DspParams, values["dsp"]), openset.Calibration(**values["openset"]),
            values["facts"],
        )  # fmt: skip
        for name in ("radar", "dsp"):
            if fingerprint(values[name]) != values[f"{name}_fingerprint"]:
                raise RunError(f"damaged: its {name} configuration was changed", where=where)
    except (KeyError, TypeError, ConfigError) as failure:
        raise damaged(failure, where) from None
    return found


def damaged(failure: Exception, where: object) -> RunError:
    """The error of a student whose parts do not fit together."""
    return RunError(
        f"damaged: {json.dumps(str(failure))[:200]}", where=where, remedy="train again"
    )
