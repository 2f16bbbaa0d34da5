"""Raw recordings -> gait store. What was finished survives a kill; a second run goes on.

A recording is hashed, and, if the store does not have it, processed soon after, while its bytes
are in the page cache. It becomes a small store of its own in `<out>.parts/`, written by whichever
process worked on it. Parts are appended, in the order of the recordings and while others are being
worked on, to a copy of the store, which in the end takes the store's place in one step.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from capture.config import RadarConfig, waveform_differences
from capture.errors import ExplainedError
from capture.schema import fingerprint
from radarid import __version__
from radarid.data.pool import Workers, prepare_processes
from radarid.data.private_file import create_private
from radarid.data.process import FaceEmbedder, IngestParams, face_warnings, process
from radarid.data.sources import Identity, Recording
from radarid.data.store import GaitStore
from radarid.data.store_schema import check_one_walker
from radarid.data.tables import FaceContent, Group
from radarid.dsp.params import DspParams
from radarid.errors import IngestError, StoreError
from radarid.progress import log, track
from radarid.provenance import history_entry

__all__ = ["IngestParams", "IngestReport", "Outcome", "ingest"]


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    Attributes
    ----------
    name : of the recording
    status : done, skipped (was in the store already) or failed
    reason : why it was skipped or failed
    n_clips, n_rejected_clips, n_faces : kept, left out for low quality, kept
    warnings : what the user should know of a recording that is done
    face_counts : what became of the camera's pictures and of the faces in them, by name (see
        `capture.camera.face_params.FaceCounts`)
    """

    name: str
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    n_clips: int = 0
    n_rejected_clips: int = 0
    n_faces: int = 0
    warnings: tuple[str, ...] = ()
    face_counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IngestReport:
    """What became of every recording, in the order given."""

    outcomes: tuple[Outcome, ...]

    def having(self, status: str) -> list[Outcome]:
        """Return the recordings that are done, skipped or failed."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def done(self) -> list[Outcome]:
        """Recordings that are new in the store."""
        return self.having("done")

    @property
    def skipped(self) -> list[Outcome]:
        """Recordings that were in the store already."""
        return self.having("skipped")

    @property
    def failed(self) -> list[Outcome]:
        """Recordings that could not be ingested."""
        return self.having("failed")


@dataclass(frozen=True)
class Work:
    """What is done with every recording.

    Attributes
    ----------
    dsp, params : signal processing, and what is kept
    embedder : makes embeddings of faces, if they are kept
    history : the step that this is in the history of a recording
    n_threads : of one recording's signal processing; the store does not depend on them
    """

    dsp: DspParams
    params: IngestParams
    embedder: FaceEmbedder | None = None
    history: str = ""
    n_threads: int = 1

    def __post_init__(self) -> None:
        if (self.params.faces == "embeddings") != (self.embedder is not None):
            raise IngestError("embeddings of faces are made by an embedder, and by nothing else",
                              got=self.params.faces)

    @property
    def faces(self) -> FaceContent:
        """What the store keeps of faces."""
        if self.embedder is not None:
            return self.embedder.content
        return FaceContent("crops" if self.params.faces == "crops" else "none")


@dataclass(frozen=True)
class _Task:
    """One recording's way into its part."""

    recording: Recording
    identity: Identity
    work: Work
    part: Path


def ingest(
    recordings: Sequence[Recording],
    out: Path,
    dsp: DspParams | None = None,
    params: IngestParams | None = None,
    *,
    embedder: FaceEmbedder | None = None,
    n_workers: int = 1,
    dask: str | None = None,
) -> IngestReport:
    """Process recordings and add them to a store.

    Parameters
    ----------
    recordings : to add, see `radarid.data.sources`; a store keeps their order
    out : the store; made if missing. A recording that it has already is skipped.
    dsp, params : signal processing, and what is kept
    embedder : makes embeddings of faces, if `params` ask for them
    n_workers : processes, or, of fewer recordings, threads; the store does not depend on their
        number
    dask : address of a Dask scheduler whose workers do the work instead, see
        `radarid.data.cluster`

    Returns
    -------
    IngestReport
        Recordings that cannot be read, or do not fit the store, have failed; the others are in.

    Raises
    ------
    StoreError
        The store is damaged, of another signal processing, holds other faces, or another ingest
        is writing it.
    IngestError
        Embeddings without an embedder, or the reverse; a process was killed; the Dask cluster
        cannot do the work.
    """
    dsp = dsp or DspParams()
    check_one_walker(dsp, out)
    history = history_entry(f"ingested with processing {fingerprint(dsp)}")
    n_processes = min(n_workers, max(1, len(recordings)))
    n_threads = max(1, n_workers // n_processes) if dask is None else 1
    work = Work(dsp, params or IngestParams(), embedder, history, n_threads)
    parts = out.with_name(out.name + ".parts")
    outcomes = []
    with _locked(parts), _Merge(out) as merge, _workers(n_processes, dask, parts) as workers:
        found = _run(recordings, _Plan(out, work, parts), workers)
        for task, outcome in track(found, "ingesting", total=len(recordings)):
            outcomes.append(outcome)
            if task and outcome.status == "done":
                merge.add(task.part)
    return IngestReport(tuple(outcomes))


def _workers(
    n_workers: int, dask: str | None, parts: Path
) -> contextlib.AbstractContextManager[Workers]:
    if dask is not None:
        from radarid.data.cluster import dask_workers

        return dask_workers(dask, parts)
    if n_workers > 1:
        prepare_processes([__name__])
    return Workers(n_workers)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder of parts for this process alone; remove it when it is empty."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                "another ingest is writing this store", where=folder, remedy="wait for it"
            ) from None
        try:
            for unfinished in folder.glob("*.partial"):
                unfinished.unlink()
            yield
        finally:
            if not any(folder.iterdir()):
                folder.rmdir()
            else:
                log.warning("%s keeps parts that are not in the store yet", folder)
    finally:
        os.close(lock)


def _identify(recording: Recording) -> Identity | Outcome:
    try:
        return recording.identify()
    except (ExplainedError, OSError) as failure:
        return Outcome(recording.name, "failed", str(failure))


def _run(
    recordings: Sequence[Recording], plan: _Plan, workers: Workers
) -> Iterator[tuple[_Task | None, Outcome]]:
    """Yield what became of the recordings, in their order, with the tasks of those that had one."""
    begun: deque[tuple[_Task | None, Future[Outcome]]] = deque()
    identities = workers.map(_identify, recordings)
    for recording, identity in zip(recordings, identities, strict=True):
        step = identity if isinstance(identity, Outcome) else plan.step(recording, identity)
        if isinstance(step, _Task):
            begun.append((step, workers.submit(_process, step)))
        else:
            begun.append((None, _finished(step)))
        while begun and begun[0][1].done():
            yield begun[0][0], workers.result(begun.popleft()[1])
    for task, future in begun:
        yield task, workers.result(future)


def _finished(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future


class _Plan:
    """Decides for one recording after the other, before it is processed, whether it fits."""

    def __init__(self, out: Path, work: Work, parts: Path) -> None:
        self._work, self._parts = work, parts
        self._radar: RadarConfig | None = None
        self._known: dict[str, Group] = {}
        if out.exists():
            with GaitStore.open(out) as store:
                self._radar = store.radar
                store.require(store.radar, work.dsp, work.faces)
                self._known = {
                    entry.content_id: (entry.subject, entry.session, entry.take)
                    for entry in store.recordings()
                }

    def step(self, recording: Recording, identity: Identity) -> _Task | Outcome:
        """The recording's task, or why it has none."""
        self._radar = self._radar or identity.radar
        refusal = _refusal(recording.name, identity, self._known, self._radar)
        if refusal is not None:
            return refusal
        self._known[identity.content_id] = _group(identity)
        part = self._parts / f"{_part_key(identity, self._work)}.h5"
        return _Task(recording, identity, self._work, part)


def _group(identity: Identity) -> Group:
    return identity.facts.subject, identity.facts.session, identity.facts.take


def _refusal(
    name: str, identity: Identity, known: Mapping[str, Group], radar: RadarConfig
) -> Outcome | None:
    """Why a recording is not processed, or None."""
    if identity.content_id in known:
        before, now = " / ".join(known[identity.content_id]), " / ".join(_group(identity))
        if before == now:
            return Outcome(name, "skipped", "in the store already")
        return Outcome(name, "failed", f"the same bytes are another walk: {before}; got {now}")
    found = waveform_differences(radar, identity.radar)
    if found:
        why = f"another radar waveform than the store's (store != recording): {'; '.join(found)}"
        return Outcome(name, "failed", why)
    return None


def _part_key(identity: Identity, work: Work) -> str:
    """Name of a part: another one for anything that would make another part."""
    facts = identity.facts
    words = (
        __version__, identity.content_id, fingerprint(identity.radar), fingerprint(work.dsp),
        fingerprint(work.params), work.faces, *_group(identity), facts.camera,
        facts.camera_offset_s, facts.started_at_s,
    )
    return hashlib.sha256("\x1f".join(map(str, words)).encode()).hexdigest()[:32]


def _process(task: _Task) -> Outcome:
    """Make a recording's part, unless an earlier run did."""
    name = task.recording.name
    try:
        if not task.part.exists():
            _write_part(task)
        with GaitStore.open(task.part) as part:
            return _outcome(part, task)
    except (ExplainedError, OSError) as failure:
        return Outcome(name, "failed", str(failure))


def _write_part(task: _Task) -> None:
    work = task.work
    found = process(
        task.recording, task.identity, work.dsp, work.params, work.embedder, (work.history,),
        work.n_threads,
    )
    partial = task.part.with_suffix(f".{uuid.uuid4().hex}.partial")
    with GaitStore.create(partial, found.entry.radar, work.dsp, work.faces) as part:
        part.add_recording(found.entry, found.clips, found.faces, found.embeddings)
    partial.replace(task.part)


def _outcome(part: GaitStore, task: _Task) -> Outcome:
    (entry,) = part.recordings()
    warnings = []
    if entry.n_lost_chirps:
        lost = entry.n_lost_chirps / (entry.n_frames * entry.radar.n_chirps)
        warnings.append(f"{lost:.1%} of the chirps were lost")
    if not part.n_clips:
        warnings.append(f"no clip is good enough ({entry.n_rejected_clips} rejected)")
    if task.work.params.faces != "none" and task.recording.has_camera(task.identity):
        warnings += face_warnings(entry, part.faces().time_s)
    return Outcome(
        entry.name, "done", "", part.n_clips, entry.n_rejected_clips, part.n_faces,
        tuple(warnings), entry.face_counts,
    )


class _Merge:
    """Appends parts to a copy of the store, which takes the store's place when all went well."""

    def __init__(self, out: Path) -> None:
        self._out, self._copy = out, out.with_name(out.name + ".partial")
        self._store: GaitStore | None = None
        self._parts: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._store is None:
            return
        self._store.close()
        if kind is None:
            self._finish()

    def add(self, path: Path) -> None:
        """Append a part."""
        with GaitStore.open(path) as part:
            self._store = self._store or self._begin(part)
            self._store.absorb(part)
        self._parts.append(path)

    def _begin(self, first: GaitStore) -> GaitStore:
        self._copy.unlink(missing_ok=True)
        if not self._out.exists():
            return GaitStore.create(self._copy, first.radar, first.dsp, first.face_content)
        create_private(self._copy)
        shutil.copyfile(self._out, self._copy)
        return GaitStore.open(self._copy, "r+")

    def _finish(self) -> None:
        with self._copy.open("rb") as written:
            os.fsync(written.fileno())
        self._copy.replace(self._out)
        for path in self._parts:
            path.unlink()
