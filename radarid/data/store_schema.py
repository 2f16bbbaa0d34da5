"""The gait store's schema: data sets, attributes, and rows made of clips, faces, recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from capture.config import RadarConfig
from capture.schema import fingerprint, from_mapping, to_mapping
from capture.types import Gap
from radarid.data.tables import FaceContent, RecordingEntry
from radarid.dsp.clips import n_more_planes
from radarid.dsp.compat import pixel_axes
from radarid.dsp.params import DspParams
from radarid.errors import StoreError
from radarid.provenance import history_entry, versions

if TYPE_CHECKING:
    from capture.camera.faces import FaceCrop
    from radarid.dsp.clips import Clip

SCHEMA_VERSION = 2
FACE_SIZE = 160
Columns = dict[str, Any]
"""Name of a data set -> rows to append to it."""


def write_attributes(
    file: h5py.File, radar: RadarConfig, dsp: DspParams, faces: FaceContent
) -> None:
    """Write the root attributes of an empty store."""
    velocity_mps, time_s = pixel_axes(radar, dsp)
    file.attrs.update(
        schema_version=SCHEMA_VERSION,
        radar=json.dumps(to_mapping(radar)),
        radar_fingerprint=fingerprint(radar),
        dsp=json.dumps(to_mapping(dsp)),
        dsp_fingerprint=fingerprint(dsp),
        velocity_mps=velocity_mps,
        time_s=time_s,
        clip_s=dsp.clip_s,
        faces=json.dumps(asdict(faces)),
        versions=json.dumps(versions()),
        history=history_entry("store created"),
        n_clips=0,
        n_faces=0,
        n_recordings=0,
    )


def check_one_walker(dsp: DspParams, where: object) -> None:
    """Raise `StoreError` for processing that tells walkers apart: nobody would know who is who."""
    if dsp.max_walkers > 1:
        raise StoreError(
            "a store knows one person a recording, and cannot name several walkers", where=where,
            got=f"max_walkers = {dsp.max_walkers}", expected=1, remedy="--set max_walkers=1",
        )


def label_pixels(file: h5py.File, dsp: DspParams) -> None:
    """Write on the data sets of pixels what their axes and levels are."""
    for name in ("spectrogram", "planes")[: 1 + (n_more_planes(dsp) > 0)]:
        data = file["clips"][name]
        data.dims[data.ndim - 2].label = "velocity_mps"
        data.dims[data.ndim - 1].label = "time_s"
        data.attrs["level_db"] = dsp.span_db / 255


def check_attributes(file: h5py.File) -> None:
    """Raise `StoreError` when the root attributes are not those of an undamaged store."""
    version = file.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StoreError(
            "not a gait store of this version", where=file.filename,
            got=f"schema version {version}", expected=SCHEMA_VERSION,
            remedy="ingest the recordings again, into a new --out",
        )
    for name in ("radar", "dsp"):
        stored = file.attrs.get(f"{name}_fingerprint")
        try:
            actual = fingerprint(json.loads(file.attrs[name]))
        except (KeyError, ValueError):
            actual = "unreadable"
        if actual != stored:
            raise StoreError(
                f"damaged: its {name} configuration does not have its fingerprint",
                where=file.filename, got=actual, expected=stored,
            )
    for name in ("n_clips", "n_faces", "n_recordings", "faces"):
        if name not in file.attrs:
            raise StoreError(f"damaged: attribute '{name}' is missing", where=file.filename)


def to_content(text: str) -> FaceContent:
    """What the root attribute `faces` says."""
    table = json.loads(text)
    return FaceContent(**(table | {"shape": tuple(table["shape"])}))


def data_sets(
    dsp: DspParams, faces: FaceContent
) -> dict[str, dict[str, tuple[Any, tuple[int, ...]]]]:
    """Group -> data set -> (dtype, shape of a row)."""
    text, size, n_more = h5py.string_dtype(), dsp.image_size, n_more_planes(dsp)
    planes = {"planes": (np.dtype("u1"), (n_more, size, size))} if n_more else {}
    content: dict[str, tuple[Any, tuple[int, ...]]] = {}
    if faces.kind == "crops":
        content["crop"] = np.dtype("u1"), (FACE_SIZE, FACE_SIZE, 3)
    elif faces.kind == "embeddings":
        content["embedding"] = np.dtype("<f4"), faces.shape
    return {
        "clips": {
            "spectrogram": (np.dtype("u1"), (size, size)),
            **planes,
            "valid": (np.dtype("?"), (size,)),
            **{name: (text, ()) for name in ("subject", "session", "take", "direction")},
            "recording": (np.dtype("<i8"), ()),
            "start_s": (np.dtype("<f8"), ()),
            "quality": (np.dtype("<f4"), ()),
            "velocity_mps": (np.dtype("<f4"), ()),
            "range_m": (np.dtype("<f4"), ()),
        },
        "faces": {
            **content,
            "subject": (text, ()),
            "recording": (np.dtype("<i8"), ()),
            "time_s": (np.dtype("<f8"), ()),
            "confidence": (np.dtype("<f4"), ()),
            "sharpness": (np.dtype("<f4"), ()),
            "box": (np.dtype("<f4"), (4,)),
            "n_in_view": (np.dtype("<i8"), ()),
        },
        "recordings": {
            **{name: (text, ())
               for name in ("name", "subject", "session", "take", "content_id", "radar",
                            "radar_fingerprint", "layout", "gaps", "evidence", "history",
                            "face_counts")},
            **{name: (np.dtype("<i8"), ())
               for name in ("n_frames", "n_lost_chirps", "n_rejected_clips")},
        },
    }  # fmt: skip


def _pixels(images: Sequence[np.ndarray], shape: tuple[int, ...], where: str) -> np.ndarray:
    """Nearest of 256 levels; `StoreError` for another shape, or pixels outside [0, 1]."""
    pixels = np.empty((len(images), *shape), np.uint8)
    for k, image in enumerate(images):
        if image.shape != shape:
            raise StoreError("clip of another size", where=where, got=image.shape, expected=shape)
        if not (image.min() >= 0 and image.max() <= 1):  # false for NaN, too
            raise StoreError(
                "clip with pixels outside [0, 1]", where=where,
                got=f"{image.min()} to {image.max()}",
            )
        pixels[k] = np.rint(255 * image)
    return pixels


def clip_columns(
    entry: RecordingEntry, row: int, clips: Sequence[Clip], dsp: DspParams
) -> Columns:
    """Rows of /clips for one recording.

    Raises
    ------
    StoreError
        A picture of another size or range, or clips without the planes that `dsp` asks for.
    """
    n, size, n_more = len(clips), dsp.image_size, n_more_planes(dsp)
    for clip in clips:
        if len(clip.planes) != n_more:
            raise StoreError(
                "clip with another number of further image planes", where=entry.name,
                got=len(clip.planes), expected=n_more,
            )
    images = [clip.image for clip in clips], [clip.planes for clip in clips]
    planes = {"planes": _pixels(images[1], (n_more, size, size), entry.name)} if n_more else {}
    return {
        "spectrogram": _pixels(images[0], (size, size), entry.name),
        **planes,
        "valid": np.array([clip.valid for clip in clips], bool).reshape(n, size),
        "subject": [entry.subject] * n,
        "session": [entry.session] * n,
        "take": [entry.take] * n,
        "direction": [clip.direction for clip in clips],
        "recording": np.full(n, row),
        **{
            name: np.array([getattr(clip, name) for clip in clips], float)
            for name in ("start_s", "quality", "velocity_mps", "range_m")
        },
    }


def face_columns(
    entry: RecordingEntry, row: int, faces: Sequence[tuple[float, FaceCrop]],
    content: FaceContent, embeddings: np.ndarray | None,
) -> Columns:  # fmt: skip
    """Rows of /faces for one recording; raises `StoreError` when they are not of this content."""
    n = len(faces)
    columns: Columns = {
        "subject": [entry.subject] * n,
        "recording": np.full(n, row),
        "time_s": np.array([time_s for time_s, _ in faces], float),
        "confidence": np.array([face.confidence for _, face in faces], float),
        "sharpness": np.array([face.sharpness for _, face in faces], float),
        "box": np.array([face.box for _, face in faces], float).reshape(n, 4),
        "n_in_view": np.array([face.n_in_view for _, face in faces], np.int64),
    }
    if content.kind == "crops":
        images = np.array([face.image for _, face in faces], np.uint8)
        columns["crop"] = _of_shape(images, (n, FACE_SIZE, FACE_SIZE, 3), entry.name)
    elif content.kind == "embeddings":
        columns["embedding"] = _of_shape(embeddings, (n, *content.shape), entry.name)
    elif n:
        raise StoreError("faces for a store without faces", where=entry.name, got=n)
    return columns


def _of_shape(rows: np.ndarray | None, shape: tuple[int, ...], where: str) -> np.ndarray:
    rows = np.empty(0) if rows is None else rows
    if rows.shape != shape and (rows.size or shape[0]):
        raise StoreError(
            "face crops or embeddings of another size", where=where, got=rows.shape, expected=shape
        )
    return rows.reshape(shape)


_PLAIN = ("name", "subject", "session", "take", "content_id", "layout")
_COUNTS = ("n_frames", "n_lost_chirps", "n_rejected_clips")


def recording_columns(entry: RecordingEntry) -> Columns:
    """Row of /recordings for one recording."""
    gaps = [[gap.start_byte, gap.n_bytes, gap.reason] for gap in entry.gaps]
    return {
        **{name: [getattr(entry, name)] for name in (*_PLAIN, *_COUNTS)},
        "radar": [json.dumps(to_mapping(entry.radar))],
        "radar_fingerprint": [fingerprint(entry.radar)],
        "gaps": [json.dumps(gaps)],
        "evidence": [json.dumps(entry.evidence)],
        "history": [json.dumps(entry.history)],
        "face_counts": [json.dumps(entry.face_counts)],
    }


def to_entry(row: Mapping[str, Any]) -> RecordingEntry:
    """Recording that a row of /recordings describes."""
    plain: dict[str, Any] = {name: str(row[name]) for name in _PLAIN}
    counts: dict[str, Any] = {name: int(row[name]) for name in _COUNTS}
    return RecordingEntry(
        **plain,
        **counts,
        radar=from_mapping(RadarConfig, json.loads(row["radar"])),
        gaps=tuple(Gap(*gap) for gap in json.loads(row["gaps"])),
        evidence=json.loads(row["evidence"]),
        history=tuple(json.loads(row["history"])),
        face_counts=json.loads(row["face_counts"]),
    )
