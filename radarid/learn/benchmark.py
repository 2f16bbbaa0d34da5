"""The benchmark on walkers: from motion capture and pictures of faces to tables of methods."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from capture.schema import config_class, differing_keys, to_mapping
from capture.simulate.scenario import ScenarioParams
from radarid.data.ingest import IngestParams, ingest
from radarid.data.pool import Workers
from radarid.data.simulated import simulated_walks
from radarid.data.store import GaitStore
from radarid.dsp.params import DspParams
from radarid.errors import IngestError, RunError, TrainError
from radarid.learn.benchmark_tables import Beside, as_tables, markdown
from radarid.learn.checkpoint import read_json, write_json
from radarid.learn.compare import compare
from radarid.learn.face_bank import Embedder
from radarid.progress import log, set_up_logging

_MARKER = "walkers.json"


@config_class
class Comparison:
    """One table: a call of `radarid.learn.compare.compare`, whose parameters these are.

    Parameters
    ----------
    name : of the table, and of its folder
    recipes, changes, tune, sweep, control : see there
    n_seeds : 0, 1, ...
    beside : the paper's table whose numbers are shown beside
    """

    name: str
    recipes: tuple[str, ...]
    changes: tuple[str, ...] = ()
    n_seeds: int = Field(3, ge=1)
    tune: tuple[float, ...] = ()
    sweep: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    control: bool = False
    beside: Beside = "nothing"


@config_class
class BenchmarkParams:
    """Everything but the motion capture and the faces.

    Parameters
    ----------
    scenes : who walks how, before which radar; `scenes.mocap` is given when the benchmark is run
    dsp, ingest : from frames to clips, and which faces are kept
    preset : laid over every recipe, see configs/train
    changes : `key=value` of every training
    comparisons : the tables
    n_parallel : comparisons that are made at the same time. More than one has a process of one
        thread each, and OUT/<comparison>/log.txt for what it says
    """

    scenes: ScenarioParams = Field(default_factory=ScenarioParams)
    dsp: DspParams = Field(default_factory=DspParams)
    ingest: IngestParams = Field(default_factory=IngestParams)
    preset: str | None = None
    changes: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    n_parallel: int = Field(1, ge=1)

    def __post_init__(self) -> None:
        names = [comparison.name for comparison in self.comparisons]
        if len(set(names)) != len(names) or not all(map(_names_a_folder, names)):
            raise TrainError(
                "comparisons need names of their own that can name folders", got=", ".join(names)
            )
        if self.scenes.mocap is not None:
            raise TrainError(
                "the folder of motion capture is given when the benchmark is run",
                where="scenes.mocap", got=self.scenes.mocap, remedy="--mocap DIR",
            )

    def chosen(self, names: Sequence[str]) -> tuple[Comparison, ...]:
        """Comparisons of these names; all, if no name is given.

        Raises
        ------
        TrainError
            There is no comparison of a name.
        """
        known = {comparison.name: comparison for comparison in self.comparisons}
        for name in names:
            if name not in known:
                raise TrainError(
                    "no such comparison", got=name, expected=f"one of {', '.join(known)}"
                )
        return tuple(known[name] for name in names or known)


def _names_a_folder(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum()


def run_benchmark(
    params: BenchmarkParams,
    out: Path,
    *,
    mocap: Path | None = None,
    faces: Path | None = None,
    only: Sequence[str] = (),
    n_workers: int = 1,
    teacher: Embedder | None = None,
) -> dict[str, Any]:
    """Simulate and ingest the walkers, train and score the methods; goes on where it was stopped.

    Parameters
    ----------
    params : scenes and comparisons
    out : folder; OUT/walkers.h5 is the store, OUT/<comparison>/ are comparisons
    mocap : folder of captured walks; None for invented people
    faces : folder with pictures of real people, one of whom each walker gets; None for drawn faces
    only : names of the comparisons to make now; all, if empty
    n_workers : processes that simulate and ingest
    teacher : see `radarid.learn.trainer.train`

    Returns
    -------
    dict
        What benchmark.json holds; benchmark.md lies beside it. Both are written anew after every
        comparison, with all that are finished.

    Raises
    ------
    IngestError
        A walk could not be simulated or ingested.
    RunError
        The folder holds another benchmark.
    SimulationError, SplitError, TrainError
        See `simulated_walks` and `compare`.
    """
    chosen = params.chosen(only)
    out.mkdir(parents=True, exist_ok=True)
    made = make_store(params, out, mocap, faces, n_workers)
    result = _result(params, out, made)
    n_processes = min(params.n_parallel, len(chosen))
    work = partial(_compare, params=params, out=out, teacher=teacher, is_alone=n_processes == 1)
    with Workers(n_processes) as workers:
        for name in workers.map(work, chosen):
            log.info("comparison %s is finished", name)
            result = _result(params, out, made)
    return result


def _compare(
    comparison: Comparison, params: BenchmarkParams, out: Path, teacher: Embedder | None,
    is_alone: bool,
) -> str:  # fmt: skip
    """Make a comparison; return its name."""
    place = out / comparison.name
    place.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        if not is_alone:
            stream = stack.enter_context((place / "log.txt").open("a", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stderr(stream))
            set_up_logging(logging.INFO)
        compare(
            comparison.recipes, _store(out), place, seeds=range(comparison.n_seeds),
            preset=params.preset, changes=(*params.changes, *comparison.changes),
            tune=comparison.tune, sweep=comparison.sweep, control=comparison.control,
            teacher=teacher, cache=out,
        )  # fmt: skip
    return comparison.name


def _result(params: BenchmarkParams, out: Path, made: Mapping[str, Any]) -> dict[str, Any]:
    """Write what is finished."""
    places = [(each, out / each.name / "compare.json") for each in params.comparisons]
    found = [(each, read_json(place)) for each, place in places if place.is_file()]
    result = {
        "params": to_mapping(params),
        "walkers": made["counts"],
        "tables": [as_tables(each.name, each.beside, compared) for each, compared in found],
    }
    write_json(out / "benchmark.json", result)
    (out / "benchmark.md").write_text(markdown(result), encoding="utf-8")
    return result


def _store(out: Path) -> Path:
    return out / "walkers.h5"


def make_store(
    params: BenchmarkParams, out: Path, mocap: Path | None, faces: Path | None, n_workers: int
) -> dict[str, Any]:
    """Make OUT/walkers.h5, or find it made.

    Returns
    -------
    dict
        What OUT/walkers.json holds: `made_from`, the settings, and `counts`.

    Raises
    ------
    IngestError
        A walk could not be simulated or ingested; the others are kept for the next attempt.
    RunError
        The store was made from other settings.
    """
    scenes = replace(params.scenes, mocap=None if mocap is None else str(mocap.absolute()))
    made_from = {
        "scenes": to_mapping(params.scenes) | {"is_captured": mocap is not None},
        "dsp": to_mapping(params.dsp),
        "ingest": to_mapping(params.ingest) | {"has_pictures": faces is not None},
    }
    marker = out / _MARKER
    if marker.is_file() and _store(out).is_file():
        made: dict[str, Any] = read_json(marker)
        other = differing_keys(made["made_from"], made_from)
        if other:
            raise RunError(
                "a store of other walks is here", where=_store(out), got="; ".join(other[:3]),
                remedy="another --out, or delete the folder",
            )
        return made
    started = time.monotonic()
    walks = simulated_walks(scenes, faces)
    log.info("%d walks", len(walks))
    report = ingest(walks, _store(out), params.dsp, params.ingest, n_workers=n_workers)
    if report.failed:
        first = report.failed[0]
        raise IngestError(
            f"{len(report.failed)} of {len(walks)} walks failed", where=first.name,
            got=first.reason, remedy="the same command tries them again",
        )
    made = {
        "made_from": made_from,
        "counts": _counts(out) | {"seconds": round(time.monotonic() - started)},
    }
    write_json(marker, made)
    return made


def _counts(out: Path) -> dict[str, Any]:
    """How much there is of what."""
    with GaitStore.open(_store(out)) as store:
        table, recordings, n_faces = store.table(), store.recordings(), store.n_faces
    days: dict[str, set[str]] = {}
    for entry in recordings:
        days.setdefault(entry.subject, set()).add(entry.session)
    return {
        "n_subjects": len(days),
        "n_subjects_with_two_days": sum(len(each) > 1 for each in days.values()),
        "n_walks": len({(entry.subject, entry.session, entry.take) for entry in recordings}),
        "n_recordings": len(recordings),
        "n_clips": len(table),
        "n_rejected_clips": sum(entry.n_rejected_clips for entry in recordings),
        "n_faces": n_faces,
    }
