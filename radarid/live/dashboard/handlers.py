"""What the page's server answers: four documents and a stream of snapshots, all of it read-only.

There is no request that changes anything: whatever is not GET or HEAD is refused, and so is
whatever a page sends along the stream.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from radarid.live.dashboard.access import Access
from radarid.live.dashboard.feed import Cursor, Feed

log = logging.getLogger(__name__)

_MAX_PAGES = 16
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Pages:
    """What the handlers share.

    Attributes
    ----------
    access : who is let in
    feed : what is shown
    documents : name -> content of the files that make up the page
    port : that is listened on
    streams : to the pages that are open now
    """

    access: Access
    feed: Feed
    documents: dict[str, bytes]
    port: int = 0
    streams: set[Stream] = field(default_factory=set)

    def wake(self) -> None:
        """Tell all pages that there is news."""
        for stream in self.streams:
            stream.news.set()

    def close(self) -> None:
        """Say goodbye to all pages."""
        for stream in tuple(self.streams):
            stream.close(1001, "radarid ends")


def application(pages: Pages) -> Application:
    """The page's server. Addresses, which may hold a token, are never logged."""
    shared = {"pages": pages}
    return Application(
        [(r"/stream", Stream, shared), (r"/(.*)", Document, shared)], log_function=_log,
        websocket_ping_interval=10, websocket_ping_timeout=10, websocket_max_message_size=1024,
    )  # fmt: skip


def _log(handler: RequestHandler) -> None:
    log.debug("%s %s", handler.request.method, handler.get_status())


class _Guarded(RequestHandler):
    """Lets in whom `Access` admits; answers are never kept, framed or read by other sites."""

    def initialize(self, pages: Pages) -> None:
        self.pages = pages

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        access = self.pages.access
        if not access.admits_host(self.request.host):
            raise HTTPError(403, reason="Not a name of this machine")
        if not access.admits(self.shown_token()):
            raise HTTPError(401, reason="Open the address with the token that radarid printed")

    def shown_token(self) -> str | None:
        return self.get_cookie(self.cookie)

    @property
    def cookie(self) -> str:
        return f"radarid-{self.pages.port}"  # cookies do not tell ports apart

    def write_error(self, status_code: int, **_: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}: {self._reason}\n")


class Document(_Guarded):
    """One of the files that make up the page."""

    def shown_token(self) -> str | None:
        return self.get_query_argument("token", None) or super().shown_token()

    def get(self, name: str) -> None:
        document = self.pages.documents.get(name or "index.html")
        if document is None:
            raise HTTPError(404)
        token = self.get_query_argument("token", None)
        if token and self.pages.access.token:  # out of the address line, where others may see it
            self.set_cookie(self.cookie, token, httponly=True, samesite="Lax")
            self.redirect(self.request.path)
            return
        kind = _KINDS[(name or "index.html").rpartition(".")[2]]
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.finish(document)

    head = get


class Stream(_Guarded, WebSocketHandler):
    """Sends every snapshot to one page, or the newest where the page is slower."""

    def prepare(self) -> None:
        super().prepare()
        if len(self.pages.streams) >= _MAX_PAGES:
            raise HTTPError(503, reason="Too many pages are open")

    async def open(self) -> None:
        self.news = asyncio.Event()
        self.pages.streams.add(self)
        self.set_nodelay(True)
        self._sending = asyncio.create_task(self._send())

    def on_message(self, message: str | bytes) -> None:
        self.close(1008, "this page only listens")

    def on_close(self) -> None:
        self.pages.streams.discard(self)
        self._sending.cancel()

    async def _send(self) -> None:
        cursor = Cursor()
        while True:
            message = self.pages.feed.message(cursor)
            if message is not None:
                try:
                    await self.write_message(message, binary=True)
                except (WebSocketClosedError, StreamClosedError):
                    return
            await self.news.wait()
            self.news.clear()
