"""The radar's own command line over its serial port, as TI's demo firmware has it.

pyserial rather than pymmWave: the lines are sent as they stand in the .cfg, each reply is seen and
explained, and nothing needs the demo's binary output or an event loop.
"""

from __future__ import annotations

import errno
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import serial
from serial.tools import list_ports

from capture.dca1000.commands import MISALIGNED
from capture.errors import LinkError

log = logging.getLogger(__name__)

_PROMPT = re.compile(rb"\w+:/>\s*$")
_REFUSAL = re.compile(r"error|not recognized", re.IGNORECASE)
_PASSED_OVER = re.compile(r"skipped|ignored", re.IGNORECASE)
_MOST_REPLY_BYTES = 1 << 16


class Records(Protocol):
    """What can be asked whether it records: a `Dca1000`."""

    @property
    def is_recording(self) -> bool:
        """Whether the recording was started and not stopped."""
        ...


@dataclass(frozen=True, slots=True)
class RadarVersion:
    """What the firmware says about itself.

    Attributes
    ----------
    platform, sdk, device : platform, mmWave SDK version and silicon; empty when not told
    fields : every "name : value" line of the report
    """

    platform: str
    sdk: str
    device: str
    fields: dict[str, str]

    @staticmethod
    def parse(report: str) -> RadarVersion:
        """Read the reply to `version`.

        Examples
        --------
        >>> RadarVersion.parse("mmWave SDK Version      : 03.05.00.04").sdk
        '03.05.00.04'
        """
        pairs = (line.partition(":") for line in report.splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        known = {name.lower(): value for name, value in fields.items()}
        return RadarVersion(
            known.get("platform", ""), known.get("mmwave sdk version", ""),
            known.get("device info", ""), fields,
        )  # fmt: skip

    def __str__(self) -> str:
        sdk = f"mmWave SDK {self.sdk}" if self.sdk else ""
        return ", ".join(part for part in (self.platform, sdk, self.device) if part)


class RadarCli:
    """A radar whose demo firmware listens on a serial port; a context manager.

    Parameters
    ----------
    port : name of the port; of the two that an EVM offers the one for the user, not for data
    baud_rate : 115200 in all of TI's demos
    timeout_s : how long to wait for each reply; sensorStart calibrates for a second or two

    Raises
    ------
    LinkError
        The port cannot be opened. Every command raises it when no reply comes or the radar
        refuses.
    """

    def __init__(self, port: str, baud_rate: int = 115200, timeout_s: float = 5.0) -> None:
        self.port, self._timeout_s, self._is_running = port, timeout_s, False
        try:
            self._serial = serial.Serial(port, baud_rate, timeout=0.05, exclusive=True)
        except (OSError, ValueError) as failure:  # SerialException is an OSError
            raise _explain_port(failure, port) from None

    @property
    def is_running(self) -> bool:
        """Whether the sensor was started, and not stopped since, over this connection."""
        return self._is_running

    def version(self) -> RadarVersion:
        """Ask the firmware for platform, SDK and device."""
        return RadarVersion.parse(self.ask("version"))

    def configure(self, path: Path | str) -> int:
        """Send the lines of a .cfg, but not sensorStart, and check every reply.

        Parameters
        ----------
        path : a mmWave-demo .cfg

        Returns
        -------
        number of lines sent

        Raises
        ------
        LinkError
            The file cannot be read, or a line is refused: its number, text and the reply.
        """
        path, n_sent = Path(path), 0
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as failure:
            raise LinkError(f"cannot be read: {failure}", where=path) from None
        for number, line in enumerate(lines, start=1):
            line = line.strip()
            if not line or line[0] in "%#" or line.split()[0] == "sensorStart":
                continue
            self.ask(line, where=f"{path}:{number}")
            n_sent += 1
            if line.split()[0] == "sensorStop":
                self._is_running = False
        return n_sent

    def start(self, board: Records | None = None) -> None:
        """Send sensorStart.

        Parameters
        ----------
        board : the data card; refuse to start before it records
        """
        if board is not None and not board.is_recording:
            raise LinkError(
                "sensorStart before the recording was started",
                where=self.port,
                expected="configure FPGA, packet delay, record start, then sensorStart",
                remedy=f"start the recording first: {MISALIGNED}",
            )
        self.ask("sensorStart")
        self._is_running = True

    def stop(self) -> None:
        """Send sensorStop."""
        self.ask("sensorStop")
        self._is_running = False

    def ask(self, line: str, where: str | None = None) -> str:
        """Send one line and return the reply, without echo and prompt.

        Parameters
        ----------
        line : a command of the demo
        where : where the line comes from, for errors

        Raises
        ------
        LinkError
            No reply, or one that says the line was not accepted.
        """
        reply = self._exchange(line, where)
        refusal = next((text for text in reply.splitlines() if _REFUSAL.search(text)), None)
        if refusal is not None:
            raise LinkError(
                f"the radar refused '{line}'",
                where=where or self.port,
                got=refusal.strip(),
                expected="Done",
                remedy="the line must fit the firmware: its device, SDK version and demo "
                "('version' tells), and sensorStop, flushCfg must come first",
            )
        if _PASSED_OVER.search(reply):
            level = logging.INFO if line.startswith("sensorStop") else logging.WARNING
            log.log(level, "%s: '%s': %s", where or self.port, line, " ".join(reply.split()))
        elif not re.search(r"\bdone\b", reply, re.IGNORECASE):
            raise LinkError(
                f"the radar did not confirm '{line}'",
                where=where or self.port,
                got=reply.strip() or "a prompt and nothing else",
                expected="Done",
            )
        return reply

    def _exchange(self, line: str, where: str | None) -> str:
        """Send a line and read up to the next prompt."""
        heard = b""
        end_s = time.monotonic() + self._timeout_s
        try:
            self._serial.reset_input_buffer()
            self._serial.write(line.encode("ascii", "replace") + b"\n")
            while time.monotonic() < end_s and len(heard) < _MOST_REPLY_BYTES:
                heard += self._serial.read(max(1, self._serial.in_waiting))
                if _PROMPT.search(heard):
                    text = _PROMPT.sub(b"", heard).decode("ascii", "replace").lstrip()
                    return text.removeprefix(line).replace("\r", "").strip("\n")
        except OSError as failure:
            raise LinkError(
                f"the serial port failed: {failure}",
                where=self.port,
                remedy="check the USB cable and the radar's power, then connect again",
            ) from None
        raise LinkError(
            f"the radar does not reply to '{line}'",
            where=where or self.port,
            got=repr(heard[-80:].decode("ascii", "replace")) if heard else "nothing",
            expected=f"'Done' and a prompt such as mmwDemo:/> within {self._timeout_s:g} s",
            remedy="use the user port (the other one carries data) at 115200 baud; set the boot "
            "switches (SOP) to functional mode with a demo in flash, and press reset: firmware "
            "loaded by mmWave Studio has no command line",
        )

    def close(self) -> None:
        """Give the port back; the radar goes on with what it does."""
        self._serial.close()

    def __enter__(self) -> RadarCli:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serial_ports() -> tuple[str, ...]:
    """Names of this machine's serial ports."""
    return tuple(sorted(port.device for port in list_ports.comports()))


def _explain_port(failure: OSError | ValueError, port: str) -> LinkError:
    code = getattr(failure, "errno", None)
    remedies = {
        errno.ENOENT: "plug the radar in and look which ports appear (/dev/ttyACM0, COM3, ...)",
        errno.EACCES: "give your user the right to it, on Linux: sudo usermod -aG dialout $USER",
        errno.EBUSY: "another program uses it; end it",
        errno.EAGAIN: "another program uses it; end it",
    }
    return LinkError(
        f"the serial port cannot be opened: {failure}", where=port,
        remedy=remedies.get(code or 0, "check the name of the port"),
    )  # fmt: skip
