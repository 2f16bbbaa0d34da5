"""`radarid enroll`: let a student recognise a person from a few walks, without training."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from radarid.cli.enroll_live import received
from radarid.cli.identify_live import InterfaceOption, LiveOptions, PassiveOption, SerialOption
from radarid.cli.link import BoardOption, ConfigPortOption, DataPortOption
from radarid.cli.output import JsonFlag, print_json, print_table
from radarid.cli.student import Bfloat16Flag, ModelOption, RunOption, open_student

if TYPE_CHECKING:
    from capture.types import FrameSource
    from radarid.learn.student_facts import GaitStudent
    from radarid.live.gallery import Gallery, Templates
    from radarid.live.template_key import TemplateKey

GalleryOption = Annotated[
    Path | None, typer.Option(help="Look for the people of this gallery (radarid enroll).")
]
KeyOption = Annotated[
    Path | None, typer.Option(help="Key that protects the templates: radarid gallery key FILE.")
]


def enroll(
    name: Annotated[str, typer.Argument(help="Who walks; a pseudonym does.")],
    gallery: Annotated[Path, typer.Option(help="Made if it is not there yet.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings (.bin).", metavar="FILE...")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Receive a walk now, instead of files.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a live walk.")] = 10.0,
    serial: SerialOption = None,
    interface: InterfaceOption = None,
    dca: BoardOption = None,
    passive: PassiveOption = False,
    config_port: ConfigPortOption = 4096,
    data_port: DataPortOption = 4098,
    run: RunOption = None,
    model: ModelOption = None,
    bfloat16: Bfloat16Flag = False,
    session: Annotated[
        str | None, typer.Option(help="Day of these walks; default: as the recordings say.")
    ] = None,
    radar: Annotated[
        str | None,
        typer.Option(help="Radar configuration; default: the one beside each file; live, the "
                     "student's."),
    ] = None,
    key: KeyOption = None,
    background: Annotated[
        Path | None,
        typer.Option(
            help="Gait store of people to judge strangers by, for a new gallery.",
            show_default="the run's outsiders, or who it was trained on",
        ),
    ] = None,
    false_accept_rate: Annotated[
        float | None,
        typer.Option(help="Share of strangers' walks that may be taken for somebody.",
                     show_default="0.01"),
    ] = None,
    norm: Annotated[
        Literal["none", "z", "s"] | None,
        typer.Option(help="Of the scores, see radarid/live/gallery.py.", show_default="none"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Enroll a person: some walks, best on several days and in both directions. No training."""
    from capture.schema import from_mapping, to_mapping
    from radarid.live.enrolment import new_gallery
    from radarid.live.gallery import MatchParams, check_name
    from radarid.live.gallery_file import change_gallery, create_gallery
    from radarid.live.template_key import read_key

    check_name(name)
    if live == bool(files):
        raise typer.BadParameter("give recordings, or --live, and not both")
    wanted = {"false_accept_rate": false_accept_rate, "norm": norm}
    changes = {name: value for name, value in wanted.items() if value is not None}
    student, secret = open_student(run, model, bfloat16=bfloat16), read_key(key) if key else None
    if exists := gallery.exists():
        known = _read_known(gallery, background)
    else:
        params = from_mapping(MatchParams, changes)
        known = new_gallery(student, run, params, background, secret)
    known.check_fits(student, secret)  # before the recordings are read, which takes longer
    if live:
        wiring = LiveOptions(
            radar=radar, serial=serial, interface=interface, dca=dca, passive=passive,
            config_port=config_port, data_port=data_port,
        )  # fmt: skip
        templates = _received(wiring, seconds, student, name, session, secret)
    else:
        templates = _templates(files or [], student, name, session, radar, secret)

    def enrolled(known: Gallery) -> Gallery:
        known.check_fits(student, secret)
        params = from_mapping(MatchParams, to_mapping(known.params) | changes)
        return known.enroll(templates).with_params(params)

    if exists:
        known = change_gallery(gallery, enrolled)
    else:
        known = enrolled(known)
        create_gallery(gallery, known)
    if as_json:
        print_json(_as_table(templates, known))
    else:
        _print(name, templates, known)


def _received(
    wiring: LiveOptions, seconds: float, student: GaitStudent, name: str, session: str | None,
    key: TemplateKey | None,
) -> Templates:  # fmt: skip
    """Templates of a walk that is received now."""
    with received(wiring, seconds, student.radar, name) as files:
        return _templates(files, student, name, session or date.today().isoformat(), None, key)


def _templates(
    files: list[Path], student: GaitStudent, name: str, session: str | None, radar: str | None,
    key: TemplateKey | None,
) -> Templates:  # fmt: skip
    """Templates of recordings; the parts of a split one are one."""
    from capture.file.recording import group_split_files
    from radarid.live.enrolment import combine, enroll_recording
    from radarid.progress import track

    return combine([
        enroll_recording(source, student, name, session or day, key)
        for source, day in (
            _open(parts, radar, name) for parts in track(group_split_files(files), "enroll")
        )
    ])  # fmt: skip


def _read_known(gallery: Path, background: Path | None) -> Gallery:
    """A gallery that is there, and has its background."""
    from radarid.errors import GalleryError
    from radarid.live.gallery_file import read_gallery

    if background is not None:
        raise GalleryError(
            "the gallery has its background already", where=gallery,
            remedy="leave out --background, or make a new gallery with it",
        )
    return read_gallery(gallery)


def _open(files: tuple[Path, ...], radar: str | None, name: str) -> tuple[FrameSource, str]:
    """Frames of a recording, and the day it was made on."""
    from capture.file.recording import open_recording
    from capture.file.sidecar import Sidecar, read_sidecar
    from capture.formats.load import find_config, load_radar_config
    from radarid.config import find
    from radarid.progress import log

    config = load_radar_config(find("radar", radar) if radar else find_config(files[0]))
    beside = Sidecar.path_for(files[0])
    sidecar = read_sidecar(beside) if beside.is_file() else Sidecar()
    if sidecar.subject not in (None, name):
        log.warning("%s says that this is a walk of %s, not %s", beside, sidecar.subject, name)
    return open_recording(files, config), sidecar.session


def _as_table(templates: Templates, known: Gallery) -> dict[str, Any]:
    return {
        "subject": templates.people[0],
        "templates": [
            {"session": session, "direction": direction, "n_clips": int(n_clips)}
            for session, direction, n_clips in zip(
                templates.session, templates.direction, templates.n_clips, strict=True
            )
        ],
        "enrolled": list(known.subjects),
    }


def _print(name: str, templates: Templates, known: Gallery) -> None:
    rows = zip(templates.session, templates.direction, templates.n_clips, strict=True)
    print_table(f"{name}: {len(templates)} templates", ("session", "direction", "clips"), rows)
    typer.echo(f"enrolled: {', '.join(known.subjects)}")
