"""`radarid simulate`: walks of invented or captured people, as the radar would record them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from capture.simulate.scenario import PlannedWalk

_COLUMNS = ("file", "direction", "speed_mps", "seconds", "bytes", "camera")


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the recordings.")],
    subjects: Annotated[int, typer.Option(help="People.")] = 8,
    walks: Annotated[int, typer.Option(help="Walks of each person.")] = 6,
    sessions: Annotated[int, typer.Option(help="Days over which the walks are spread.")] = 2,
    radar: Annotated[str, typer.Option(help="Radar configuration: name or file.")] = "demo",
    mocap: Annotated[
        Path | None, typer.Option(help="Folder of captured walks to use instead of invented ones.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of a walk (default 5 s, or as captured).")
    ] = None,
    snr: Annotated[
        float | None, typer.Option(help="SNR of one sample of a 0 dBsm target at 3 m, dB.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    camera: Annotated[bool, typer.Option("--camera", help="Also a video of each face.")] = False,
    faces: Annotated[
        Path | None, typer.Option(help="Folder of face pictures for the videos.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Processes.")
    ] = os.cpu_count() or 1,
    as_json: JsonFlag = False,
) -> None:
    """Simulate walking people: real .bin files with everything known about them."""
    from capture.formats.load import load_radar_config
    from capture.schema import from_mapping, to_mapping
    from capture.simulate.scenario import ScenarioParams, plan
    from capture.simulate.source import write_radar
    from radarid.config import find
    from radarid.data.pool import Workers
    from radarid.progress import track

    waveform = load_radar_config(find("radar", radar))
    table: dict[str, Any] = {
        "radar": to_mapping(waveform),
        "n_subjects": subjects,
        "n_walks": walks,
        "n_sessions": sessions,
        "seconds": seconds,
        "seed": seed,
        "mocap": str(mocap) if mocap else None,
    }
    if snr is not None:
        table["snr_db"] = snr
    planned = plan(from_mapping(ScenarioParams, table, where="radarid simulate"))
    films: dict[str, Path | None] = {}
    if faces is not None:
        from capture.simulate.camera_clip import assign_faces

        films = {**assign_faces([walk.subject for walk in planned], faces)}
    elif camera:
        films = {walk.subject: None for walk in planned}
    write_radar(out, waveform)  # once, before several processes look for it
    with Workers(min(jobs, len(planned))) as workers:
        done = workers.map(partial(_write, out=out, films=films), planned)
        rows = list(track(done, "Simulating", total=len(planned)))
    if as_json:
        print_json({"folder": str(out), "recordings": rows})
        return
    print_table(
        f"{len(rows)} recordings in {out}",
        _COLUMNS,
        [[_cell(row[column]) for column in _COLUMNS] for row in rows],
    )


def _write(walk: PlannedWalk, out: Path, films: dict[str, Path | None]) -> dict[str, Any]:
    """Simulate and write one walk, filmed if its subject is in `films`; what to tell about it."""
    recording = walk.simulate()
    video = f"{walk.stem}.avi" if walk.subject in films else None
    path, *_ = recording.save(out, camera=video)
    duration_s = recording.n_frames * recording.config.frame_period_s
    if video is not None:
        from capture.simulate.camera_clip import write_clip

        pictures = films[walk.subject]
        write_clip(out / video, walk.subject, walk.camera_seed, duration_s, faces_dir=pictures)
    return {
        "file": path.name,
        "subject": walk.subject,
        "session": walk.session,
        "take": walk.take,
        "direction": walk.direction,
        "speed_mps": recording.motion.mean_speed_mps,
        "frames": recording.n_frames,
        "seconds": duration_s,
        "bytes": path.stat().st_size,
        "camera": video,
    }


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value)
