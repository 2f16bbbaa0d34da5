"""Acclaim skeletons (.asf) and their motion (.amc): parsing and forward kinematics.

Format: Lander, "Working with Motion Capture File Formats", Game Developer, January 1998, and the
Acclaim notes of the University of Wisconsin. A bone's `axis` gives the frame C in which its
degrees of freedom M are told, so that its world rotation is R = R_parent C M C^-1 and its end
lies at start + R * length * direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from capture.errors import SimulationError

METRES_PER_INCH = 0.0254
CUTOFF_HZ = 12.0
ROOT_ORDER = ("tx", "ty", "tz", "rx", "ry", "rz")
_DOF = {"rx": 0, "ry": 1, "rz": 2}

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone: where it points at rest (world axes), how long it is, what can turn."""

    name: str
    offset_m: Floats
    frame: Floats
    dof: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bones in an order in which every parent comes before its children."""

    bones: tuple[Bone, ...]
    parents: dict[str, str]
    metres_per_unit: float


def euler(degrees: Floats) -> Floats:
    """Rotation matrices Rz Ry Rx of XYZ Euler angles.

    Parameters
    ----------
    degrees : float64 array, shape (..., 3): angles about x, y, z, applied in this order

    Returns
    -------
    float64 array, shape (..., 3, 3)
    """
    sx, sy, sz = np.moveaxis(np.sin(np.deg2rad(degrees)), -1, 0)
    cx, cy, cz = np.moveaxis(np.cos(np.deg2rad(degrees)), -1, 0)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def read_asf(path: Path) -> Skeleton:
    """Read a skeleton.

    Raises
    ------
    SimulationError
        The file cannot be read, uses radians, another axis order, or lacks a section.
    """
    sections = _sections(path)
    units = dict(line[:2] for line in sections["units"] if len(line) >= 2)
    if units.get("angle") != "deg" or "length" not in units:
        raise SimulationError("units not understood", where=path, got=units, expected="angle deg")
    root = {line[0]: tuple(word.lower() for word in line[1:]) for line in sections["root"]}
    if root.get("order") != ROOT_ORDER or root.get("axis") != ("xyz",):
        raise SimulationError("root not understood", where=path, got=root, expected=ROOT_ORDER)
    scale = METRES_PER_INCH / _numbers([units["length"]], path)[0]
    found = {bone.name: bone for bone in _bones(sections["bonedata"], scale, path)}
    parents: dict[str, str] = {}
    ordered = []
    for line in sections["hierarchy"]:
        for child in line[1:] if line[0] not in ("begin", "end") else ():
            if child not in found or (line[0] != "root" and line[0] not in parents):
                raise SimulationError("hierarchy names an unknown bone", where=path, got=child)
            parents[child] = line[0]
            ordered.append(found[child])
    return Skeleton(tuple(ordered), parents, scale)


def _sections(path: Path) -> dict[str, list[list[str]]]:
    """Words of the lines of each ':section' of an .asf file."""
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in _lines(path):
        if line.startswith(":"):
            current = sections.setdefault(line[1:].split()[0].lower(), [])
        else:
            current.append(line.split())
    missing = {"units", "root", "bonedata", "hierarchy"} - sections.keys()
    if missing:
        raise SimulationError("not an .asf skeleton", where=path, got=f"no {sorted(missing)}")
    return sections


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as failure:
        raise SimulationError(f"cannot be read: {failure.strerror}", where=path) from None
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _numbers(words: list[str], path: Path) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as failure:
        raise SimulationError(f"not a number: {failure}", where=path) from None


def _bones(lines: list[list[str]], scale: float, path: Path) -> list[Bone]:
    bones = []
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line[0] == "begin":
            fields = {}
        elif line[0] == "end":
            bones.append(_bone(fields, scale, path))
        else:
            fields[line[0]] = line[1:]
    return bones


def _bone(fields: dict[str, list[str]], scale: float, path: Path) -> Bone:
    try:
        name = fields["name"][0]
        direction = np.array([float(word) for word in fields["direction"]])
        length_m = float(fields["length"][0]) * scale
        angles, order = fields["axis"][:3], fields["axis"][3].lower()
        frame = euler(np.array([float(word) for word in angles]))
    except (KeyError, IndexError, ValueError) as failure:
        raise SimulationError(f"bone not understood: {failure}", where=path, got=fields) from None
    dof = tuple(word.lower() for word in fields.get("dof", []))
    if order != "xyz" or not set(dof) <= _DOF.keys():
        raise SimulationError("axis order or dof", where=path, got=(name, order, dof))
    return Bone(name, direction / np.linalg.norm(direction) * length_m, frame, dof)


def read_amc(path: Path, skeleton: Skeleton) -> dict[str, Floats]:
    """Read the angles of every frame.

    Returns
    -------
    bone name -> float64 array, shape (n_frames, n_dof of the bone), degrees; `root` has
    shape (n_frames, 6): three translations in file units and three angles

    Raises
    ------
    SimulationError
        The file cannot be read, or a bone does not have one value a degree of freedom in
        every frame.
    """
    wanted = {bone.name: len(bone.dof) for bone in skeleton.bones if bone.dof} | {"root": 6}
    values: dict[str, list[list[float]]] = {name: [] for name in wanted}
    n_frames = 0
    for line in _lines(path):
        words = line.split()
        if line.startswith(":"):
            continue
        if len(words) == 1:
            n_frames += 1
        elif words[0] not in wanted or len(words) - 1 != wanted[words[0]]:
            raise SimulationError(
                "line does not fit the skeleton", where=path, got=line, expected=wanted
            )
        else:
            values[words[0]].append(_numbers(words[1:], path))
    short = {name: len(rows) for name, rows in values.items() if len(rows) != n_frames}
    if short or n_frames == 0:
        raise SimulationError("frames missing", where=path, got=short, expected=n_frames)
    return {name: np.array(rows) for name, rows in values.items()}


def smooth(angles: dict[str, Floats], fps: float) -> dict[str, Floats]:
    """Low-pass every angle and translation without delay (Butterworth 4, 12 Hz, both ways).

    Gait holds next to nothing above 8 Hz (Winter 2009, chapter 3), but a millimetre of marker
    noise is a quarter of a wavelength to a 77 GHz radar. Bones stay rigid, since it is done on
    angles.
    """
    sections = butter(2, CUTOFF_HZ, fs=fps, output="sos")
    turns = {name: np.unwrap(values, period=360.0, axis=0) for name, values in angles.items()}
    turns["root"][:, :3] = angles["root"][:, :3]
    return {name: sosfiltfilt(sections, values, axis=0) for name, values in turns.items()}


def forward_kinematics(skeleton: Skeleton, angles: dict[str, Floats]) -> dict[str, Floats]:
    """Where every bone ends.

    Parameters
    ----------
    skeleton : see `read_asf`
    angles : see `read_amc`

    Returns
    -------
    bone name -> float64 array, shape (n_frames, 3), metres, in the file's axes (y up);
    `root` is the skeleton's root
    """
    root = angles["root"]
    ends = {"root": root[:, :3] * skeleton.metres_per_unit}
    rotations = {"root": euler(root[:, 3:])}
    for bone in skeleton.bones:
        parent = skeleton.parents[bone.name]
        rotation = rotations[parent]
        if bone.dof:
            turn = np.zeros((len(root), 3))
            turn[:, [_DOF[name] for name in bone.dof]] = angles[bone.name]
            rotation = rotation @ (bone.frame @ euler(turn) @ bone.frame.T)
        rotations[bone.name] = rotation
        ends[bone.name] = ends[parent] + rotation @ bone.offset_m
    return ends
