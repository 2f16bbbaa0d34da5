"""The emulator's packets into `identify --live`, each a process of its own: same numbers as the
file, losses borne, every process killed and started again, two walkers at once."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_students import words, write_recording, write_run
from walk_files import RADAR

from capture.file.recording import open_recording
from capture.file.sidecar import read_sidecar

RADARID = [sys.executable, "-m", "radarid"]
PATIENCE_S = 90.0
FAST = {**os.environ, "OMP_NUM_THREADS": "1"}
WALK = np.concatenate([words(2.0, 1.3, 0), words(3.6, 1.0, 1), words(4.8, -1.2, 2)])
TWO = np.concatenate([words(1.5, 0.9, 3) + words(7.5, -1.2, 4),
                      words(2.6, 0.9, 5) + words(6.1, -1.2, 6)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    write_recording(folder / "walk.bin", WALK)
    write_recording(folder / "two.bin", TWO)
    write_run(folder / "run")
    return folder


@pytest.fixture
def net(request: pytest.FixtureRequest) -> dict[str, str]:
    """Loopback addresses of this test and this process."""
    number = os.getpid() * 16 + sum(map(ord, request.node.name)) % 16
    low = f"{number >> 8 & 255}.{number & 255}"
    top = number >> 16 & 63
    return {"host": f"127.{top | 64}.{low}", "dca": f"127.{top | 192}.{low}"}


class Process:
    """A command that talks JSON lines, or one JSON document at its end."""

    def __init__(self, *command: object) -> None:
        self.process = subprocess.Popen([*RADARID, *map(str, command)], text=True, env=FAST,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.told: list[str] = []
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.Queue[str] = queue.Queue()
        for stream, take in ((self.process.stderr, self.told.append),
                             (self.process.stdout, self._queue.put)):
            threading.Thread(target=self._read, args=(stream, take), daemon=True).start()

    @staticmethod
    def _read(stream: Any, take: Callable[[str], None]) -> None:
        for line in stream:
            take(line)

    def await_word(self, word: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not any(word in line for line in self.told):
            assert self.process.poll() is None, self.told
            assert time.monotonic() < end_s, self.told
            time.sleep(0.02)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read lines up to one of this kind."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            try:
                line = json.loads(self._queue.get(timeout=0.2))
            except queue.Empty:
                assert self.process.poll() is None, self.told
                continue
            self.lines.append(line)
            if wanted(line):
                return line
        raise AssertionError((self.told, self.lines[-3:]))

    def end(self) -> None:
        """Ctrl-C, which is to end it well."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE_S) == 0, self.told
        while not self._queue.empty():
            self.lines.append(json.loads(self._queue.get()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def started(*command: object) -> Iterator[Process]:
    process = Process(*command)
    try:
        yield process
    finally:
        process.kill()


def live(folder: Path, net: dict[str, str], *more: object) -> Any:
    return started("identify", "--live", "--run", folder / "run", "--interface", net["host"],
                   "--dca", net["dca"], "--json", *more)


def emulated(walk: Path, net: dict[str, str], *more: object) -> Any:
    return started("emulate", walk, "--host", net["host"], "--dca", net["dca"], *more)


def identified(folder: Path, walk: str, *more: object) -> list[dict[str, Any]]:
    command = ["identify", folder / walk, "--run", folder / "run", "--json", *more]
    done = subprocess.run([*RADARID, *map(str, command)],
                          capture_output=True, text=True, env=FAST, check=True)
    return list(json.loads(done.stdout))


def is_silent(line: dict[str, Any]) -> bool:
    return line["health"]["state"] == "silent" and line["health"]["silence_s"] > 2.6


def listened_to(walk: str, folder: Path, net: dict[str, str], *faults: object,
                more: tuple[object, ...] = ()) -> list[dict[str, Any]]:
    """Lines of a listener, from before the first packet to after the last."""
    with live(folder, net, "--passive", *more) as listener:
        listener.await_word("listening")
        with emulated(folder / walk, net, "--start-now", *faults):
            listener.until(is_silent)
            listener.end()
        return listener.lines


def clips_of(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    keys = ("track", "start_s", "quality", "direction", "score", "second")
    return sorted(tuple(clip[key] for key in keys) for line in lines for clip in line["clips"])


def clips_in(walker: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The same of a walker in a file."""
    return [
        (walker["track"], clip["start_s"], clip["quality"], clip["direction"],
         clip["identification"]["score"], clip["identification"]["second"])
        for clip in walker["clips"]
    ]  # fmt: skip


def test_the_same_numbers_as_of_the_file(folder: Path, net: dict[str, str], tmp_path: Path) -> None:
    (filed,) = identified(folder, "walk.bin")
    lines = listened_to("walk.bin", folder, net, more=("--record", tmp_path))
    expected = clips_in(filed)
    assert clips_of(lines) == expected
    assert len(expected) >= 10
    last = [one for line in lines for one in line["decisions"] if one["track"] == 0][-1]
    whole = filed["identification"]
    assert (last["n_clips"], last["score"], last["second"], last["answer"]) == (
        len(expected), whole["score"], whole["second"], filed["answer"])
    (kept,) = tmp_path.glob("*_Raw_0.bin")
    assert kept.read_bytes() == (folder / "walk.bin").read_bytes()
    assert len(open_recording(kept, RADAR)) == len(WALK)
    sidecar = read_sidecar(kept.with_suffix(".json"))
    assert sidecar.live is not None
    assert sidecar.live.complete


def test_losses_are_borne_and_told(folder: Path, net: dict[str, str]) -> None:
    lines = listened_to("walk.bin", folder, net, "--loss", 0.3, "--seed", 1)
    assert clips_of(lines) == []
    reasons = {one["reason"] for line in lines for one in line["decisions"]}
    assert any("too much is lost" in reason for reason in reasons)
    assert {one["answer"] for line in lines for one in line["decisions"]} == {"not enough signal"}
    assert lines[-1]["health"]["n_lost_packets"] > 100


def test_two_walkers_at_once(folder: Path, net: dict[str, str]) -> None:
    lines = listened_to("two.bin", folder, net, more=("--walkers", 2))
    filed = identified(folder, "two.bin", "--walkers", 2)
    assert [walker["track"] for walker in filed] == [0, 1]
    assert clips_of(lines) == [clip for walker in filed for clip in clips_in(walker)]
    last = {one["track"]: one for line in lines for one in line["decisions"]}
    for walker in filed:
        live, whole = last[walker["track"]], walker["identification"]
        assert (live["answer"], live["score"], live["second"], live["n_clips"]) == (
            walker["answer"], whole["score"], whole["second"], len(walker["clips"]))
    together = [{(one["track"], one["direction"]) for one in line["decisions"]} for line in lines]
    assert {(0, "away"), (1, "towards")} in together or {(0, "towards"), (1, "away")} in together


def test_board_and_listener_killed_and_started_again(folder: Path, net: dict[str, str]) -> None:
    with emulated(folder / "walk.bin", net, "--loop") as board:
        board.await_word("DCA1000 at")
        with live(folder, net) as listener:
            listener.until(lambda line: bool(line["clips"]))
            board.kill()
            listener.until(lambda line: line["health"]["state"] == "silent")
            with emulated(folder / "walk.bin", net, "--loop") as again:
                back = listener.until(
                    lambda line: line["health"]["n_recoveries"] > 0 and bool(line["clips"])
                )
                assert back["health"]["state"] == "receiving"
                assert back["health"]["n_restarts"] == 1
                assert back["decisions"][0]["track"] == 1  # whoever comes then is somebody new
                listener.kill()
                with live(folder, net) as second:  # the board still sends to the dead one's port
                    line = second.until(lambda line: bool(line["clips"]))
                    assert line["health"]["n_recoveries"] == 0
                    second.end()
                again.process.send_signal(signal.SIGINT)
                assert again.process.wait(PATIENCE_S) == 0


def test_no_board_at_the_start_is_an_error(folder: Path, net: dict[str, str]) -> None:
    with live(folder, net) as listener:
        assert listener.process.wait(PATIENCE_S) == 2
    assert any("does not answer" in line for line in listener.told)
