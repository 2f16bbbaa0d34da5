"""How commands name the DCA1000 and the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from capture.dca1000.link import LinkParams

HostOption = Annotated[
    str | None, typer.Option(help="This machine's address.", show_default="192.168.33.30")
]
BoardOption = Annotated[
    str | None,
    typer.Option(help="The DCA1000's address.", show_default="192.168.33.180; on loopback the "
                 "emulator's, 127.0.0.2"),
]
ConfigPortOption = Annotated[int, typer.Option(help="UDP port of commands.")]
DataPortOption = Annotated[int, typer.Option(help="UDP port of samples.")]


def link_to(host: str | None, board: str | None, **others: Any) -> LinkParams:
    """Addresses as given, else those the board ships with; on loopback the emulator's."""
    from capture.dca1000.link import LinkParams

    found = LinkParams(**others) if host is None else LinkParams(host=host, **others)
    if board is None and found.host.startswith("127."):
        board = "127.0.0.2"
    return found if board is None else LinkParams(host=found.host, dca1000=board, **others)
