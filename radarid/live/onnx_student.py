"""A student from one ONNX file, without torch: `radarid export` made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capture.config import RadarConfig
from radarid.dsp.params import DspParams
from radarid.errors import RunError
from radarid.learn import openset
from radarid.learn.student_facts import (
    GaitStudent,
    InputParams,
    StudentFacts,
    read_facts,
    write_facts,
)
from radarid.live.onnx_file import check_seal, seal
from radarid.live.onnx_session import OnnxSession
from radarid.live.onnx_tensors import read_onnx

if TYPE_CHECKING:
    from radarid.live.openvino_session import OpenVinoSession

CLIPS, EMBEDDING, LOGITS, TEMPLATES = "clips", "embedding", "logits", "templates"
_FACTS, _FINGERPRINT, _PRECISION = "radarid.student", "radarid.fingerprint", "radarid.precision"


@dataclass(frozen=True)
class OnnxStudent:
    """A student that ONNX Runtime or OpenVINO computes; `TrainedStudent` tells of the attributes.

    Further attributes: `session` is the graph, from clips to embedding and logits; `precision`,
    "float32" or "int8", is that of its weights, or "bfloat16" that of all its numbers. With
    float32 `fingerprint` is that of the student it was exported from, so that their galleries are
    exchangeable; with the others it has its own.
    """

    session: OnnxSession | OpenVinoSession
    precision: str
    fingerprint: str
    templates: np.ndarray
    name: str
    input: InputParams
    subjects: tuple[str, ...]
    radar: RadarConfig
    dsp: DspParams
    calibration: openset.Calibration
    facts: Mapping[str, Any]

    @property
    def threshold(self) -> float:
        """Least score of a walk that is accepted as somebody."""
        return self.calibration.threshold

    def embed(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed and classify clips, one by one: a clip gives the same bits in any company.

        Parameters
        ----------
        clips : uint8, or float32 in [0, 1], shape (n, image_size, image_size), or
            (n, n_planes, image_size, image_size) of which the student takes what it was
            trained on

        Returns
        -------
        embeddings : float32 array, shape (n, d)
        logits : float32 array, shape (n, n_subjects)

        Raises
        ------
        RunError
            Clips of another size, or too few planes.
        """
        planes = clips if clips.ndim == 4 else clips[:, None]
        images = planes if self.input.channels == "stack" else planes[:, 0]
        expected = graph_shape(self)
        if images.shape[1:] != expected:
            raise RunError("clips of another shape than the student was exported for",
                           got=images.shape[1:], expected=expected)
        if images.dtype == np.uint8:
            images = images / np.float32(255)
        found = [
            self.session.run([EMBEDDING, LOGITS], clips=image[None])
            for image in images.astype(np.float32, copy=False)
        ]
        embeddings = np.empty((len(images), self.templates.shape[1]), np.float32)
        logits = np.empty((len(images), len(self.subjects)), np.float32)
        for k, (embedding, row) in enumerate(found):
            embeddings[k], logits[k] = embedding[0], row[0]
        return embeddings, logits

    def identify(self, logits: np.ndarray) -> openset.Identification:
        """Decide who walked, from the logits of all clips of one walk, shape (n, n_subjects)."""
        return openset.identify(logits.mean(0), self.subjects, self.threshold)


def graph_shape(student: GaitStudent | StudentFacts) -> tuple[int, ...]:
    """Shape of one clip, as the graph of such a student takes it."""
    side = student.dsp.image_size
    return (3, side, side) if student.input.channels == "stack" else (side, side)


def pack(
    graph: bytes, student: GaitStudent, precision: str, fingerprint: str
) -> bytes:
    """Make the bytes of a graph a file that stands alone, for `load_onnx`.

    Parameters
    ----------
    graph : ONNX model with input "clips" and outputs "embedding", "logits" and "templates"
    student : whose graph it is
    precision, fingerprint : see `OnnxStudent`
    """
    facts = json.dumps(write_facts(student), separators=(",", ":"))
    return seal(graph, {_FACTS: facts, _FINGERPRINT: fingerprint, _PRECISION: precision})


def load_onnx(path: Path, n_threads: int = 0, *, bfloat16: bool = False) -> OnnxStudent:
    """Load a student that `radarid export` wrote.

    Parameters
    ----------
    path : of the ONNX file
    n_threads : that share the work; 0 takes all cores
    bfloat16 : let OpenVINO compute float32 weights in bfloat16, which rounds to 8 significant bits

    Raises
    ------
    RunError
        Missing, damaged, changed since, or another kind of file; or bfloat16 is out of reach.
    AuditError
        Sealed, but not an ONNX file.
    """
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise RunError(f"cannot be read: {failure.strerror}", where=path) from None
    check_seal(data, path)
    contents = read_onnx(path)
    if any(tensor.is_external for tensor in contents.tensors):
        raise RunError("some of its numbers lie in another file", where=path)
    texts = contents.metadata
    try:
        facts = read_facts(json.loads(texts[_FACTS]), path)
        precision, fingerprint = texts[_PRECISION], texts[_FINGERPRINT]
    except (KeyError, ValueError, RecursionError) as failure:
        raise RunError("not a student that radarid exported", where=path,
                       got=f"{type(failure).__name__}: {failure}"[:200]) from None
    if precision not in ("float32", "int8"):
        raise RunError("damaged", where=path, got=precision, expected="float32 or int8")
    first = OnnxSession(data, path, n_threads)
    templates = _templates(first, facts, path)
    session: OnnxSession | OpenVinoSession = first
    if bfloat16:
        # After ONNX Runtime ran it: OpenVINO reads wherever a damaged graph's indices point.
        session = _open_bfloat16(data, path, n_threads, precision)
        fingerprint = hashlib.sha256(f"{fingerprint} bfloat16".encode()).hexdigest()[:16]
        precision = "bfloat16"
    return OnnxStudent(
        session, precision, fingerprint, templates, facts.name, facts.input, facts.subjects,
        facts.radar, facts.dsp, facts.calibration, facts.facts,
    )  # fmt: skip


def _open_bfloat16(data: bytes, path: Path, n_threads: int, precision: str) -> OpenVinoSession:
    if precision != "float32":
        raise RunError(
            "bfloat16 is for float32 weights", where=path, got=f"{precision} weights",
            remedy="export it without --int8, or leave out --bfloat16",
        )
    try:
        from radarid.live.openvino_session import OpenVinoSession
    except ModuleNotFoundError as failure:
        if failure.name != "openvino":
            raise
        raise RunError(
            "OpenVINO is not installed", got="--bfloat16", remedy="pip install openvino"
        ) from None
    return OpenVinoSession(data, path, n_threads)


def _templates(session: OnnxSession, facts: StudentFacts, where: Path) -> np.ndarray:
    """Run the graph once, see that it gives what it should, and keep the templates."""
    outputs = [EMBEDDING, LOGITS, TEMPLATES]
    if list(session.inputs) != [CLIPS] or list(session.outputs) != outputs:
        raise RunError(
            "not the graph of a student", where=where,
            got=f"{', '.join(session.inputs)} to {', '.join(session.outputs)}",
            expected=f"{CLIPS} to {', '.join(outputs)}",
        )
    clip = np.zeros((1, *graph_shape(facts)), np.float32)
    embedding, logits, templates = session.run(outputs, clips=clip)
    found, n = (embedding.shape, logits.shape, templates.shape), len(facts.subjects)
    if found != ((1, embedding.shape[-1]), (1, n), (n, embedding.shape[-1])):
        raise RunError("the graph's outputs do not fit its people", where=where, got=found)
    return templates
