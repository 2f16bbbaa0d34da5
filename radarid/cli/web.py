"""The live page beside a live command: where it is served, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from radarid.live.snapshot import Snapshot

WebOption = Annotated[
    int | None,
    typer.Option("--web", metavar="PORT", min=0, max=65535,
                 help="Also serve a live page on this port; 0: any that is free."),
]  # fmt: skip
AddressOption = Annotated[
    str,
    typer.Option("--web-address", metavar="ADDR",
                 help="To serve the page on; any but loopback asks for a token."),
]  # fmt: skip
TokenOption = Annotated[
    Path | None,
    typer.Option("--web-token", metavar="FILE",
                 help="Holds the token that the page asks for, as its only line.",
                 show_default="a new one each time where one is needed, none on loopback"),
]  # fmt: skip


@contextmanager
def served(
    port: int | None, address: str, token_file: Path | None
) -> Iterator[tuple[Callable[[Snapshot], None], ...]]:
    """Serve the live page, say where, and give who is to be told of snapshots; none without port.

    Raises
    ------
    DashboardError
        The address, port or token cannot be used.
    """
    if port is None:
        yield ()
        return
    from radarid.live.dashboard.access import is_loopback, new_token, read_token
    from radarid.live.dashboard.server import Dashboard

    token = read_token(token_file) if token_file else None
    if token is None and not is_loopback(address):
        token = new_token()
    with Dashboard(address, port, token) as dashboard:
        typer.secho(f"live page: {dashboard.url}", err=True, bold=True)
        yield (dashboard.show,)
