"""The live page on a socket: a thread of its own, which never holds up who publishes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from importlib.resources import files
from types import TracebackType

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from radarid.errors import DashboardError
from radarid.live.dashboard.access import Access
from radarid.live.dashboard.feed import Feed
from radarid.live.dashboard.handlers import Pages, application
from radarid.live.snapshot import Snapshot

log = logging.getLogger(__name__)

_N_WAITING = 64
_STOP_S = 10.0


class Dashboard:
    """Serves the live page; a context manager that listens between entering and leaving.

    Parameters
    ----------
    address : to listen on; 127.0.0.1 is this machine alone
    port : of TCP; 0 lets the system choose
    token : that every request must show; needed on other addresses than loopback

    Raises
    ------
    DashboardError
        Another address than loopback without a token, or a token too easy to guess.

    Examples
    --------
    >>> with Dashboard(port=0) as dashboard:
    ...     dashboard.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self, address: str = "127.0.0.1", port: int = 8600, token: str | None = None
    ) -> None:
        self.access = Access(address, token)
        self._address, self._port = address, port
        self._waiting: deque[Snapshot] = deque(maxlen=_N_WAITING)
        self._pages = Pages(self.access, Feed(), _documents())
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # while it may be called
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the page is, with the token if there is one."""
        return self.access.url(self._port)

    def show(self, snapshot: Snapshot) -> None:
        """Publish a snapshot, from any thread; returns at once."""
        self._waiting.append(snapshot)
        self._call(self._take)

    def __enter__(self) -> Dashboard:
        try:
            self._sockets = bind_sockets(self._port, self._address)
        except OSError as failure:
            raise DashboardError(
                f"cannot listen: {failure.strerror or failure}",
                where=f"{self._address} port {self._port}",
                remedy="another port, or an address of this machine",
            ) from None
        self._port = self._sockets[0].getsockname()[1]
        self._pages.port = self._port
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="dashboard")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._call(self._stop.set)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            log.warning("the dashboard did not end within %g s", _STOP_S)

    def _call(self, action: Callable[[], None]) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(action)

    def _take(self) -> None:
        while self._waiting:
            self._pages.feed.push(self._waiting.popleft())
        self._pages.wake()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve())
            with self._lock:
                self._loop = None

    async def _serve(self) -> None:
        server = HTTPServer(
            application(self._pages), max_body_size=1024, idle_connection_timeout=60
        )
        server.add_sockets(self._sockets)
        await self._stop.wait()
        server.stop()
        self._pages.close()
        await server.close_all_connections()


def _documents() -> dict[str, bytes]:
    folder = files("radarid.live.dashboard") / "static"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
