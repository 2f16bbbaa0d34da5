"""Walks of real people from motion capture folders, as `BodyMotion`.

Two sets, both read by `list_walks`: `cmu/NN/NN.asf, NN_MM.amc` (full skeletons of
mocap.cs.cmu.edu, 120 fps) and `qtm25/Qxx.npz` (six markers of one leg at 100 Hz, Santos et al.
2022, 10.1038/s41597-022-01638-2; completed by a model, see `qtm.py`). The CMU data "was obtained
from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217."
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.errors import SimulationError
from capture.simulate import asf, qtm
from capture.simulate.motion import JOINTS, BodyMotion

CMU_FPS = 120.0
MAX_HEADING_CHANGE_RAD = float(np.deg2rad(20.0))
LOWEST_JOINT_M = 0.02
_HEADING_WINDOW_S = 1.0
_END_BYTES = 16384

# Bones whose far end is the joint; `root` is the skeleton's root between the hips.
CMU_BONES = {
    "pelvis": "root", "chest": "upperback", "neck": "thorax", "head": "head",
    "l_shoulder": "lclavicle", "l_elbow": "lhumerus", "l_wrist": "lradius",
    "r_shoulder": "rclavicle", "r_elbow": "rhumerus", "r_wrist": "rradius",
    "l_hip": "lhipjoint", "l_knee": "lfemur", "l_ankle": "ltibia", "l_toe": "ltoes",
    "r_hip": "rhipjoint", "r_knee": "rfemur", "r_ankle": "rtibia", "r_toe": "rtoes",
}  # fmt: skip

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MocapWalk:
    """One recorded walk, known but not yet loaded.

    Parameters
    ----------
    subject_id : pseudonym as in the data's own table, "CMU07" or "Q01"
    session : "d1" or "d2", the day of the recording (CMU: always "d1")
    take : name of the trial, unique within subject and session
    source : "cmu" or "qtm25"
    duration_s : length of the recording (of the half, where a trial was halved)
    path : the .amc or .npz file
    part : beginning and end of the walk within the trial, as fractions of it
    """

    subject_id: str
    session: str
    take: str
    source: str
    duration_s: float
    path: Path
    part: tuple[float, float] = (0.0, 1.0)

    def load(self) -> BodyMotion:
        """Read the walk; it starts at time 0 at the origin and walks along +y.

        Raises
        ------
        SimulationError
            The file cannot be read, is broken, or holds a motion that cannot be completed.
        """
        if self.source == "cmu":
            return _load_cmu(self.path, self.part)
        return qtm.complete(_read_markers(self.path, self.take), side=self.take[-1])


def list_walks(folder: Path) -> list[MocapWalk]:
    """List the walks under a motion capture folder, reading only sizes and headers.

    A CMU person with a single trial (05, 06, 10, 55) gives two walks, the halves "..a" and
    "..b" of the trial in time, which share no sample: otherwise nothing would be left to
    recognise the person by. They are short; `BodyMotion.extend` makes them longer.

    Raises
    ------
    SimulationError
        The folder holds neither `cmu/*/*.amc` nor `qtm25/*.npz`.
    """
    walks = [walk for place in sorted(folder.glob("cmu/*")) for walk in _list_cmu(place)]
    walks += [walk for path in sorted(folder.glob("qtm25/*.npz")) for walk in _list_qtm(path)]
    if not walks:
        raise SimulationError(
            "no walks found", where=folder, expected="cmu/NN/NN_MM.amc or qtm25/Qxx.npz inside"
        )
    return walks


def _list_cmu(place: Path) -> list[MocapWalk]:
    trials = sorted(place.glob("*.amc"))
    parts = {"": (0.0, 1.0)} if len(trials) > 1 else {"a": (0.0, 0.5), "b": (0.5, 1.0)}
    return [
        MocapWalk(
            subject_id=f"CMU{place.name}",
            session="d1",
            take=path.stem + letter,
            source="cmu",
            duration_s=_n_frames_cmu(path) * (part[1] - part[0]) / CMU_FPS,
            path=path,
            part=part,
        )
        for path in trials
        for letter, part in parts.items()
    ]


def _n_frames_cmu(path: Path) -> int:
    """Frames of an .amc file by their first and last numbers: its two ends are enough."""
    with path.open("rb") as file:
        head = file.read(_END_BYTES)
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        tail = file.read()
    first, last = (
        [int(line) for line in end.split(b"\n") if line.strip().isdigit()] for end in (head, tail)
    )
    if not (first and last):
        raise SimulationError("no frame found", where=path, expected="an .amc motion file")
    return last[-1] - first[0] + 1


def _list_qtm(path: Path) -> list[MocapWalk]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in sorted(archive.namelist()) if n != "markers.npy"]
            n_frames = [_array_length(archive, name) for name in names]
    except (OSError, zipfile.BadZipFile, ValueError) as failure:
        raise SimulationError(f"not a marker archive: {failure}", where=path) from None
    takes = [name.removesuffix(".npy") for name in names]
    return [
        MocapWalk(path.stem, take[:2], take, "qtm25", n / qtm.FPS, path)
        for take, n in zip(takes, n_frames, strict=True)
    ]


def _array_length(archive: zipfile.ZipFile, name: str) -> int:
    """First dimension of an array in an .npz archive, from its header alone."""
    with archive.open(name) as file:
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
    return int(shape[0])


def _read_markers(path: Path, take: str) -> dict[str, Floats]:
    """Marker name -> float64 array (n_times, 3), metres, of one trial."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, values = archive["markers"], archive[take].astype(np.float64)
    except (OSError, KeyError, ValueError) as failure:
        raise SimulationError(f"trial cannot be read: {failure}", where=f"{path}:{take}") from None
    return {str(name): values[:, index] for index, name in enumerate(names)}


def _load_cmu(path: Path, part: tuple[float, float]) -> BodyMotion:
    skeleton = asf.read_asf(path.with_name(f"{path.parent.name}.asf"))
    angles = asf.smooth(asf.read_amc(path, skeleton), CMU_FPS)
    n_frames = len(angles["root"])
    span = slice(round(part[0] * n_frames), round(part[1] * n_frames))
    ends = asf.forward_kinematics(skeleton, {name: row[span] for name, row in angles.items()})
    if missing := set(CMU_BONES.values()) - ends.keys():
        raise SimulationError("bones missing", where=path, got=sorted(ends), expected=missing)
    y_up = np.stack([ends[CMU_BONES[joint]] for joint in JOINTS], axis=1)
    z_up = np.stack([y_up[..., 0], -y_up[..., 2], y_up[..., 1]], axis=-1)
    keep = straight_part(z_up[:, 0, :2], CMU_FPS)
    position_m = to_walker_frame(level(to_walker_frame(z_up[keep])))
    return BodyMotion(np.arange(len(position_m)) / CMU_FPS, position_m)


def straight_part(path_m: Floats, fps: float) -> slice:
    """Longest part of a walk in which the heading stays within 20 degrees of its median.

    Parameters
    ----------
    path_m : float64 array, shape (n_times, 2), the pelvis on the floor, metres
    fps : float > 0, samples a second

    Returns
    -------
    slice into the samples; all of them for a straight walk

    Raises
    ------
    SimulationError
        Nothing but turns.
    """
    lag = min(round(_HEADING_WINDOW_S * fps), len(path_m) // 2)
    moved = path_m[lag:] - path_m[:-lag]
    heading = np.unwrap(np.arctan2(moved[:, 1], moved[:, 0]))
    straight = np.abs(heading - np.median(heading)) <= MAX_HEADING_CHANGE_RAD
    edges = np.flatnonzero(np.diff(np.concatenate([[False], straight, [False]])))
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    if stops[longest] - starts[longest] < lag / 2:
        raise SimulationError("no straight second in this walk", where="straight_part")
    return slice(int(starts[longest]), int(stops[longest]) + lag)


def level(position_m: Floats) -> Floats:
    """Turn a walk along +y about the x axis so that its standing feet stay on one height.

    The floor of some captures slopes by up to two degrees. Each ankle is taken while it is
    among its slowest fifth (the foot stands flat), and one slope fitted to both.

    Parameters
    ----------
    position_m : float64 array, shape (n_times, n_joints, 3), metres, joints in `JOINTS` order

    Returns
    -------
    float64 array of the same shape
    """
    rows, heights = [], []
    for left, name in ((1.0, "l_ankle"), (0.0, "r_ankle")):
        ankle = position_m[:, JOINTS.index(name)]
        speed = np.linalg.norm(np.gradient(ankle, axis=0), axis=1)
        stands = ankle[speed <= np.percentile(speed, 20.0)]
        heights.append(stands[:, 2])
        sides = np.full(len(stands), left)
        rows.append(np.stack([sides, 1.0 - sides, stands[:, 1]], axis=1))
    slope = np.linalg.lstsq(np.concatenate(rows), np.concatenate(heights), rcond=None)[0][2]
    cosine, sine = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])
    return np.asarray(position_m @ turn.T)


def to_walker_frame(position_m: Floats) -> Floats:
    """Turn a walk (z up) to +y, pelvis starting at the origin, lowest joint near the floor.

    Parameters
    ----------
    position_m : float64 array, shape (n_times, n_joints, 3), metres; joint 0 is the pelvis

    Returns
    -------
    float64 array of the same shape. The floor is put 2 cm below the 5th percentile over time
    of the lowest joint (a toe), since the floor of a capture is known to a few centimetres
    only.
    """
    moved = position_m[-1, 0] - position_m[0, 0]
    sine, cosine = moved[:2] / np.hypot(*moved[:2])
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    turned = position_m @ turn.T
    low = np.percentile(turned[..., 2].min(axis=1), 5.0) - LOWEST_JOINT_M
    origin = np.array([turned[0, 0, 0], turned[0, 0, 1], low])
    return np.asarray(turned - origin)
