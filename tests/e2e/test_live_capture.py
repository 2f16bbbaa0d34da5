"""A recording played by the emulator, recorded again, ingested: all by the commands of a user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.config import RadarConfig
from capture.file.recording import open_recording
from capture.file.sidecar import LiveFacts, Sidecar, read_sidecar
from capture.formats.load import load_radar_config
from capture.schema import write_toml
from radarid.config import find

RADARID = [sys.executable, "-m", "radarid"]
N_FRAMES, SECONDS = 40, 1.32
"""Two antennas: a frame of 49 packets, more than the emulator's swaps span (32)."""


def run(*command: object) -> Any:
    done = subprocess.run([*RADARID, *map(str, command), "--json"], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    radar = folder / "two.toml"
    write_toml(radar, replace(load_radar_config(find("radar", "demo")), rx_mask=0b11))
    run("simulate", folder, "--subjects", 1, "--walks", 1, "--sessions", 1, "--seconds", SECONDS,
        "--radar", radar)
    (path,) = folder.glob("*.bin")
    assert path.stat().st_size == N_FRAMES * 138 * 2 * 64 * 4  # chirps, antennas, samples, I and Q
    return path


@pytest.fixture
def link(request: pytest.FixtureRequest) -> list[str]:
    """Loopback addresses of this test and this process."""
    number = os.getpid() * 16 + sum(map(ord, request.node.name)) % 16
    net = f"127.{number >> 16 & 63 | 64}.{number >> 8 & 255}.{number & 255}"
    board = f"127.{number >> 16 & 63 | 128}.{number >> 8 & 255}.{number & 255}"
    return ["--host", net, "--dca", board]


@contextmanager
def started(*command: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*RADARID, *map(str, command), "--json"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def emulated(*command: object) -> Iterator[subprocess.Popen[str]]:
    with started("emulate", *command) as process:
        assert process.stderr is not None
        assert "DCA1000 at" in process.stderr.readline()
        yield process


def result_of(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def sidecar_of(out: Path) -> tuple[Sidecar, LiveFacts]:
    sidecar = read_sidecar(out.with_name(f"{out.name}_Raw_0.json"))
    assert sidecar.live is not None
    return sidecar, sidecar.live


@pytest.mark.parametrize("faults", [
    ["--loss", 0.01, "--reorder", 0.01, "--duplicate", 0.01, "--seed", 5],
    ["--restart-after", 700],
], ids=["loss", "restart"])
def test_what_is_recorded_is_what_was_sent(
    faults: list[object], walk: Path, link: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "again"
    with emulated(walk, *link, *faults) as board:
        told = run("record", out, "--radar", walk.with_name("two.toml"), *link,
                   "--seconds", SECONDS, "--subject", "p01")
        sent = result_of(board)
    original = np.fromfile(walk, np.uint8)
    lost = np.zeros(len(original), np.bool_)
    for start, stop in sent["lost"]:
        lost[start:stop] = True
    assert lost.any()
    recorded = np.fromfile(f"{out}_Raw_0.bin", np.uint8)
    assert np.array_equal(recorded, np.where(lost, 0, original))
    sidecar, live = sidecar_of(out)
    assert [[start, start + n] for start, n in sidecar.lost] == sent["lost"]
    assert (live.complete, live.n_bytes) == (True, len(original))
    assert told["lost_bytes"] == lost.sum()
    hit = lost.reshape(N_FRAMES, -1)
    n_missing, n_incomplete = int(hit.all(axis=1).sum()), int((hit.any(1) & ~hit.all(1)).sum())
    assert (told["n_frames"], told["n_missing"]) == (N_FRAMES, n_missing)
    assert (told["n_incomplete"], told["n_complete"]) == (
        n_incomplete, N_FRAMES - n_missing - n_incomplete)
    packets = told["packets"]
    assert packets["n_restarts"] == sent["n_restarts"]
    assert packets["n_received"] == sent["n_sent"] == live.packets["n_received"]
    assert packets["n_kernel_drops"] in (0, None)
    assert packets["n_duplicate"] == sent["n_duplicate"]
    if "--loss" in faults:
        assert packets["n_lost"] == sent["n_lost"]
        stored = tmp_path / "gait.h5"
        small = ["--set=clip_s=1.0", "--set=image_size=64", "-j", 1]
        report = run("ingest", out.with_name("again_Raw_0.bin"), "--out", stored, *small)
        assert [one["name"] for one in report["done"]] == ["again"]


def frames_of(path: Path, config: RadarConfig) -> np.ndarray:
    n_bytes = config.stored_frame_bytes
    content = np.fromfile(path, np.uint8)
    return content[: len(content) // n_bytes * n_bytes].reshape(-1, n_bytes)


def await_bytes(out: Path, n_bytes: int, process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + 60
    place = out.with_name(f"{out.name}_Raw_0.json")
    while not (place.is_file() and sidecar_of(out)[1].n_bytes > n_bytes):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_killed_and_then_interrupted(walk: Path, link: list[str], tmp_path: Path) -> None:
    radar = walk.with_name("two.toml")
    config = load_radar_config(radar)
    original = frames_of(walk, config)
    killed, stopped = tmp_path / "killed", tmp_path / "stopped"
    with emulated(walk, *link, "--loop") as board:
        with started("record", killed, "--radar", radar, *link) as recording:
            await_bytes(killed, 0, recording)
            time.sleep(0.4)
            recording.send_signal(signal.SIGKILL)
        # The board goes on sending; the next recording begins with its own first frame.
        with started("record", stopped, "--radar", radar, *link) as recording:
            await_bytes(stopped, 0, recording)
            recording.send_signal(signal.SIGINT)
            told = result_of(recording)
        board.send_signal(signal.SIGINT)
        assert result_of(board)["n_recordings"] == 2
    _, live = sidecar_of(killed)
    assert not live.complete
    n_known = live.n_bytes // config.stored_frame_bytes
    found = open_recording(killed.with_name("killed_Raw_0.bin"), config)
    assert len(found) > n_known > 0
    assert [frame.valid.all() for frame in found] == [k < n_known for k in range(len(found))]
    rows = frames_of(killed.with_name("killed_Raw_0.bin"), config)[:n_known]
    assert np.array_equal(rows, original[np.arange(n_known) % N_FRAMES])

    sidecar, live = sidecar_of(stopped)
    assert (live.complete, told["ended"]) == (True, "stopped")
    rows = frames_of(stopped.with_name("stopped_Raw_0.bin"), config)
    assert len(rows) == told["n_frames"] >= told["n_complete"] >= told["n_frames"] - 1
    n_whole = told["n_complete"]  # the last frame was cut off by the interruption
    assert np.array_equal(rows[:n_whole], original[np.arange(n_whole) % N_FRAMES])
    assert sum(n for _, n in sidecar.lost) == told["lost_bytes"] < config.stored_frame_bytes


def test_silence_is_explained(link: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*RADARID, "record", str(tmp_path / "w"), "--radar", "demo", *link, "--receive-only"],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 2
    for part in ("no packet for 5", "radarid doctor", "sensorStart"):
        assert part in done.stderr
    assert list(tmp_path.iterdir()) == []
