"""Who gets the live page, and who does not; no request changes anything."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_snapshots import still
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from radarid.cli.web import served
from radarid.errors import DashboardError
from radarid.live.dashboard.access import Access, is_loopback, new_token, read_token
from radarid.live.dashboard.server import Dashboard

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with Dashboard(port=0) as served:
        yield served


@pytest.fixture
def guarded() -> Iterator[Dashboard]:
    with Dashboard(port=0, token=TOKEN) as served:
        yield served


def port_of(dashboard: Dashboard) -> int:
    return int(dashboard.url.split(":")[2].split("/")[0])


def ask(
    dashboard: Dashboard, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(dashboard), timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def streamed(dashboard: Dashboard, talk: Callable[[WebSocketClientConnection],
             Coroutine[Any, Any, Any]], **headers: str) -> Any:  # fmt: skip
    """What `talk` gets out of the stream of snapshots."""

    async def run() -> Any:
        request = HTTPRequest(f"ws://127.0.0.1:{port_of(dashboard)}/stream", headers=headers)
        return await asyncio.wait_for(talk(await websocket_connect(request)), 20)

    return asyncio.run(run())


def number(message: str | bytes | None) -> int:
    assert isinstance(message, bytes)
    return int(message.split(b'"number":')[1].split(b",")[0])


async def first(stream: WebSocketClientConnection) -> int:
    return number(await stream.read_message())


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.0.2.7", False), ("radar.example", False),
     ("127.0.0.1.example", False), ("", False)],
)  # fmt: skip
def test_other_addresses_than_loopback_need_a_token(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
    if expected:
        assert Access(address).admits(None)
    else:
        with pytest.raises(DashboardError, match="needs a token"):
            Dashboard(address)
    assert not Access(address, TOKEN).admits(None)


@pytest.mark.parametrize("token", ["", "short", "a" * 19, "ä" * 30, "semi;colon-is-no-part-of-it"])
def test_tokens_that_are_weak_or_no_part_of_an_address_are_refused(token: str) -> None:
    with pytest.raises(DashboardError, match="easy to guess"):
        Access("127.0.0.1", token)


def test_tokens_are_drawn_anew_and_not_printed() -> None:
    assert new_token() != new_token()
    assert len(new_token()) >= 43  # 256 bits in base 64
    assert TOKEN not in repr(Access("127.0.0.1", TOKEN))


def test_a_token_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(DashboardError, match="no token"):
        read_token(path)
    path.write_text(TOKEN + "\n")
    path.chmod(0o644)
    with pytest.raises(DashboardError, match="others can read"):
        read_token(path)
    path.chmod(0o600)
    assert read_token(path) == TOKEN


@pytest.mark.parametrize(("address", "asks"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_command_makes_up_a_token_where_one_is_needed(
    address: str, asks: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(None, address, None) as listeners:
        assert listeners == ()
    with served(0, address, None) as (show,):
        show(still(3))
        line = capsys.readouterr().err
        assert line.startswith("live page: http://")
        url, _, query = line.split()[-1].partition("?")
        assert query.startswith("token=") is asks
        port = int(url.rstrip("/").rpartition(":")[2])
        for path, status in (("/", 401 if asks else 200), (f"/?{query}", 302 if asks else 200)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path)
            assert connection.getresponse().status == status
            connection.close()


def test_the_page_is_served_and_may_load_nothing_from_elsewhere(dashboard: Dashboard) -> None:
    status, headers, body = ask(dashboard)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>radarid</title>" in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    for name in ("page.js", "strip.js", "bars.js", "colors.js", "style.css", "icon.svg"):
        assert ask(dashboard, f"/{name}")[0] == 200


@pytest.mark.parametrize(
    "path", ["/nothing", "/../access.py", "/%2e%2e/server.py", "//etc/passwd", "/static/page.js"]
)
def test_only_the_pages_own_files_are_served(dashboard: Dashboard, path: str) -> None:
    status, _, body = ask(dashboard, path)
    assert status == 404
    assert body == b"404: Not Found\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/page.js", "/stream"])
def test_requests_that_could_change_something_are_refused(
    guarded: Dashboard, method: str, path: str
) -> None:
    assert ask(guarded, path, method)[0] in (401, 405)
    cookie = f"radarid-{port_of(guarded)}={TOKEN}"
    assert ask(guarded, path, method, Cookie=cookie)[0] == 405


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]", "[::1]:8"])
def test_this_machines_own_names_are_let_in(dashboard: Dashboard, host: str) -> None:
    assert ask(dashboard, Host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8600", "127.0.0.1.evil.example"])
def test_a_name_that_was_rebound_to_this_machine_is_not(dashboard: Dashboard, host: str) -> None:
    assert ask(dashboard, Host=host)[0] == 403
    dashboard.show(still(0))
    with pytest.raises(HTTPClientError, match="403"):
        streamed(dashboard, first, Host=host)


def test_pages_of_other_sites_cannot_read_the_stream(dashboard: Dashboard) -> None:
    dashboard.show(still(5))
    with pytest.raises(HTTPClientError, match="403"):
        streamed(dashboard, first, Origin="https://evil.example")
    assert streamed(dashboard, first, Origin=dashboard.url.rstrip("/")) == 5
    assert streamed(dashboard, first) == 5


@pytest.mark.parametrize("path", ["/", "/page.js", "/?token=", "/?token=" + "x" * 28, "/stream"])
def test_without_the_token_nothing_is_shown(guarded: Dashboard, path: str) -> None:
    status, headers, body = ask(guarded, path)
    assert status == 401
    assert body == b"401: Open the address with the token that radarid printed\n"
    assert "set-cookie" not in headers
    guarded.show(still(0))
    with pytest.raises(HTTPClientError, match="401"):
        streamed(guarded, first)


def test_the_token_moves_from_the_address_into_a_cookie(guarded: Dashboard) -> None:
    assert guarded.url == f"http://127.0.0.1:{port_of(guarded)}/?token={TOKEN}"
    status, headers, _ = ask(guarded, f"/?token={TOKEN}")
    assert (status, headers["location"]) == (302, "/")
    cookie, *traits = headers["set-cookie"].split("; ")
    assert {"httponly", "samesite=lax"} <= {trait.lower() for trait in traits}
    assert ask(guarded, Cookie=cookie)[0] == 200
    guarded.show(still(9))
    assert streamed(guarded, first, Cookie=cookie) == 9


def test_a_page_that_talks_is_hung_up_on(dashboard: Dashboard) -> None:
    dashboard.show(still(0))

    async def talk(stream: WebSocketClientConnection) -> tuple[int | None, str | bytes | None]:
        await stream.read_message()
        await stream.write_message('{"forget": "everything"}')
        rest = await stream.read_message()
        return stream.close_code, rest

    assert streamed(dashboard, talk) == (1008, None)
    assert streamed(dashboard, first) == 0


def test_every_page_gets_the_newest_snapshot(dashboard: Dashboard) -> None:
    dashboard.show(still(0))

    async def follow(stream: WebSocketClientConnection) -> list[int]:
        seen = [await first(stream)]
        for k in range(1, 30):
            dashboard.show(still(k, 8 + k / 10))
        while seen[-1] != 29:
            seen.append(await first(stream))
        return seen

    seen = streamed(dashboard, follow)
    assert seen == sorted(set(seen))
    assert streamed(dashboard, first) == 29


def test_a_page_that_does_not_read_holds_nobody_up(dashboard: Dashboard) -> None:
    with socket.create_connection(("127.0.0.1", port_of(dashboard)), timeout=20) as stuck:
        stuck.sendall(
            f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port_of(dashboard)}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b"101 Switching" in stuck.recv(100)
        # 150 kB each, as the clock goes to and fro: together more than a socket holds.
        for k in range(60):
            dashboard.show(still(k, 20.0 if k % 2 else 10.0))
        assert streamed(dashboard, first) <= 59
        assert streamed(dashboard, until_59) == 59


async def until_59(stream: WebSocketClientConnection) -> int:
    while (newest := await first(stream)) != 59:
        pass
    return newest


def test_there_is_room_for_sixteen_pages(dashboard: Dashboard) -> None:
    dashboard.show(still(0))

    async def crowd(stream: WebSocketClientConnection) -> int:
        others = [await websocket_connect(f"ws://127.0.0.1:{port_of(dashboard)}/stream")
                  for _ in range(15)]
        with pytest.raises(HTTPClientError, match="503"):
            await websocket_connect(f"ws://127.0.0.1:{port_of(dashboard)}/stream")
        return len([await first(each) for each in (stream, *others)])

    assert streamed(dashboard, crowd) == 16


def test_mutated_requests_are_survived(dashboard: Dashboard) -> None:
    rng = np.random.default_rng(11)
    good = (f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port_of(dashboard)}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode()  # fmt: skip
    frame = b"\x81\xfe\x00\x10" + bytes(20)
    for _ in range(300):
        request = bytearray(good + frame)
        for place in rng.integers(0, len(request), rng.integers(1, 6)):
            request[place] = rng.integers(0, 256)
        with socket.create_connection(("127.0.0.1", port_of(dashboard)), timeout=20) as stream:
            stream.sendall(request)
    dashboard.show(still(1))
    assert ask(dashboard)[0] == 200
    assert streamed(dashboard, first) == 1


def test_a_port_that_is_taken_is_named(dashboard: Dashboard) -> None:
    with pytest.raises(DashboardError, match="cannot listen") as failure, \
            Dashboard(port=port_of(dashboard)):
        pass
    assert failure.value.parts()["where"] == f"127.0.0.1 port {port_of(dashboard)}"


def test_an_end_leaves_no_thread_and_publishing_goes_on_harmlessly() -> None:
    before = threading.active_count()
    dashboard = Dashboard(port=0)
    dashboard.show(still(0))  # before it listens: kept for the first page
    with dashboard:
        dashboard.show(still(1))
        assert streamed(dashboard, first) == 1
    dashboard.show(still(2))
    assert threading.active_count() == before
    with pytest.raises(ConnectionError):
        ask(dashboard)
