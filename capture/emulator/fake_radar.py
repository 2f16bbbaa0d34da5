"""The command line of a radar's demo firmware on a pseudo-terminal, for work without hardware."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from capture.errors import LinkError

PROMPT = b"mmwDemo:/>"

VERSION_REPORT = (
    "Platform                : xWR18xx\n"
    "mmWave SDK Version      : 03.05.00.04\n"
    "Device Info             : IWR18XX emulated by radarid\n"
    "RF F/W Version          : 02.00.00.05\n"
    "Done\n"
)


class FakeRadar:
    """Answers every line as the demo does: an echo, "Done", the prompt; Unix only.

    Parameters
    ----------
    replies : other answers, by the first word of the line; an empty one means silence
    on_stop : called when the sensor is stopped

    Attributes
    ----------
    port : path of the terminal to connect to
    lines : what was received
    is_running : set between sensorStart and sensorStop

    Raises
    ------
    LinkError
        This system has no pseudo-terminals.
    """

    def __init__(
        self, replies: Mapping[str, str] | None = None, on_stop: Callable[[], None] | None = None
    ) -> None:
        self._replies = {"version": VERSION_REPORT, **(replies or {})}
        self._on_stop = on_stop
        if not hasattr(os, "openpty"):
            raise LinkError("this system has no pseudo-terminals", expected="Linux or macOS")
        import tty  # exists where openpty does

        self._radar, self._terminal = os.openpty()
        tty.setraw(self._terminal)
        self.port = os.ttyname(self._terminal)
        self.lines: list[str] = []
        self.is_running = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake radar", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        pending = b""
        while not self._closing.is_set():
            if not select.select([self._radar], [], [], 0.1)[0]:
                continue
            pending += os.read(self._radar, 4096)
            *lines, pending = pending.split(b"\n")
            for line in lines:
                self._answer(line.decode("ascii", "replace").strip())

    def _answer(self, line: str) -> None:
        word = line.partition(" ")[0]
        if word:
            self.lines.append(line)
        reply = self._replies.get(word, "Done\n" if word else "")
        if word in self._replies and not reply:
            return
        if word == "sensorStop" and not self.is_running.is_set():
            reply = "Ignored: Sensor is already stopped\nDone\n"
        elif word == "sensorStop":
            self.is_running.clear()
            if self._on_stop is not None:
                self._on_stop()
        elif word == "sensorStart" and "Done" in reply:
            self.is_running.set()
        os.write(self._radar, f"{line}\n{reply}".replace("\n", "\n\r").encode() + PROMPT)

    def close(self) -> None:
        """Hang up."""
        self._closing.set()
        self._thread.join()
        os.close(self._radar)
        os.close(self._terminal)

    def __enter__(self) -> FakeRadar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
