"""Is anything of a face, or of the training that saw faces, in a file that will be handed on?

Files are read, never run. What is in a file is held against what a student, a gallery or a store
without faces consists of, to the last tensor: whatever is more, is named.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from radarid.data.store_contents import store_items
from radarid.errors import AuditError
from radarid.learn.students import BACKBONES, build_student
from radarid.live.gallery_file import holds_more, is_gallery, read_gallery
from radarid.live.onnx_tensors import read_onnx

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_SMALL = 4096  # a vector of so many numbers is a bias or a normalisation
_MOST_NUMBERS, _LONGEST_TEXT = 64, 4000
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Finding:
    """Something that should not be there.

    Attributes
    ----------
    place : in the file
    what : it is, or may be
    """

    place: str
    what: str


@dataclass(frozen=True)
class Report:
    """What was found in a file.

    Attributes
    ----------
    path, kind : of the file
    n_examined : tensors, data sets, attributes or values that were looked at: all there are
    findings : none, when it is clean
    summary : what it consists of
    """

    path: Path
    kind: str
    n_examined: int
    findings: tuple[Finding, ...]
    summary: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def audit(path: Path) -> list[Report]:
    """Search a file; of a run folder the student, which is what leaves it.

    Parameters
    ----------
    path : .safetensors, .onnx, .json, gallery or gait store, or a run folder

    Raises
    ------
    AuditError
        Missing, damaged, or of a kind that cannot be searched.
    RadaridError
        A damaged gallery or store.
    """
    if path.is_dir():
        return [_audit_file(path / name) for name in ("student.safetensors", "student.json")]
    return [_audit_file(path)]


def _audit_file(path: Path) -> Report:
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError as failure:
        raise AuditError(f"cannot be read: {failure.strerror}", where=path) from None
    if is_gallery(path):
        return _audit_gallery(path)
    if head.startswith(_HDF5):
        return _audit_store(path)
    if head.startswith(_PICKLES):
        what = "a pickle or archive: loading it can run code, and it can hold anything"
        return Report(path, "pickle or archive", 0, (Finding("file", what),))
    if path.suffix == ".safetensors":
        return _audit_tensors(path)
    if path.suffix == ".json":
        return _audit_json(path)
    if path.suffix == ".onnx":
        return _audit_onnx(path)
    raise AuditError(
        "a kind of file that cannot be searched", where=path,
        expected=".safetensors, .onnx, .json, a gallery, a gait store, or a run folder",
    )


def _audit_gallery(path: Path) -> Report:
    found = read_gallery(path)
    findings = [Finding("file", "bytes that are not the gallery's; any change writes it anew")]
    n = len(found.templates), len(found.background)
    text = f"{n[0]} gait templates, {n[1]} gait embeddings of others, student {found.model}"
    return Report(path, "gallery", sum(n), tuple(findings if holds_more(path) else ()), text)


def _audit_store(path: Path) -> Report:
    items, findings = store_items(path), []
    for item in items:
        if item.name.startswith("faces/") and item.name in ("faces/crop", "faces/embedding"):
            if item.shape[0]:
                what = "pictures of faces" if item.name == "faces/crop" else "embeddings of faces"
                findings.append(Finding(item.name, f"{item.shape[0]} {what}"))
        elif not item.is_expected:
            findings.append(
                Finding(item.name, f"no part of a gait store: {item.dtype} {item.shape}")
            )
    return Report(path, "gait store", len(items), tuple(findings))


def _audit_tensors(path: Path) -> Report:
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as failure:
        raise AuditError(f"cannot be read as safetensors: {failure}", where=path) from None
    findings = [
        Finding(f"metadata {key}", "text that no student has")
        for key, value in metadata.items() if (key, value) != ("format", "pt")
    ]  # fmt: skip
    name, expected = _nearest_student(shapes)
    for tensor, shape in shapes.items():
        if expected.get(tensor.removeprefix("student.")) != shape:
            findings.append(Finding(tensor, f"no part of a student: {shape}{_guess(tensor)}"))
    kind = f"student ({name})" if not findings else "tensors"
    return Report(path, kind, len(shapes), tuple(findings), f"{len(shapes)} tensors")


def _guess(tensor: str) -> str:
    """What a tensor of a training probably is."""
    for part, what in (("teacher", "the face teacher's"), ("composer", "the composer's"),
                       ("embeddings", "perhaps embeddings of faces")):  # fmt: skip
        if part in tensor.lower():
            return f", {what}"
    return ""


def _nearest_student(shapes: Shapes) -> tuple[str, Shapes]:
    """Backbone, and shapes of its student, that explain most of the tensors."""
    shapes = {tensor.removeprefix("student."): shape for tensor, shape in shapes.items()}
    n_subjects = (*shapes.get("classifier.weight", ()), 1)[0]
    best: tuple[int, str, Shapes] = (-1, "", {})
    for name in BACKBONES:
        for channels in ("repeat", "single", "colormap"):
            expected = _student_shapes(name, channels) | _of_people(name, n_subjects)
            n_fitting = sum(expected.get(each) == shape for each, shape in shapes.items())
            best = max(best, (n_fitting, name, expected), key=lambda found: found[0])
    return best[1], best[2]


@functools.cache
def _student_shapes(name: str, channels: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a student of one person; none of them holds a number."""
    with torch.device("meta"):
        student = build_student(name, channels, 1)
    return {key: tuple(value.shape) for key, value in student.state_dict().items()}


def _of_people(name: str, n_subjects: int) -> dict[str, tuple[int, ...]]:
    """Shapes that depend on how many people a student knows."""
    shape = (n_subjects, BACKBONES[name].n_embedding)
    return {"classifier.weight": shape, "classifier.bias": shape[:1], "templates": shape}


def _audit_json(path: Path) -> Report:
    try:
        values = list(_leaves(json.loads(path.read_text(encoding="utf-8")), ""))
    except OSError as failure:
        raise AuditError(f"cannot be read: {failure.strerror}", where=path) from None
    except (ValueError, RecursionError) as failure:
        raise AuditError(f"not JSON: {failure}", where=path) from None
    findings = []
    for place, value in values:
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            findings.append(Finding(place, f"text of {len(value)} characters, perhaps data"))
        elif isinstance(value, list):
            findings.append(Finding(place, f"{len(value)} numbers, perhaps an embedding"))
    return Report(path, "JSON", len(values), tuple(findings))


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Plain values with their places; a long list of fractions counts as one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
            if len(str(key)) > _LONGEST_TEXT:
                yield place, str(key)
    elif isinstance(value, list):
        if sum(isinstance(each, float) for each in value) >= _MOST_NUMBERS:
            yield place, value
        else:
            for k, inner in enumerate(value):
                yield from _leaves(inner, f"{place}[{k}]")
    else:
        yield place, value


def _audit_onnx(path: Path) -> Report:
    contents = read_onnx(path)
    findings = [Finding("graph", odd) for odd in contents.odd]
    findings += [Finding("graph", f"operators of another kind: {d}") for d in contents.domains]
    findings += [
        Finding(f"metadata {key}", f"{len(text)} characters, perhaps data")
        for key, text in contents.metadata.items() if len(text) > 1 << 16
    ]  # fmt: skip
    findings += [
        Finding(tensor.name, "its values lie in another file")
        for tensor in contents.tensors if tensor.is_external
    ]  # fmt: skip
    findings += _not_a_students(path, {
        f"{tensor.name or 'constant'} ({k})": tensor.shape
        for k, tensor in enumerate(contents.tensors)
    })  # fmt: skip
    text = f"{len(contents.tensors)} tensors, {', '.join(contents.inputs)} to " + ", ".join(
        contents.outputs
    )
    return Report(path, "ONNX", len(contents.tensors), tuple(findings), text)


def _not_a_students(path: Path, shapes: Shapes) -> list[Finding]:
    """Large tensors that are no weight of any one student, or more of a shape than it has.

    Exporters rename, turn and fuse weights, so shapes are compared without order; small vectors
    may be normalisations that were folded into biases.
    """
    large = {name: tuple(sorted(shape)) for name, shape in shapes.items()
             if len(shape) > 1 or max(shape, default=0) > _SMALL}  # fmt: skip
    large = {name: shape for name, shape in large.items() if _size(shape) > _SMALL}
    best: list[str] | None = None
    for backbone in BACKBONES:
        n_embedding = BACKBONES[backbone].n_embedding
        for channels in ("repeat", "single"):
            own = _student_shapes(backbone, channels)
            budget: Counter[object] = Counter(tuple(sorted(shape)) for shape in own.values())
            budget["templates"] = 1
            odd = []
            for name, shape in large.items():
                key: object = shape
                if len(shape) == 2 and n_embedding in shape and not budget[shape]:
                    is_templates = "templates (" in name
                    key = "templates" if is_templates else (1, n_embedding)
                if budget[key] <= 0:
                    odd.append(name)
                budget[key] -= 1
            if best is None or len(odd) < len(best):
                best = odd
    return [Finding(name, f"no weight of a student: {shapes[name]}") for name in best or []]


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
