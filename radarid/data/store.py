"""`GaitStore`: the HDF5 file of clips, faces and recordings (schema in data/README.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import h5py
import numpy as np

from capture.config import RadarConfig, waveform_differences
from capture.errors import ConfigError
from capture.schema import differing_keys, from_mapping, to_mapping
from radarid.data.private_file import create_private
from radarid.data.store_damage import check_head, check_owners, check_rows, no_damage
from radarid.data.store_schema import (
    Columns,
    check_attributes,
    check_one_walker,
    clip_columns,
    data_sets,
    face_columns,
    label_pixels,
    recording_columns,
    to_content,
    to_entry,
    write_attributes,
)
from radarid.data.tables import ClipTable, FaceContent, FaceTable, RecordingEntry
from radarid.dsp.params import DspParams
from radarid.errors import StoreError

if TYPE_CHECKING:
    from capture.camera.faces import FaceCrop
    from radarid.dsp.clips import Clip

GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
"""What every HDF5 library can unpack; a clip takes 0.5 ms to read. It bears a checksum."""

FORMAT = "v108", "v108"
"""Headers and attributes with checksums. Later formats lock out who comes after a crash."""


class GaitStore:
    """Clips, face crops and recordings of one waveform and one signal processing.

    Open one with `create` or `open`, as a context manager. Rows of a recording count only once
    all of them are written: the numbers of rows in the root attributes are written last, and
    whatever lies beyond them is not there for any reader of this class.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self.path = Path(file.filename)

    # -- opening ----------------------------------------------------------------------------
    @classmethod
    def create(
        cls, path: Path, radar: RadarConfig, dsp: DspParams, faces: FaceContent | None = None,
        *, exist_ok: bool = False,
    ) -> Self:  # fmt: skip
        """Make an empty store that only its owner can read, and open it for writing.

        Parameters
        ----------
        path : of the new file
        radar, dsp : waveform and signal processing of every clip that will be in it
        faces : what is kept of faces; crops unless told otherwise
        exist_ok : open an existing store instead, if it has this waveform and processing

        Raises
        ------
        StoreError
            The file exists and `exist_ok` is false, or it is of another configuration; the
            processing tells several walkers apart.
        """
        check_one_walker(dsp, path)
        faces = faces or FaceContent()
        if exist_ok and path.exists():
            store = cls.open(path, "r+")
            try:
                store.require(radar, dsp, faces)
            except StoreError:
                store.close()
                raise
            return store
        create_private(path)
        file = h5py.File(path, "w", libver=FORMAT)
        write_attributes(file, radar, dsp, faces)
        for group, columns in data_sets(dsp, faces).items():
            for name, (dtype, shape) in columns.items():
                packing = {} if h5py.check_string_dtype(dtype) else GZIP
                file.create_dataset(
                    f"{group}/{name}",
                    shape=(0, *shape),
                    maxshape=(None, *shape),
                    chunks=(1 if len(shape) > 1 else 256, *shape),
                    dtype=dtype,
                    **packing,
                )
        label_pixels(file, dsp)
        file.flush()
        return cls(file)

    @classmethod
    def open(cls, path: Path, mode: Literal["r", "r+"] = "r") -> Self:
        """Open an existing store for reading ("r") or adding ("r+").

        Raises
        ------
        StoreError
            Missing, not HDF5, in use, of another schema version, or damaged.
        """
        if not path.is_file():
            raise StoreError("no such store", where=path, remedy="make one: radarid ingest")
        if not h5py.is_hdf5(path):
            raise StoreError("not an HDF5 file", where=path)
        check_head(path)
        try:
            file = h5py.File(path, mode)
        except OSError as failure:
            raise StoreError(f"cannot be opened: {failure}", where=path) from None
        store = cls(file)
        try:
            with no_damage(path):
                check_attributes(file)
                check_rows(file, store.dsp, store.face_content)
        except StoreError:
            file.close()
            raise
        return store

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- what it is -------------------------------------------------------------------------
    @property
    def radar(self) -> RadarConfig:
        """Waveform of the clips."""
        return self._config(RadarConfig, "radar")

    @property
    def dsp(self) -> DspParams:
        """Signal processing that made the clips."""
        return self._config(DspParams, "dsp")

    def _config(self, cls: Any, name: str) -> Any:
        try:
            return from_mapping(cls, json.loads(self._file.attrs[name]), where=self.path)
        except ConfigError as failure:
            raise StoreError(
                f"its {name} configuration was written by another version: {failure}",
                where=self.path,
                remedy="ingest the recordings again",
            ) from None

    @property
    def face_content(self) -> FaceContent:
        """What is kept of faces."""
        return to_content(self._file.attrs["faces"])

    @property
    def n_clips(self) -> int:
        """Clips of complete recordings."""
        return int(self._file.attrs["n_clips"])

    @property
    def n_faces(self) -> int:
        """Face crops of complete recordings."""
        return int(self._file.attrs["n_faces"])

    @property
    def n_recordings(self) -> int:
        """Complete recordings."""
        return int(self._file.attrs["n_recordings"])

    def require(
        self, radar: RadarConfig, dsp: DspParams | None = None, faces: FaceContent | None = None
    ) -> None:
        """Check that clips of this waveform (and processing, and faces) may lie in this store.

        Raises
        ------
        StoreError
            They may not; the differing keys are named.
        """
        found = waveform_differences(self.radar, radar)
        if found:
            raise StoreError(
                "holds clips of another radar waveform (store != recording)",
                where=self.path,
                got="; ".join(found),
                remedy="one store a waveform: choose another --out",
            )
        if dsp is not None and dsp != self.dsp:
            raise StoreError(
                "holds clips of another signal processing (store != wanted)",
                where=self.path,
                got="; ".join(differing_keys(to_mapping(self.dsp), to_mapping(dsp))),
                remedy="one store a signal processing: choose another --out",
            )
        own = self.face_content
        if faces is not None and faces.kind != "none" and faces != own:
            raise StoreError(
                "holds other faces (store != wanted)", where=self.path,
                got=f"{own.kind} != {faces.kind}" if own.kind != faces.kind
                else "; ".join(differing_keys(asdict(own), asdict(faces))),
                remedy=f"add recordings with --faces {own.kind} and the same teacher and "
                "variations, or choose another --out",
            )

    # -- writing ----------------------------------------------------------------------------
    def add_recording(
        self,
        entry: RecordingEntry,
        clips: Sequence[Clip],
        faces: Sequence[tuple[float, FaceCrop]] = (),
        embeddings: np.ndarray | None = None,
    ) -> int:
        """Append one recording with all that belongs to it.

        Parameters
        ----------
        entry : who, when and from what
        clips : of the recording, in order of time
        faces : (seconds on the radar's clock, crop) pairs; a store of embeddings takes all of a
            crop but its picture
        embeddings : float32 array, shape (n_faces, n_variations, d), for a store of embeddings

        Returns
        -------
        int
            Row of the recording.

        Raises
        ------
        StoreError
            Another waveform than the store's, or clips, planes or crops of another size or range.
        """
        self.require(entry.radar)
        row = self.n_recordings
        self._append(
            recording_columns(entry),
            clip_columns(entry, row, clips, self.dsp),
            face_columns(entry, row, faces, self.face_content, embeddings),
        )
        return row

    def absorb(self, other: GaitStore) -> None:
        """Append every recording of another store, in its order.

        Raises
        ------
        StoreError
            The other store is of another waveform or signal processing, or holds other faces.
        """
        self.require(other.radar, other.dsp, other.face_content)
        columns = {group: other._columns(group) for group in ("recordings", "clips", "faces")}
        for group in ("clips", "faces"):
            columns[group]["recording"] = columns[group]["recording"] + self.n_recordings
        self._append(columns["recordings"], columns["clips"], columns["faces"])

    def _append(self, recordings: Columns, clips: Columns, faces: Columns) -> None:
        """Write all rows, flush, then let them count."""
        counts = {}
        for group, columns in {"recordings": recordings, "clips": clips, "faces": faces}.items():
            start = int(self._file.attrs[f"n_{group}"])
            for name, rows in columns.items():
                data = self._file[f"{group}/{name}"]
                data.resize(start + len(rows), axis=0)
                if len(rows):
                    is_text = h5py.check_string_dtype(data.dtype) is not None
                    data[start:] = np.asarray(rows, object) if is_text else rows
                counts[group] = start + len(rows)
        self._file.flush()
        for group, count in counts.items():
            self._file.attrs[f"n_{group}"] = count
        self._file.flush()

    # -- reading ----------------------------------------------------------------------------
    def _columns(self, group: str, names: Sequence[str] | None = None) -> Columns:
        """Counted rows of a group's data sets; strings as str arrays."""
        count = int(self._file.attrs[f"n_{group}"])
        columns = {}
        with no_damage(self.path):
            for name in names or data_sets(self.dsp, self.face_content)[group]:
                data = self._file[f"{group}/{name}"]
                is_text = h5py.check_string_dtype(data.dtype) is not None
                rows = data.asstr()[:count].tolist() if is_text else data[:count]
                columns[name] = np.array(rows, np.str_) if is_text else rows
        return columns

    def _owned(self, group: str, names: Sequence[str], owner: Sequence[str]) -> Columns:
        """Columns of rows whose recordings say the same of their owner."""
        columns = self._columns(group, [*owner, "recording", *names])
        check_owners(self.path, columns, self._columns("recordings", owner), owner)
        return columns

    def table(self) -> ClipTable:
        """Everything about the clips but their pictures."""
        names = ["direction", "start_s", "quality", "velocity_mps", "range_m"]
        valid = self._columns("clips", ["valid"])["valid"]
        share = valid.mean(axis=1, dtype=np.float32) if len(valid) else np.empty(0, np.float32)
        columns = self._owned("clips", names, ["subject", "session", "take"])
        return ClipTable(**columns, valid_fraction=share)

    def faces(self) -> FaceTable:
        """Everything about the face crops but their pictures."""
        names = ["time_s", "confidence", "sharpness", "n_in_view"]
        return FaceTable(**self._owned("faces", names, ["subject"]))

    def recordings(self) -> list[RecordingEntry]:
        """Return every recording, in the order of the rows."""
        columns = self._columns("recordings")
        with no_damage(self.path):
            return [
                to_entry({name: columns[name][k] for name in columns})
                for k in range(self.n_recordings)
            ]

    def read_clips(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Spectrograms of the clips asked for, uint8 (n, height, width), in the order asked.

        Pixel 255 is the strongest; rows are velocity ascending, columns time.

        Raises
        ------
        StoreError
            An index outside the store.
        """
        return self._read_rows("clips", "spectrogram", indices)

    def read_layers(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """All planes of the clips, the spectrogram first, uint8 (n, 1 + n_more, height, width).

        Raises `StoreError` as `read_clips` does, and for a store of one plane.
        """
        if "planes" not in self._file["clips"]:
            raise StoreError(
                "holds one image plane a clip", where=self.path, got=f"planes = {self.dsp.planes}",
                remedy="ingest the recordings into another store with --set planes=stack",
            )
        first = self.read_clips(indices)[:, None]
        return np.concatenate([first, self._read_rows("clips", "planes", indices)], axis=1)

    def read_valid(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Which columns of the clips rest on received data, bool (n, width)."""
        return self._read_rows("clips", "valid", indices)

    def read_faces(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Face crops asked for, uint8 RGB (n, 160, 160, 3), in the order asked."""
        self._require_faces("crops")
        return self._read_rows("faces", "crop", indices)

    def read_embeddings(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Embeddings of faces and of their variations, float32 (n, n_variations, d)."""
        self._require_faces("embeddings")
        return self._read_rows("faces", "embedding", indices)

    def _require_faces(self, kind: str) -> None:
        if self.face_content.kind != kind:
            raise StoreError(
                f"holds no face {kind}", where=self.path, got=self.face_content.kind,
                remedy=f"ingest the recordings into another store with --faces {kind}",
            )

    def _read_rows(
        self, group: str, name: str, indices: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        wanted, place = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
        count = int(self._file.attrs[f"n_{group}"])
        if wanted.size and not 0 <= wanted[0] <= wanted[-1] < count:
            raise StoreError(
                f"no such row of {group}", where=self.path,
                got=int(wanted[0] if wanted[0] < 0 else wanted[-1]), expected=f"0 to {count - 1}",
            )
        # Runs of neighbours are read at once: HDF5 is slow with long lists of single rows.
        runs = np.split(np.arange(wanted.size), np.flatnonzero(np.diff(wanted) > 1) + 1)
        with no_damage(self.path):
            data = self._file[f"{group}/{name}"]
            rows = np.empty((wanted.size, *data.shape[1:]), data.dtype)
            for run in runs:
                if run.size:
                    rows[run[0] : run[-1] + 1] = data[wanted[run[0]] : wanted[run[-1]] + 1]
        return rows[place]
