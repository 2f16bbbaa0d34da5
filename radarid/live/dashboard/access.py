"""Who may see the page: this machine's own users, and elsewhere only who knows the token."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

from radarid.errors import DashboardError

_LEAST_CHARACTERS = 20
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class Access:
    """The rule by which requests are let in.

    Parameters
    ----------
    address : that is listened on
    token : that every request must show; None lets everybody in who asks this machine by a name
        of its own, which a page of another site cannot do (DNS rebinding)

    Raises
    ------
    DashboardError
        Others than this machine's users would be let in without a token, or the token is short.
    """

    address: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.address):
            raise DashboardError(
                "another address than loopback needs a token", where=self.address,
                remedy="give a token, or listen on 127.0.0.1",
            )  # fmt: skip
        if self.token is not None and not _is_sound(self.token):
            raise DashboardError(
                "the token is too easy to guess, or unfit for an address line",
                expected=f"at least {_LEAST_CHARACTERS} letters, digits, '-' and '_'",
            )

    def admits_host(self, host: str) -> bool:
        """Whether the `Host` of a request is ours; with a token, the token decides alone."""
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return self.token is not None or name.lower() in {*_OWN_NAMES, _in_url(self.address)}

    def admits(self, shown: str | None) -> bool:
        """Whether a request may pass that shows this token."""
        if self.token is None:
            return True
        return hmac.compare_digest((shown or "").encode(), self.token.encode())

    def url(self, port: int) -> str:
        """Where the page is; with the token, so print it for the user alone."""
        name = socket.gethostname() if is_everywhere(self.address) else _in_url(self.address)
        return f"http://{name}:{port}/" + (f"?token={self.token}" if self.token else "")


def is_loopback(address: str) -> bool:
    """Whether only this machine's users reach an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_everywhere(address: str) -> bool:
    """Whether an address stands for all of this machine's."""
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return not address


def new_token() -> str:
    """A token of 256 bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """Read a token, the only line of a file.

    Raises
    ------
    DashboardError
        Missing, or readable by others than its owner.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as failure:
        raise DashboardError(f"no token: {failure}", where=path) from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise DashboardError(
            "others can read this token", where=path, remedy=f"chmod 600 {path}"
        )
    return text


def _is_sound(token: str) -> bool:
    is_plain = token.isascii() and all(c.isalnum() or c in "-_" for c in token)
    return is_plain and len(token) >= _LEAST_CHARACTERS


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
