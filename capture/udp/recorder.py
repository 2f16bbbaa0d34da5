"""Live frames to disk: files split like TI's, and a sidecar that a crash cannot spoil.

`OUT_Raw_0.bin`, `OUT_Raw_1.bin`, ... hold the byte stream of the radar, cut where TI's recorder
cuts it; what never came is zeros, at its place. Beside them lie the sidecar `OUT_Raw_0.json`, with
the list of what was lost, and the radar's configuration `OUT_Raw_0.toml`.

Once a second a thread of its own brings the data to the disk and then replaces the sidecar, which
says up to which byte the recording is known. A crash loses at most what came after that, and the
thread that writes frames never waits for the disk to confirm anything.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import errno
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from capture.config import RadarConfig
from capture.dca1000.frame_buffer import RawFrame
from capture.errors import RecordError
from capture.file.lost import LostStretches
from capture.file.parts import PART_BYTES, PartWriter, part_path
from capture.file.sidecar import LiveFacts, Sidecar, write_sidecar
from capture.schema import write_toml

_REMEDIES = {
    errno.ENOSPC: "make room, or record to another disk",
    errno.EDQUOT: "your quota is used up: make room, or record to another disk",
    errno.EFBIG: "files may not be this large here: raise the limit (ulimit -f)",
    errno.EACCES: "record to a folder that you may write to",
    errno.EROFS: "record to a folder that you may write to",
}


class Recorder:
    """Write frames as they come; a context manager.

    Leaving the context ends the recording: as complete, or, after an error, as broken off, with
    everything that was written before it still good. When that is nothing, no file is left.

    Parameters
    ----------
    out : folder and name; `_Raw_0.bin` and so on is added
    config : waveform and raw format
    sidecar : what else is known about the recording
    n_frames : length at which the recording is full; None for no limit
    first_index : index of the frame to begin with; None for the first that comes
    describe : completes the sidecar as far as things are known by now: packet counters, clock,
        camera. Called by the thread that writes the sidecar
    force : replace a recording of this name
    part_bytes, interval_s : length of a file; time between two states of the sidecar

    Attributes
    ----------
    n_incomplete, n_missing : frames of which some, or all, bytes were lost
    first_index : index of the recording's first frame, None while it is not known
    started_ns : arrival of that frame, by the frame that came first; 0 while it is not known

    Raises
    ------
    RecordError
        The folder does not exist, or a recording of this name does. On entering: nothing can be
        written.
    """

    def __init__(
        self,
        out: Path,
        config: RadarConfig,
        sidecar: Sidecar | None = None,
        *,
        n_frames: int | None = None,
        first_index: int | None = 0,
        describe: Callable[[Sidecar], Sidecar] | None = None,
        force: bool = False,
        part_bytes: int = PART_BYTES,
        interval_s: float = 1.0,
    ) -> None:
        self.out, self.n_frames = out, 0
        self.n_incomplete = self.n_missing = 0
        self.first_index, self.started_ns = first_index, 0
        self._frame_bytes, self._period_s = config.stored_frame_bytes, config.frame_period_s
        self._limit = n_frames
        self._describe, self._interval_s = describe, interval_s
        self._lost = LostStretches(config.stored_chirp_bytes)
        self._lock = threading.Lock()  # n_frames and _lost change together
        self._failure: OSError | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="radarid-sidecar", daemon=True)
        self._config, self._part_bytes = config, part_bytes
        self._path = Sidecar.path_for(part_path(out, 0))
        self._radar = self._path.with_suffix(".toml")
        self._sidecar = dataclasses.replace(sidecar or Sidecar(), radar=self._radar.name)
        self._in_the_way = check_room(out, force=force)

    @property
    def files(self) -> tuple[Path, ...]:
        """The .bin files so far."""
        return tuple(self._parts.paths)

    @property
    def is_full(self) -> bool:
        """Whether the recording has all the frames that were asked for."""
        return self.n_frames == self._limit

    @property
    def lost_bytes(self) -> int:
        """Bytes of the recording that are zeros because they never came."""
        return self._lost.n_bytes

    def write(self, frame: RawFrame) -> None:
        """Write a frame at its place; frames left out before it become zeros.

        A frame beyond the limit is not written; it shows that those before it are over.

        Raises
        ------
        RecordError
            The frame does not come after those written, or the disk does not take it.
        """
        if self._failure is not None:
            raise self._explain(self._failure)
        if self.first_index is None:
            self.first_index = frame.index
        place = frame.index - self.first_index
        if place < self.n_frames:
            raise RecordError(
                "a frame that comes too late to be recorded", where=self.out,
                got=f"frame {place}", expected=f"frame {self.n_frames} or later",
            )  # fmt: skip
        if not self.started_ns and frame.time_ns:
            self.started_ns = frame.time_ns - round(place * self._period_s * 1e9)
        try:
            self._write_at(place, frame)
        except OSError as failure:
            raise self._explain(failure) from None

    def close(self, *, complete: bool = True) -> None:
        """End the recording; what there is of a frame that broke off is cut away.

        Raises
        ------
        RecordError
            The disk does not take the last of it; the sidecar knows what it took.
        """
        if self._ended.is_set():
            return
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._parts.end_at(self.n_frames * self._frame_bytes)
            self._checkpoint(complete=complete)
        except OSError as failure:
            raise self._explain(failure) from None
        finally:
            self._parts.close()
        if not complete and not self.n_frames:
            self._remove()

    def __enter__(self) -> Recorder:
        try:
            for path in self._in_the_way:
                path.unlink()
            write_toml(self._radar, self._config)
            self._parts = PartWriter(self.out, self._part_bytes)
            self._checkpoint(complete=False)
        except OSError as failure:
            self._remove()
            raise self._explain(failure) from None
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(complete=kind is None)

    def _write_at(self, place: int, frame: RawFrame) -> None:
        if self._limit is not None and place >= self._limit:
            self._parts.end_at(self._limit * self._frame_bytes)
            self._account(self._limit)
            return
        start = place * self._frame_bytes
        self._parts.write(start, frame.data.data)
        self._account(place, [(start + begin, start + end) for begin, end in frame.lost])

    def _account(self, place: int, lost: Iterable[tuple[int, int]] | None = None) -> None:
        """Note the frames missing before `place` and, unless that is the end, what it lacks."""
        with self._lock:
            self._lost.add(self.n_frames * self._frame_bytes, place * self._frame_bytes)
            for start, stop in lost or ():
                self._lost.add(start, stop)
            self.n_missing += place - self.n_frames
            self.n_incomplete += bool(lost)
            self.n_frames = place if lost is None else place + 1

    def _remove(self) -> None:
        unfinished = self._path.with_name(self._path.name + ".part")
        for path in (part_path(self.out, 0), self._path, self._radar, unfinished):
            path.unlink(missing_ok=True)

    def _keep(self) -> None:
        while not self._ended.wait(self._interval_s):
            try:
                self._checkpoint(complete=False)
            except OSError as failure:
                self._failure = failure
                return

    def _checkpoint(self, *, complete: bool) -> None:
        """Bring all whole frames to the disk, then the sidecar that vouches for them."""
        with self._lock:
            n_bytes = self.n_frames * self._frame_bytes
            lost, granule = self._lost.within(n_bytes), self._lost.granule_bytes
        self._parts.sync()
        live = LiveFacts(
            complete=complete,
            n_bytes=n_bytes,
            lost_granule_bytes=granule,
            started_at=utc(self.started_ns) if self.started_ns else None,
        )
        sidecar = dataclasses.replace(self._sidecar, lost=lost, live=live)
        if self._describe is not None:
            sidecar = self._describe(sidecar)
        write_sidecar(self._path, sidecar, durable=True)

    def _explain(self, failure: OSError) -> RecordError:
        return RecordError(
            f"the recording cannot be written: {failure.strerror}",
            where=failure.filename or self.out,
            got=f"{self.n_frames} frames written before" if self.n_frames else None,
            remedy=_REMEDIES.get(failure.errno or 0),
        )  # fmt: skip


def record_stream(frames: Iterable[RawFrame], recorder: Recorder) -> None:
    """Write frames until they end or the recording is full.

    Raises
    ------
    RecordError
        The disk does not take them.
    """
    for frame in frames:
        recorder.write(frame)
        if recorder.is_full:
            break


def check_room(out: Path, *, force: bool = False) -> list[Path]:
    """Check that a recording of this name can be begun.

    Parameters
    ----------
    out : folder and name
    force : files of this name are no obstacle

    Returns
    -------
    Files of a recording of this name, to be removed before another one takes their place

    Raises
    ------
    RecordError
        No such folder, `out` is a folder, or files of this name exist.
    """
    if out.is_dir() or not out.name:
        raise RecordError("a folder, where a name in it is needed", where=out,
                          remedy=f"record to {out / 'walk'}, say")
    if not out.parent.is_dir():
        raise RecordError("no such folder", where=out.parent, remedy=f"mkdir -p {out.parent}")
    first = part_path(out, 0)
    numbered = out.parent.glob("*_Raw_*.bin")
    parts = [path for path in numbered if path.name.rpartition("_Raw_")[0] == out.name]
    beside = [first.with_suffix(".json"), first.with_suffix(".toml"),
              out.with_name(f"{out.name}.avi"), out.with_name(f"{out.name}.camera.csv")]
    existing = sorted([*parts, *(path for path in beside if path.exists())])
    if existing and not force:
        raise RecordError(
            "a recording of this name exists", where=out.parent,
            got=", ".join(path.name for path in existing),
            remedy="choose another name, or replace it with --force",
        )  # fmt: skip
    return existing


def utc(time_ns: int) -> str:
    """ISO 8601 of nanoseconds since 1970, to the microsecond."""
    return dt.datetime.fromtimestamp(time_ns * 1e-9, dt.UTC).isoformat(timespec="microseconds")
