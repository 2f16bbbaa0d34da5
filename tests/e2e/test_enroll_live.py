"""`enroll --live`: the emulator's walk gives the templates of its file, and stays nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from background_store import write_store
from live_students import words, write_recording, write_run

from radarid.live.gallery_file import read_gallery

RADARID = [sys.executable, "-m", "radarid"]
NUMBER = os.getpid() % 65536
HOST, BOARD = f"127.60.{NUMBER >> 8}.{NUMBER & 255}", f"127.61.{NUMBER >> 8}.{NUMBER & 255}"
LINK = ("--interface", HOST, "--dca", BOARD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("enroll-live")
    write_store(folder / "others.h5")
    write_recording(folder / "walk.bin", words(2.0, 1.3, 0))
    write_run(folder / "run")
    (folder / "temporary").mkdir()
    return folder


def enroll(folder: Path, gallery: str, *more: object) -> Any:
    done = subprocess.run(
        [*RADARID, "enroll", "anna", *map(str, more), "--gallery", folder / gallery, "--run",
         folder / "run", "--background", folder / "others.h5", "--json"],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_walk_that_is_received_gives_the_templates_of_its_file(folder: Path) -> None:
    enroll(folder, "file.h5", folder / "walk.bin")
    emulator = subprocess.Popen(
        [*RADARID, "emulate", folder / "walk.bin", "--host", HOST, "--dca", BOARD],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert emulator.stderr is not None
        emulator.stderr.readline()  # it listens
        found = enroll(folder, "live.h5", "--live", "--seconds", 30, *LINK)
    finally:
        emulator.kill()
        emulator.communicate()
    live, file = read_gallery(folder / "live.h5"), read_gallery(folder / "file.h5")
    assert found["enrolled"] == ["anna"]
    np.testing.assert_array_equal(live.templates.embedding, file.templates.embedding)
    assert not list((folder / "temporary").iterdir())  # nothing of the raw stream is kept


def test_files_and_a_live_walk_exclude_each_other(folder: Path) -> None:
    for wrong in ([], [str(folder / "walk.bin"), "--live"]):
        done = subprocess.run(
            [*RADARID, "enroll", "anna", *wrong, "--gallery", folder / "x.h5", "--run",
             folder / "run"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert "not both" in done.stderr
