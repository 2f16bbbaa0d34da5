"""Command packets of the DCA1000, as bytes: requests, responses, settings, asynchronous status.

A request is the header 0xA55A, a command code, the number of data bytes, the data and the footer
0xEEAA; a response is header, code, status and footer. All words are 16-bit little-endian
(DCA1000EVM user's guide SPRUIJ4, Ethernet commands; TI's `defines.h` of the recorder).
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from capture.config import RadarConfig
from capture.errors import LinkError

HEADER, FOOTER = 0xA55A, 0xEEAA

MAX_DATA_BYTES = 504
"""Most data bytes of a request."""

RESPONSE_BYTES = 8
"""Size of every response and of every asynchronous status packet."""

CONFIGURED_PACKET_BYTES = 1470
"""Packet size that TI's own recorder asks for; samples are 1456 of them."""

TICK_NS = 8
"""Unit of the packet delay: one cycle of the FPGA's 125 MHz clock."""


class Command(enum.IntEnum):
    """Command codes."""

    RESET_FPGA = 0x01
    RESET_RADAR = 0x02
    CONFIG_FPGA = 0x03
    CONFIG_EEPROM = 0x04
    RECORD_START = 0x05
    RECORD_STOP = 0x06
    PLAYBACK_START = 0x07
    PLAYBACK_STOP = 0x08
    ALIVE = 0x09
    ASYNC_STATUS = 0x0A
    CONFIG_PACKET = 0x0B
    CONFIG_RADAR = 0x0C
    INIT_PLAYBACK = 0x0D
    READ_VERSION = 0x0E


class Status(enum.IntFlag):
    """Bits of an asynchronous status packet."""

    NO_LVDS_DATA = 1 << 0
    NO_HEADER = 1 << 1
    EEPROM_FAILURE = 1 << 2
    SD_CARD_IN = 1 << 3
    SD_CARD_OUT = 1 << 4
    SD_CARD_FULL = 1 << 5
    MODE_FAILURE = 1 << 6
    DDR_FULL = 1 << 7
    RECORD_DONE = 1 << 8
    LVDS_BUFFER_FULL = 1 << 9
    PLAYBACK_DONE = 1 << 10
    PLAYBACK_OUT_OF_SEQUENCE = 1 << 11

    def __str__(self) -> str:
        return "; ".join(explain_status(self))


EXPLANATIONS = {
    Status.NO_LVDS_DATA: "no data on the LVDS lanes: the radar is not started, LVDS streaming is "
    "off (lvdsStreamCfg -1 0 1 0), the number of lanes is wrong, or the cable sits badly",
    Status.NO_HEADER: "no packet header found on the lanes: the board is in multi mode, "
    "the radar sends raw samples",
    Status.EEPROM_FAILURE: "the EEPROM with the board's addresses cannot be read",
    Status.SD_CARD_IN: "an SD card was put in",
    Status.SD_CARD_OUT: "the SD card was taken out",
    Status.SD_CARD_FULL: "the SD card is full",
    Status.MODE_FAILURE: "the board refuses the mode: switch SW2.5 must be on software "
    "configuration",
    Status.DDR_FULL: "the board's 2 GB memory is full and samples were cut: the radar makes more "
    "than Ethernet carries at this packet delay; shorten the delay or lower the data rate",
    Status.RECORD_DONE: "the recording is over",
    Status.LVDS_BUFFER_FULL: "the LVDS buffer overflowed and samples were cut: reset the FPGA and "
    "start anew",
    Status.PLAYBACK_DONE: "the playback is over",
    Status.PLAYBACK_OUT_OF_SEQUENCE: "playback packets came out of sequence",
}
"""What each status bit means and what to do about it."""


def explain_status(status: Status) -> list[str]:
    """One sentence for every bit that is set.

    Examples
    --------
    >>> explain_status(Status.RECORD_DONE)
    ['the recording is over']
    """
    unknown = int(status) & ~sum(int(bit) for bit in EXPLANATIONS)
    known = [text for bit, text in EXPLANATIONS.items() if bit in status]
    return known + ([f"unknown status bits 0x{unknown:04x}"] if unknown else [])


@dataclass(frozen=True, slots=True)
class FpgaVersion:
    """Version of the FPGA image: low seven bits major, next seven minor, bit 14 playback."""

    major: int
    minor: int
    is_playback: bool = False

    @staticmethod
    def from_word(word: int) -> FpgaVersion:
        """Take the version out of the status word of a response.

        Examples
        --------
        >>> str(FpgaVersion.from_word(0x0402))
        '2.8 (record)'
        """
        return FpgaVersion(word & 0x7F, word >> 7 & 0x7F, bool(word >> 14 & 1))

    @property
    def word(self) -> int:
        """The version as the board reports it."""
        return self.major | self.minor << 7 | self.is_playback << 14

    def __str__(self) -> str:
        image = "playback" if self.is_playback else "record"
        return f"{self.major}.{self.minor} ({image})"


def encode_request(command: int, data: bytes = b"") -> bytes:
    """One request.

    Raises
    ------
    LinkError
        More data than a request can hold.

    Examples
    --------
    >>> encode_request(Command.READ_VERSION).hex(" ")
    '5a a5 0e 00 00 00 aa ee'
    """
    if len(data) > MAX_DATA_BYTES:
        raise LinkError(
            "too much data for a request", got=len(data), expected=f"at most {MAX_DATA_BYTES}"
        )
    return struct.pack("<3H", HEADER, command, len(data)) + data + struct.pack("<H", FOOTER)


def decode_request(datagram: bytes) -> tuple[int, bytes]:
    """Command code and data of a request.

    Raises
    ------
    LinkError
        Header, footer or size are not those of a request.
    """
    size = int.from_bytes(datagram[4:6], "little")
    is_framed = datagram[:2] == struct.pack("<H", HEADER) and datagram[-2:] == (
        struct.pack("<H", FOOTER)
    )
    if not is_framed or len(datagram) != 8 + size or size > MAX_DATA_BYTES:
        raise LinkError(
            "not a command of the DCA1000",
            got=datagram[:16].hex(" "),
            expected="5a a5, code, size, data of that size, aa ee",
        )
    return int.from_bytes(datagram[2:4], "little"), datagram[6:-2]


def encode_response(command: int, status: int) -> bytes:
    """One response (status 0: done, 1: refused; or the version), or an asynchronous status."""
    return struct.pack("<4H", HEADER, command, status, FOOTER)


def decode_response(datagram: bytes) -> tuple[int, int]:
    """Command code and status word of a response.

    Raises
    ------
    LinkError
        Not a response: another size, header or footer.
    """
    if len(datagram) == RESPONSE_BYTES:
        header, command, status, footer = struct.unpack("<4H", datagram)
        if (header, footer) == (HEADER, FOOTER):
            return command, status
    raise LinkError(
        "not an answer of a DCA1000",
        got=datagram[:16].hex(" "),
        expected="eight bytes: 5a a5, code, status, aa ee",
    )


def fpga_settings(config: RadarConfig) -> bytes:
    """The six data bytes of CONFIG_FPGA for a radar.

    Raw logging, LVDS mode (1 four lanes, 2 two lanes), capture from LVDS, out over Ethernet,
    data format (1 12 bit, 2 14 bit, 3 16 bit), timer in seconds.

    Examples
    --------
    >>> fpga_settings(RadarConfig()).hex(" ")
    '01 02 01 02 03 1e'
    """
    lvds_mode = {4: 1, 2: 2}[config.n_lanes]
    data_format = {12: 1, 14: 2, 16: 3}[config.adc_bits]
    return bytes((1, lvds_mode, 1, 2, data_format, 30))


def packet_settings(delay_us: float) -> bytes:
    """The six data bytes of CONFIG_PACKET: packet size, delay in ticks of 8 ns, zero.

    Parameters
    ----------
    delay_us : pause between data packets, 5 to 500; many tools send this number itself where
        the board wants ticks

    Raises
    ------
    LinkError
        The delay is out of the board's range.

    Examples
    --------
    >>> packet_settings(25).hex(" ")
    'be 05 35 0c 00 00'
    """
    if not 5 <= delay_us <= 500:
        raise LinkError("packet delay out of range", got=f"{delay_us} us", expected="5 to 500 us")
    return struct.pack("<3H", CONFIGURED_PACKET_BYTES, round(delay_us * 1000 / TICK_NS), 0)


def packet_delay_us(settings: bytes) -> float:
    """The delay that the data of a CONFIG_PACKET request asks for, microseconds.

    Raises
    ------
    LinkError
        Not six bytes, or a delay out of range.
    """
    ticks = int.from_bytes(settings[2:4], "little")
    if len(settings) != 6 or not 5 <= ticks * TICK_NS / 1000 <= 500:
        raise LinkError(
            "not packet settings",
            got=settings.hex(" "),
            expected="size, delay of 625 to 62500 ticks, zero",
        )
    return ticks * TICK_NS / 1000
