"""`radarid ingest`: raw recordings -> gait store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from radarid.cli.output import (
    CompatOption,
    JsonFlag,
    SetOption,
    dsp_overrides,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from radarid.data.ingest import IngestReport
    from radarid.data.manifest import FactFinder
    from radarid.data.process import FaceEmbedder
    from radarid.data.sources import Recording

FaceKind = Literal["crops", "embeddings", "none"]


def ingest(
    files: Annotated[list[Path] | None, typer.Argument(help="Raw .bin files.")] = None,
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration of all files: path or shipped name.")
    ] = None,
    dsp: Annotated[str | None, typer.Option(help="Signal processing: path or name.")] = None,
    compat: CompatOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The store.")] = Path("data/gait.h5"),
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV: file, subject, session, take, camera, camera_offset_s, radar."),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Of the names, such as '{subject}_{session}_{take}'.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Who walks, in all files.")] = None,
    session: Annotated[str | None, typer.Option(help="Day of all files.")] = None,
    take: Annotated[str | None, typer.Option(help="Walk, of all files.")] = None,
    layout: Annotated[str | None, typer.Option(help="Word order, if not the usual.")] = None,
    faces: Annotated[
        FaceKind, typer.Option(help="Of faces in camera files, keep pictures, or what the teacher "
                               "makes of them and no picture, or nothing.")
    ] = "crops",
    no_faces: Annotated[bool, typer.Option("--no-faces", help="Same as --faces none.")] = False,
    face_settings: Annotated[
        list[str] | None,
        typer.Option("--set-faces", metavar="KEY=VALUE", help="Of the face detector: "
                     "min_size_px, min_sharpness, min_confidence, several=skip, ..."),
    ] = None,
    camera_offset: Annotated[
        float | None, typer.Option(help="When the camera's first picture was taken, for all files: "
                                   "seconds after the radar's first frame.")
    ] = None,
    simulate: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Walks of a scenario instead of files: "
                     "n_subjects, n_walks, n_sessions, seconds, snr_db, seed, mocap."),
    ] = None,
    face_pictures: Annotated[
        Path | None, typer.Option(help="Folder of faces of the simulated people.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Processes.")
    ] = os.cpu_count() or 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a Dask cluster that does "
                                 "the work instead; all of it must see the files.")
    ] = None,
    as_json: JsonFlag = False,
    overrides: SetOption = None,
) -> None:
    """Turn raw recordings into micro-Doppler clips and faces, in one store.

    A file that cannot be read is reported, the others go on. Run it again to continue after an
    interruption or to add files: what the store has is skipped. Who walked is told by the
    manifest, --subject, the sidecar (NAME.json beside NAME.bin) or the pattern, in this order; and
    when the camera started by the manifest, --camera-offset, the sidecar, or the clocks of both.
    With --simulate (several times, if you like) walks go from the simulator into the store
    without any file. Exit code 1 when a recording failed.
    """
    from radarid.data.pool import bound_memory, prepare_processes

    bound_memory()
    if bool(files) == bool(simulate):
        raise typer.BadParameter("give files, or --simulate, and not both")
    if jobs > 1 and dask is None and (simulate or len(files or []) > 1):
        prepare_processes(["radarid.data.ingest"])  # while this process imports the same
    from capture.camera.face_params import FaceParams
    from radarid import config
    from radarid.data.ingest import IngestParams
    from radarid.data.ingest import ingest as run
    from radarid.data.manifest import FactFinder, read_manifest
    from radarid.dsp.params import DspParams

    if dask is not None:  # its workers have other working folders
        files, out = [file.absolute() for file in files or []], out.absolute()
        face_pictures = face_pictures and face_pictures.absolute()
    if simulate:
        recordings = _simulated(simulate, radar, face_pictures)
    else:
        finder = FactFinder(
            manifest=read_manifest(manifest) if manifest else None,
            subject=subject, session=session, take=take, pattern=pattern,
            camera_offset_s=camera_offset,
        )
        recordings = _files(files or [], finder, radar, layout)
    kept: FaceKind = "none" if no_faces else faces
    settings = face_settings or ()
    report = run(
        recordings,
        out,
        config.load(DspParams, "dsp", dsp, dsp_overrides(overrides, compat)),
        IngestParams(faces=kept, detector=config.load(FaceParams, "faces", None, settings)),
        embedder=_embedder() if kept == "embeddings" else None,
        n_workers=jobs,
        dask=dask,
    )
    show(report, out, as_json)
    raise typer.Exit(1 if report.failed else 0)


def _embedder() -> FaceEmbedder:
    from radarid.learn.face_storage import TeacherEmbedder

    return TeacherEmbedder.find()


def _files(
    files: list[Path], finder: FactFinder, radar: str | None, layout: str | None
) -> Sequence[Recording]:
    from capture.formats.load import load_radar_config
    from radarid.config import find
    from radarid.data.sources import raw_files

    common_radar = load_radar_config(find("radar", radar)) if radar else None
    return raw_files(files, finder, common_radar, layout)


def _simulated(
    settings: list[str], radar: str | None, face_pictures: Path | None
) -> Sequence[Recording]:
    from capture.formats.load import load_radar_config
    from capture.simulate.scenario import ScenarioParams
    from radarid.config import find, load
    from radarid.data.simulated import simulated_walks

    params = load(ScenarioParams, "scenario", overrides=settings)
    waveform = load_radar_config(find("radar", radar or "demo"))
    mocap = params.mocap and str(Path(params.mocap).absolute())
    return simulated_walks(replace(params, radar=waveform, mocap=mocap), face_pictures)


def show(report: IngestReport, out: Path, as_json: bool) -> None:
    """Print what became of the recordings."""
    if as_json:
        statuses = ("done", "skipped", "failed")
        found = {status: [asdict(o) for o in report.having(status)] for status in statuses}
        print_json({"store": str(out), **found})
        return
    rows = [
        (o.name, o.status, o.n_clips, o.n_rejected_clips, o.n_faces,
         "; ".join(filter(None, (o.reason, *o.warnings))))
        for o in report.outcomes
    ]
    title = (
        f"{out}: {len(report.done)} done, {len(report.skipped)} skipped, "
        f"{len(report.failed)} failed"
    )
    print_table(title, ("recording", "status", "clips", "rejected", "faces", "remarks"), rows)
