"""`Dca1000`: the board's commands over UDP, in the only order that works.

Configure the FPGA, set the packet delay, start recording, and only then start the radar: a board
that is started while the radar already sends begins inside a frame, and every frame it delivers is
misaligned (DCA1000EVM user's guide SPRUIJ4; TI radar academy, data capture handbook).
"""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Protocol

from capture.config import RadarConfig
from capture.dca1000 import command_packets as protocol
from capture.dca1000.command_packets import Command, FpgaVersion, Status, explain_status
from capture.dca1000.link import LinkParams
from capture.errors import LinkError
from capture.udp.sockets import open_udp

__all__ = ["Dca1000", "FpgaVersion", "Status", "explain_status"]

log = logging.getLogger(__name__)

MISALIGNED = (
    "a recording that starts while the radar already sends begins inside a frame, and all its "
    "frames are misaligned"
)


class Starts(Protocol):
    """What can be asked whether its sensor runs: a `RadarCli`."""

    @property
    def is_running(self) -> bool:
        """Whether the sensor was started and not stopped."""
        ...


class Dca1000:
    """A DCA1000EVM that answers commands; a context manager.

    Parameters
    ----------
    link : addresses, ports and packet delay; commands leave from, and answers come to,
        `host`:`config_port`
    timeout_s : how long to wait for each answer

    Raises
    ------
    LinkError
        The address is not one of this machine's, or the port is taken. Every command raises it
        when no answer comes, the board refuses, or the order is wrong.
    """

    def __init__(self, link: LinkParams, timeout_s: float = 1.0) -> None:
        self.link, self._timeout_s = link, timeout_s
        self._socket = open_udp(link.host, link.config_port)
        self._board = (link.dca1000, link.config_port)
        self._statuses: list[Status] = []
        self._is_configured = self._is_recording = False

    @property
    def is_recording(self) -> bool:
        """Whether record start was acknowledged, and record stop not sent since."""
        return self._is_recording

    def alive(self) -> None:
        """Ask for a sign of life."""
        self._command(Command.ALIVE)

    def version(self) -> FpgaVersion:
        """Version of the FPGA image."""
        return FpgaVersion.from_word(self._ask(Command.READ_VERSION))

    def reset_fpga(self) -> None:
        """Reset the FPGA; it must be configured again. Needed after a change of LVDS rate."""
        self._command(Command.RESET_FPGA)
        self._is_configured = self._is_recording = False

    def configure(self, config: RadarConfig) -> None:
        """Set logging mode, LVDS lanes and data format for a radar, then the packet delay."""
        if self._is_recording:
            raise LinkError(
                "the board cannot be configured while it records",
                where=self._where,
                remedy="stop the radar, then the recording, and configure then",
            )
        self._is_configured = False
        self._command(Command.CONFIG_FPGA, protocol.fpga_settings(config))
        self._command(Command.CONFIG_PACKET, protocol.packet_settings(self.link.packet_delay_us))
        self._is_configured = True

    def start(self, radar: Starts | None = None) -> None:
        """Start recording.

        Parameters
        ----------
        radar : refuse if it has already been started
        """
        if not self._is_configured:
            raise LinkError(
                "the board was not configured before the recording",
                where=self._where,
                expected="configure FPGA, packet delay, record start, then sensorStart",
                remedy="call configure() first: lanes and data format are those of the last user",
            )
        if radar is not None and radar.is_running:
            raise LinkError(
                "the radar was started before the recording",
                where=self._where,
                expected="configure FPGA, packet delay, record start, then sensorStart",
                remedy=f"stop the radar first: {MISALIGNED}",
            )
        self._command(Command.RECORD_START, n_tries=1)
        self._is_recording = True

    def stop(self) -> None:
        """Stop recording."""
        self._is_recording = False
        self._command(Command.RECORD_STOP)

    def statuses(self) -> tuple[Status, ...]:
        """Asynchronous status packets that came since the last call, in their order.

        `explain_status` says what each means.
        """
        self._drain()
        found, self._statuses = tuple(self._statuses), []
        return found

    # -- exchange ---------------------------------------------------------------------------
    def _command(self, command: Command, data: bytes = b"", n_tries: int = 3) -> None:
        status = self._ask(command, data, n_tries)
        if status:
            told = [sentence for bits in self.statuses() for sentence in explain_status(bits)]
            raise LinkError(
                f"the DCA1000 refused {command.name}",
                where=self._where,
                got="; ".join([f"status {status}", *told]),
                expected="status 0",
                remedy="switch SW2.5 must be on software configuration; stop a recording that "
                "still runs, or reset the board by its power switch",
            )

    def _ask(self, command: Command, data: bytes = b"", n_tries: int = 3) -> int:
        """Send a request until its answer comes; the answer's status word."""
        self._drain()
        heard: list[str] = []
        for k in range(n_tries):
            if k:
                log.info("no answer to %s from %s, trying again", command.name, self._where)
            self._send(protocol.encode_request(command, data))
            status = self._await(command, heard)
            if status is not None:
                return status
        raise LinkError(
            f"the DCA1000 does not answer {command.name}",
            where=self._where,
            got="; ".join(dict.fromkeys(heard)) or "nothing",
            expected=f"an answer within {self._timeout_s:g} s",
            remedy="check power (5 V), Ethernet cable and lights; the address of this machine's "
            f"interface ({self.link.host}/24); switch SW2.6 (address from EEPROM or default "
            "192.168.33.180) and SW2.5 (software configuration); the firewall (UDP "
            f"{self.link.config_port} and {self.link.data_port}). The board never answers ping",
        )

    @property
    def _where(self) -> str:
        return f"{self.link.dca1000}:{self.link.config_port}"

    def _send(self, request: bytes) -> None:
        try:
            self._socket.sendto(request, self._board)
        except OSError as failure:
            raise LinkError(
                f"commands cannot be sent: {failure.strerror}",
                where=self._where,
                remedy="check that the interface is up and in the board's network",
            ) from None

    def _await(self, command: Command, heard: list[str]) -> int | None:
        """Status word of the answer to a command, or None when its time is over."""
        end_s = time.monotonic() + self._timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            code, status = self._receive(heard)
            if code == command:
                return status
        return None

    def _receive(self, heard: list[str]) -> tuple[int | None, int]:
        """Code and status of the next datagram; no code when it is of no use, or none came."""
        try:
            datagram, sender = self._socket.recvfrom(2048)
        except (TimeoutError, BlockingIOError):
            return None, 0
        if sender != self._board:
            heard.append(f"datagrams from {sender[0]}:{sender[1]}")
            return None, 0
        try:
            code, status = protocol.decode_response(datagram)
        except LinkError as failure:
            heard.append(str(failure))
            return None, 0
        if code == Command.ASYNC_STATUS:
            self._statuses.append(Status(status))
        else:
            heard.append(f"an answer to command 0x{code:02x}")
        return code, status

    def _drain(self) -> None:
        """Take what lies in the socket: old answers are of no use, status packets are kept."""
        self._socket.settimeout(0)
        n_before = -1
        heard: list[str] = []
        while n_before != len(heard) + len(self._statuses):
            n_before = len(heard) + len(self._statuses)
            self._receive(heard)

    def close(self) -> None:
        """Give the port back; the board goes on with what it does."""
        self._socket.close()

    def __enter__(self) -> Dca1000:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
