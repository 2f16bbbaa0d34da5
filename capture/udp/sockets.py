"""UDP sockets whose failures are explained."""

from __future__ import annotations

import errno
import socket

from capture.errors import LinkError


def open_udp(address: str, port: int) -> socket.socket:
    """A UDP socket bound to an address of this machine.

    Raises
    ------
    LinkError
        The address is not one of this machine's, or the port is taken.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.bind((address, port))
    except OSError as failure:
        opened.close()
        raise _explain(failure, address, port) from None
    return opened


def _explain(failure: OSError, address: str, port: int) -> LinkError:
    where = f"{address}:{port}"
    if failure.errno == errno.EADDRNOTAVAIL:
        return LinkError(
            f"this machine has no interface with the address {address}",
            where=where,
            remedy=f"give it to the interface that the DCA1000 is plugged into, for instance "
            f"'ip address add {address}/24 dev <interface>', and check that the cable is in; "
            "loopback addresses other than 127.0.0.1 need an alias on macOS",
        )
    if failure.errno == errno.EADDRINUSE:
        return LinkError(
            "the port is busy",
            where=where,
            remedy="another capture program (radarid, mmWave Studio, the DCA1000 command line) "
            "is running; end it",
        )
    return LinkError(f"no socket: {failure.strerror}", where=where)
