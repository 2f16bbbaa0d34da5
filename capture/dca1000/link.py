"""Addresses and rates of the Ethernet link to a DCA1000EVM."""

from __future__ import annotations

import ipaddress

from capture.errors import ConfigError
from capture.schema import config_class


@config_class
class LinkParams:
    """How the host and the DCA1000 reach each other; defaults are those the board ships with.

    Source: DCA1000EVM user's guide (SPRUIJ4), network and packet-delay settings.

    Attributes
    ----------
    host : address of this machine's interface to the board
    dca1000 : address of the board (SW2.6 on EEPROM or default)
    config_port : UDP port of commands and their answers, on both sides
    data_port : UDP port of this machine that samples are sent to
    packet_delay_us : pause of the board between data packets, 5 to 500
    receive_buffer_bytes : socket buffer asked of the kernel
    """

    host: str = "192.168.33.30"
    dca1000: str = "192.168.33.180"
    config_port: int = 4096
    data_port: int = 4098
    packet_delay_us: float = 25.0
    receive_buffer_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        for key in ("host", "dca1000"):
            try:
                ipaddress.IPv4Address(getattr(self, key))
            except ValueError:
                raise ConfigError(
                    f"'{key}' is not an IPv4 address", got=getattr(self, key)
                ) from None
        for key in ("config_port", "data_port"):
            if not 0 < getattr(self, key) < 1 << 16:
                raise ConfigError(f"'{key}' is not a port", got=getattr(self, key))
        if not 5 <= self.packet_delay_us <= 500:
            raise ConfigError(
                "'packet_delay_us' out of range", got=self.packet_delay_us, expected="5 to 500"
            )
