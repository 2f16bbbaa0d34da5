"""A headless Chromium, driven through its DevTools protocol over a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tornado.websocket import WebSocketClientConnection, websocket_connect

T = TypeVar("T")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions",
    "--window-size=1366,1000", "--remote-debugging-port=0",
)


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A tab; what goes wrong in it is kept in `errors`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: WebSocketClientConnection):
        self.errors: list[str] = []
        self._loop, self._connection, self._n = loop, connection, 0
        for domain in ("Runtime", "Page", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        self._n += 1
        text = json.dumps({"id": self._n, "method": method, "params": params})
        self._wait(self._connection.write_message(text))
        while True:
            answer = json.loads(self._wait(self._connection.read_message()))
            if answer.get("id") == self._n:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(answer["params"]["exceptionDetails"]))
            if answer.get("method") == "Log.entryAdded":
                entry = answer["params"]["entry"]
                self.errors += [entry["text"]] if entry["level"] == "error" else []

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                          awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def wait_for(self, expression: str, patience_s: float = 30.0) -> None:
        """Wait until an expression is true."""
        end_s = time.monotonic() + patience_s
        while not self.evaluate(expression):
            assert time.monotonic() < end_s, f"never true: {expression}; {self.errors}"
            time.sleep(0.05)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _wait(self, answer: Awaitable[T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(answer, 30))


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Page]:
    """A browser with one empty tab, and a profile of its own."""
    port_file = folder / "DevToolsActivePort"
    command = [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process, asyncio.Runner() as runner:
        try:
            yield runner_page(runner, port_file)
        finally:
            process.kill()


def runner_page(runner: asyncio.Runner, port_file: Path) -> Page:
    end_s = time.monotonic() + 60
    while not (port_file.is_file() and port_file.read_text().count("\n")):
        assert time.monotonic() < end_s, "the browser did not start"
        time.sleep(0.05)
    port = port_file.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
        (tab,) = [each for each in json.load(answer) if each["type"] == "page"]

    async def connect() -> WebSocketClientConnection:
        return await websocket_connect(tab["webSocketDebuggerUrl"])

    return Page(runner.get_loop(), runner.run(connect()))
