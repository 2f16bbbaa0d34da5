"""Network cameras: pictures arrive, a camera that comes back is met again, a dead one is told."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import cv2
import numpy as np
import pytest

from capture.camera import live as camera_live
from capture.camera.live import LiveParams, open_live, without_password
from capture.camera.reader import open_camera
from capture.errors import CameraError, ConfigError

LEVELS = (40, 120, 200)
QUICK = LiveParams(timeout_s=2.0, n_reconnects=2, pause_s=0.05)


class Server(ThreadingHTTPServer):
    """Motion JPEG as network cameras serve it; only so many connections get pictures."""

    daemon_threads = True
    n_pictures = 30
    n_served = 0
    n_good = 1
    stalls = False
    closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.n_served += 1
        if self.server.n_served > self.server.n_good:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for k in range(self.server.n_pictures):
            level = LEVELS[k // 10 % 3]
            bgr = np.full((48, 64, 3), (level, level // 2, 10), np.uint8)
            jpeg = cv2.imencode(".jpg", bgr)[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
        if self.server.stalls:
            self.server.closing.wait(30)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def camera_server(n_good: int = 1, stalls: bool = False) -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.n_good, server.stalls, server.closing = n_good, stalls, threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:secret@127.0.0.1:{server.server_port}/live.mjpg"
        server.closing.set()
        server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_pictures_of_a_network_camera_come_with_times_of_arrival() -> None:
    with camera_server() as url:
        before_s = time.time()
        camera = open_camera(url)
        taken = list(islice(camera, 30))
    info = camera.info
    assert (info.width, info.height, info.n_images) == (64, 48, None)
    assert info.started_at_s is not None
    assert before_s <= info.started_at_s <= time.time()
    assert "secret" not in info.name
    assert info.name.endswith("/live.mjpg")
    times = [time_s for time_s, _ in taken]
    assert times[0] == 0
    assert times == sorted(times)
    levels = np.array([image.mean(axis=(0, 1)) for _, image in taken])
    expected = np.repeat([(10, level // 2, level) for level in LEVELS], 10, axis=0)  # RGB
    assert np.abs(levels - expected).max() < 6  # JPEG rounding


def test_a_given_rate_gives_the_times() -> None:
    with camera_server() as url:
        times = [time_s for time_s, _ in islice(open_camera(url, fps=4.0), 3)]
    assert times == [0.0, 0.25, 0.5]


def test_a_camera_that_comes_back_is_met_again_and_one_that_does_not_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    with camera_server(n_good=2) as url:
        images = iter(open_live(url, params=QUICK))
        assert len(list(islice(images, 50))) == 50  # of 30 in each connection
        with pytest.raises(CameraError, match="the camera stopped.*2 attempts.*remedy") as failure:
            list(images)
    assert "attempt 1 of 2 to reconnect" in caplog.text
    assert "secret" not in caplog.text + str(failure.value)


def test_a_camera_that_falls_silent_is_left_after_the_time_limit() -> None:
    with camera_server(stalls=True) as url:
        images = iter(open_live(url, params=LiveParams(timeout_s=0.5, n_reconnects=0)))
        assert len(list(islice(images, 20))) == 20
        with pytest.raises(CameraError, match="the camera stopped"):
            list(images)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_nobody_there(scheme: str) -> None:
    with pytest.raises(CameraError, match="cannot be opened; remedy check its address"):
        open_live(f"{scheme}://127.0.0.1:{free_port()}/live", params=QUICK)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_accepts_and_then_says_nothing_does_not_hang(scheme: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/live"
        with pytest.raises(CameraError, match="cannot be opened"):  # or the suite's limit strikes
            open_live(url, params=LiveParams(timeout_s=0.5))


def test_no_such_camera_of_this_machine() -> None:
    with pytest.raises(CameraError, match="camera 63: the camera cannot be opened"):
        open_camera(63)


class Webcam:
    """OpenCV's capture of a camera that gives three pictures and is then unplugged."""

    def __init__(self, *_: object) -> None:
        self.n_left = 3

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def get(self, _: int) -> float:
        return -1.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.n_left -= 1
        return self.n_left >= 0, np.full((4, 6, 3), (1, 2, 3), np.uint8)

    def release(self) -> None:
        self.n_left = 0


def test_an_unplugged_camera_of_this_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_live.cv2, "VideoCapture", Webcam)
    camera = open_camera(0)
    assert (camera.info.name, camera.info.fps) == ("camera 0", 0)
    images = iter(camera)
    for _ in range(3):
        assert next(images)[1][0, 0].tolist() == [3, 2, 1]  # BGR became RGB
    with pytest.raises(CameraError, match="camera 0: the camera stopped"):
        next(images)


def test_addresses_are_shown_without_passwords() -> None:
    assert without_password("rtsp://a:b@c@host:554/x?y=1") == "rtsp://host:554/x?y=1"
    assert without_password("http://host/x") == "http://host/x"


@pytest.mark.parametrize("wrong", [{"timeout_s": 0.0}, {"n_reconnects": -1}, {"pause_s": -1.0}])
def test_wrong_waiting_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        LiveParams(**wrong)  # type: ignore[arg-type]
