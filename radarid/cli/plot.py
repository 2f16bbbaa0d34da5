"""`radarid plot`: pictures of every stage between a recording and its clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from capture.camera.reader import Camera
    from capture.config import RadarConfig
    from radarid.dsp.params import DspParams
    from radarid.dsp.sync_plot import Still

_STORE_SUFFIXES = (".h5", ".hdf5")
_STILLS, _LOOKS = 6, 4  # pictures of the camera shown; searched for a face for each of them


def plot(
    recording: Annotated[Path, typer.Argument(metavar="FILE", help="A .bin file, or a store.")],
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration; default: the one beside the file.")
    ] = None,
    dsp: Annotated[str | None, typer.Option(help="Signal processing: name or file.")] = None,
    compat: CompatOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("plots"),
    sync: Annotated[
        bool, typer.Option("--sync", help="Find when the camera started by the motion that both "
                           "saw, and draw it.")
    ] = False,
    camera: Annotated[
        Path | None, typer.Option(help="Video or folder of pictures; default: the sidecar's.")
    ] = None,
    write_offset: Annotated[
        bool, typer.Option("--write-offset", help="Write the offset found to the sidecar.")
    ] = False,
    overrides: SetOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Draw range-time map, micro-Doppler spectrogram and clips as PNG files.

    A recording of frames with only a few chirps also gets the displacement (breathing) that the
    phase of its strongest echo shows. Of a store, the clips of every subject are drawn. With --sync
    the camera is drawn beside the radar, at the offset at which both saw the same motion; an offset
    that cannot be trusted is drawn and refused. With --compat the images of a published chain are
    drawn instead, with their published axes and the true ones.
    """
    if (camera or write_offset) and not sync:
        raise typer.BadParameter("--camera and --write-offset belong to --sync")
    if recording.suffix in _STORE_SUFFIXES:
        report = _plot_store(recording, out)
    else:
        from radarid.config import load
        from radarid.dsp.params import DspParams

        params = load(DspParams, "dsp", dsp, dsp_overrides(overrides, compat))
        waveform = _radar_of(recording, radar)
        if sync and params.compat != "none":
            raise typer.BadParameter("--sync follows the walker itself: it has no --compat")
        if sync:
            report = _plot_sync(recording, waveform, params, out, camera, write_offset)
        elif params.compat != "none":
            report = _plot_published(recording, waveform, params, out)
        else:
            report = _plot_recording(recording, waveform, params, out)
    if as_json:
        print_json(report)
        return
    pictures = report.pop("pictures")
    rows = [(name.replace("_", " "), value) for name, value in report.items()]
    print_table(str(recording), ("", ""), [*rows, *(("picture", path) for path in pictures)])


def _radar_of(recording: Path, name: str | None) -> RadarConfig:
    from capture.formats.load import find_config, load_radar_config
    from radarid.config import find

    return load_radar_config(find("radar", name) if name else find_config(recording))


def _plot_recording(
    recording: Path, radar: RadarConfig, params: DspParams, out: Path
) -> dict[str, Any]:
    """Draw all stages of one recording; what was found, and the files written."""
    from capture.file.recording import open_recording
    from radarid.dsp import plots
    from radarid.dsp.clips import cut_clips
    from radarid.dsp.spectrogram import process
    from radarid.errors import ParameterError

    source = open_recording(recording, radar)
    slices, axes = process(source, params)
    if len(slices) < 2:
        raise ParameterError(
            "the recording is too short for a spectrogram",
            where=recording,
            got=f"{len(source)} frames, {len(slices)} slices",
        )
    found = cut_clips(slices, axes, params)
    title = f"{recording.name}\n{plots.describe(radar)}"
    stem = out / recording.stem
    pictures = [
        plots.range_time(stem.with_suffix(".range.png"), slices, axes, params, title),
        plots.spectrogram(stem.with_suffix(".doppler.png"), slices, axes, params, title),
    ]
    report: dict[str, Any] = {
        "n_frames": len(source), "n_slices": len(slices), "slow_time": axes.regime,
        "n_clips": len(found),
        "valid": round(float((slices.valid >= params.min_valid).mean()), 4),
        "walker_present": round(float((slices.presence_db >= params.min_presence_db).mean()), 4),
    }  # fmt: skip
    if found:
        pictures.append(plots.clips(stem.with_suffix(".clips.png"), found, params, title))
    if axes.regime == "burst":
        report |= _plot_breathing(stem.with_suffix(".breath.png"), source, params, title)
        pictures.append(stem.with_suffix(".breath.png"))
    return report | {"pictures": [str(picture) for picture in pictures]}


def _plot_published(
    recording: Path, radar: RadarConfig, params: DspParams, out: Path
) -> dict[str, Any]:
    """Draw the images of a published chain; how many, and how wrong their velocity axis is."""
    from capture.file.recording import open_recording
    from radarid.dsp import plots
    from radarid.dsp.compat import compat_chain
    from radarid.dsp.compat_plot import published_image

    source = open_recording(recording, radar)
    found = compat_chain(source, params)
    title = f"{recording.name}, compat = {params.compat}\n{plots.describe(radar)}"
    stem = f"{recording.stem}.{params.compat}"
    pictures = [
        published_image(out / f"{stem}.{k}.png", image, params.span_db, title)
        for k, image in enumerate(found)
    ]
    error = found[0].published_velocity_mps[0] / found[0].velocity_mps[0] - 1
    return {
        "n_frames": len(source), "compat": params.compat, "n_images": len(found),
        "published_velocity_error": round(float(error), 4),
        "pictures": [str(picture) for picture in pictures],
    }  # fmt: skip


def _plot_sync(
    recording: Path, radar: RadarConfig, params: DspParams, out: Path, camera: Path | None,
    write: bool,
) -> dict[str, Any]:  # fmt: skip
    """Find the camera's offset and draw the search; refused only when it is drawn."""
    from capture.errors import CameraError
    from capture.file.recording import open_recording
    from radarid.data import alignment
    from radarid.dsp import plots
    from radarid.dsp.spectrogram import process
    from radarid.dsp.sync_plot import synchronisation

    beside = alignment.camera_beside(recording, camera)
    slices, axes = process(open_recording(recording, radar), params)
    found, radar_motion, camera_motion = alignment.align(slices, axes, params, beside)
    start_s = max(0.0, float(slices.time_s[0]) - found.offset_s)
    stop_s = min(float(slices.time_s[-1]) - found.offset_s, float(camera_motion.time_s[-1]))
    stills = _stills(beside.camera, start_s, stop_s)
    path = synchronisation(
        out / f"{recording.stem}.sync.png", found, radar_motion, camera_motion, stills, slices,
        axes, params, f"{recording.name} and {beside.path.name}\n{plots.describe(radar)}",
        beside.known,
    )
    if found.refusal is not None:
        raise CameraError(
            "nobody can tell when the camera started", where=beside.path, got=found.refusal,
            remedy="let somebody stop and start again, or jump, in front of both; or give "
            f"--camera-offset to ingest; {path} shows the search",
        )
    report: dict[str, Any] = {
        "offset_s": round(found.offset_s, 4), "uncertainty_s": round(found.uncertainty_s, 4),
        "correlation": round(found.correlation, 3),
        "unrelated_motion_below": round(found.noise_correlation, 3),
        "next_best_s": round(found.second_s, 3),
    }  # fmt: skip
    if beside.known is not None:
        report |= {"known_offset_s": round(beside.known[0], 4), "known_from": beside.known[1]}
    if write:
        written = alignment.write_offset(recording, beside.path, found.offset_s)
        report["written_to"] = str(written)
    return report | {"pictures": [str(path)]}


def _stills(camera: Camera, start_s: float, stop_s: float) -> list[Still]:
    """Pictures of some of the camera's time, evenly spread, with a face where there is one."""
    from capture.camera.faces import FaceCropper
    from radarid.data.alignment import stills_between
    from radarid.dsp.sync_plot import Still

    pictures = list(stills_between(camera, start_s, stop_s, _LOOKS * _STILLS))
    faces = FaceCropper().crop([image for _, image in pictures])
    looks = [Still(time_s, image, tuple(crop.box for crop in crops))
             for (time_s, image), crops in zip(pictures, faces, strict=True)]
    return [max(looks[k : k + _LOOKS], key=lambda still: len(still.faces))
            for k in range(0, len(looks), _LOOKS)]  # fmt: skip


def _plot_breathing(path: Path, source: Any, params: DspParams, title: str) -> dict[str, Any]:
    from radarid.dsp import phase, plots

    radar = source.info.config
    motion = phase.range_time(source, params)
    moved_m = phase.displacement_m(radar, motion, motion.strongest)
    rate = None
    if phase.can_show_breathing(len(moved_m), radar.frame_period_s):
        rate = round(phase.breaths_per_minute(moved_m, radar.frame_period_s), 2)
    range_m = float(motion.range_m[motion.strongest])
    plots.breathing(path, motion.time_s, moved_m, rate, f"{title}\nat {range_m:.2f} m")
    return {"strongest_range_m": round(range_m, 4), "breaths_per_minute": rate}


def _plot_store(store: Path, out: Path) -> dict[str, Any]:
    """Draw up to twelve clips of every subject of a store."""
    import numpy as np

    from radarid.data.store import GaitStore
    from radarid.dsp import plots

    pictures = []
    with GaitStore.open(store) as opened:
        table = opened.table()
        title = f"{store.name}\n{plots.describe(opened.radar)}"
        for subject in np.unique(table.subject):
            own = np.flatnonzero(table.subject == subject)
            own = own[np.unique(np.linspace(0, len(own) - 1, 12).astype(int))]
            shown = opened.read_clips(own) / np.float32(255)
            lost = ~opened.read_valid(own)
            images = [np.where(gone, np.nan, clip) for clip, gone in zip(shown, lost, strict=True)]
            captions = [
                f"{table.session[k]} {table.take[k]} {table.start_s[k]:.1f} s, {table.direction[k]}"
                for k in own
            ]
            path = out / f"{store.stem}.{subject}.png"
            plots.contact_sheet(path, images, captions, f"{title}\n{subject}")
            pictures.append(str(path))
        return {"n_clips": len(table), "n_subjects": len(pictures), "pictures": pictures}
