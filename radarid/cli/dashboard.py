"""`radarid dashboard`: who walks there now, on a page for a person at a desk."""

from __future__ import annotations

from typing import Annotated

import typer

from radarid.cli.enroll import GalleryOption, KeyOption
from radarid.cli.identify_live import (
    InterfaceOption,
    KeepOption,
    LiveOptions,
    PassiveOption,
    SerialOption,
    WindowOption,
    identify_live,
)
from radarid.cli.link import BoardOption, ConfigPortOption, DataPortOption
from radarid.cli.student import Bfloat16Flag, ModelOption, RunOption, WalkersOption, open_student
from radarid.cli.web import AddressOption, TokenOption, served


def dashboard(
    run: RunOption = None,
    model: ModelOption = None,
    bfloat16: Bfloat16Flag = False,
    port: Annotated[
        int, typer.Option("--web", metavar="PORT", min=0, max=65535, help="Of the page.")
    ] = 8600,
    address: AddressOption = "127.0.0.1",
    token: TokenOption = None,
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration; default: the student's.")
    ] = None,
    gallery: GalleryOption = None,
    key: KeyOption = None,
    serial: SerialOption = None,
    interface: InterfaceOption = None,
    dca: BoardOption = None,
    passive: PassiveOption = False,
    record: KeepOption = None,
    window: WindowOption = 10.0,
    walkers: WalkersOption = None,
    config_port: ConfigPortOption = 4096,
    data_port: DataPortOption = 4098,
) -> None:
    """Identify live, as `identify --live --web` does, with nothing on the terminal but the address.

    The page shows who walks there, moving energy over distance, the spectrogram, the reception and
    who walked by. It changes nothing, asks nothing of other sites, and holds no embedding. On any
    other address than loopback it asks for a token; nothing is encrypted, so elsewhere than in a
    network of your own go through ssh -L. Ctrl-C ends it.
    """
    from radarid.cli.identify import open_matcher
    from radarid.live.identify import Decider

    student = open_student(run, model, walkers, bfloat16=bfloat16)
    matcher = open_matcher(student, gallery, key) if gallery else None
    options = LiveOptions(
        radar=radar, serial=serial, interface=interface, dca=dca, passive=passive, record=record,
        window_s=window, config_port=config_port, data_port=data_port,
    )  # fmt: skip
    with served(port, address, token) as listeners:
        identify_live(Decider(student, matcher), options, listeners=listeners, has_screen=False)
