"""`radarid identify --live`: what it does with its options; also what the dashboard runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radarid.cli.link import link_to

if TYPE_CHECKING:
    from radarid.live.identify import Decider
    from radarid.live.snapshot import Snapshot

SerialOption = Annotated[
    str | None, typer.Option(metavar="PORT", help="Serial port of the radar: also start it.")
]
InterfaceOption = Annotated[
    str | None,
    typer.Option("--interface", "--host", metavar="ADDR", help="This machine's address.",
                 show_default="192.168.33.30"),
]  # fmt: skip
PassiveOption = Annotated[
    bool, typer.Option("--passive", help="Only listen; send no command at all.")
]
KeepOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Keep the raw stream in this folder.")
]
WindowOption = Annotated[
    float, typer.Option(min=0.1, help="Seconds of clips that a decision rests on.")
]


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """How to reach the radar, and what to do with what is seen.

    Attributes
    ----------
    radar : name or file of its configuration; None for the student's
    serial, interface, dca, config_port, data_port, passive : wiring
    record : folder for the raw stream
    window_s : of the clips of a decision
    """

    radar: str | None = None
    serial: str | None = None
    interface: str | None = None
    dca: str | None = None
    config_port: int = 4096
    data_port: int = 4098
    passive: bool = False
    record: Path | None = None
    window_s: float = 10.0


def identify_live(
    decider: Decider,
    options: LiveOptions,
    *,
    as_json: bool = False,
    has_screen: bool = True,
    listeners: tuple[Callable[[Snapshot], None], ...] = (),
) -> None:
    """Identify who walks until Ctrl-C: on a panel, or as JSON lines, and to further listeners.

    Without a screen there is neither panel nor JSON.
    """
    from capture.formats.load import load_radar_config
    from radarid.config import find
    from radarid.live.engine import LiveIdentifier, LiveParams
    from radarid.live.json_lines import JsonLines
    from radarid.live.panel import Panel
    from radarid.live.session import LivePlan, LiveSession
    from radarid.progress import console

    if options.passive and options.serial:
        raise typer.BadParameter("--passive sends no command, so --serial is of no use")
    path = find("radar", options.radar) if options.radar else None
    config = load_radar_config(path) if path else decider.student.radar
    identifier = LiveIdentifier(decider, config, LiveParams(window_s=options.window_s))
    plan = LivePlan(
        config=config,
        link=link_to(options.interface, options.dca, config_port=options.config_port,
                     data_port=options.data_port),
        serial_port=options.serial,
        cfg=path if path and path.suffix == ".cfg" else None,
        receive_only=options.passive,
        record=options.record,
    )  # fmt: skip
    for listener in listeners:
        identifier.listen(listener)
    identifier.warm_up()
    session = LiveSession(plan, identifier)
    with ExitStack() as shown:
        if has_screen and (as_json or not sys.stderr.isatty()):
            identifier.listen(JsonLines(sys.stdout))
        elif has_screen:
            identifier.listen(shown.enter_context(Panel(console)))
        session.run()
