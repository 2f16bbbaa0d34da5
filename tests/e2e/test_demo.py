"""The whole way through the commands, as `make demo` runs it: raw files in, names out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

pytestmark = pytest.mark.slow
RADARID = [sys.executable, "-m", "radarid"]


def radarid(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RADARID, *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    done = radarid("demo", folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def evaluation(out: Path) -> dict[str, Any]:
    return json.loads((out / "run" / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def identified(out: Path) -> list[dict[str, Any]]:
    return json.loads((out / "identified.json").read_text())


def test_raw_data_stays_small(out: Path) -> None:
    assert sum(path.stat().st_size for path in (out / "raw").glob("*.bin")) < 600e6


def test_walks_are_recognised_far_above_chance(evaluation: dict[str, Any]) -> None:
    # As many right answers by guessing would be a one in a million event.
    n, right = evaluation["n_test_walks"], evaluation["walks"]["accuracy"]
    assert right * n > binom.isf(1e-6, n, evaluation["chance"]["guessing"])


def test_the_shuffled_control_is_at_chance(evaluation: dict[str, Any]) -> None:
    control = evaluation["control"]
    n = evaluation["n_test_walks"]
    assert control["walk_accuracy"] * n <= binom.isf(1e-3, n, evaluation["chance"]["guessing"])
    assert control["walk_accuracy"] < evaluation["walks"]["accuracy"] / 2


def test_no_walk_is_in_two_parts(out: Path) -> None:
    parts = json.loads((out / "run" / "split.json").read_text())["recordings"]
    names = [name for recordings in parts.values() for name in recordings]
    assert len(names) == len(set(names)) == len(list((out / "raw").glob("*.bin")))


def test_identify_agrees_with_the_evaluation(
    evaluation: dict[str, Any], identified: list[dict[str, Any]]
) -> None:
    known = [entry for entry in identified if not entry["recording"].startswith("p12")]
    best = [entry["identification"]["best"] for entry in known]
    right = np.mean([entry["recording"].startswith(name)
                     for entry, name in zip(known, best, strict=True)])
    assert right == pytest.approx(evaluation["walks"]["accuracy"])


def test_the_stranger_is_unknown_more_often_than_not(identified: list[dict[str, Any]]) -> None:
    strangers = [entry["answer"] for entry in identified if entry["recording"].startswith("p12")]
    assert len(strangers) >= 8
    assert strangers.count("unknown") > len(strangers) / 2


def test_the_student_holds_no_face(out: Path) -> None:
    from safetensors import safe_open

    with safe_open(out / "run" / "student.safetensors", "numpy") as file:
        names = list(file.keys())
    assert names
    assert not [n for n in names if any(w in n for w in ("teacher", "composer", "face", "fused"))]


def test_identify_loads_no_face_code(out: Path) -> None:
    walk = next(iter(sorted((out / "raw").glob("p01*.bin"))))
    code = (
        "import sys; from radarid.cli import app;"
        f"app(['identify', {str(walk)!r}, '--run', {str(out / 'run')!r}], standalone_mode=False);"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    faces = {
        "facenet_pytorch", "capture.camera.faces",
        "radarid.learn.teacher", "radarid.learn.face_bank",
    }  # fmt: skip
    assert "radarid.learn.student_file" in loaded
    assert not faces & set(loaded)


def test_ingest_of_the_same_files_again_skips_them(out: Path) -> None:
    files = sorted((out / "raw").glob("p0[12]*.bin"))
    done = radarid("ingest", *files, "--out", out / "gait.h5", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (len(report["done"]), len(report["skipped"])) == (0, len(files))


def test_another_waveform_is_refused_by_name(out: Path) -> None:
    walk = next(iter(sorted((out / "raw").glob("p01*.bin"))))
    steeper = (out / "raw" / "radar.toml").read_text().replace("= 15015", "= 16015")
    changed = out / "changed.toml"
    changed.write_text(steeper)
    done = radarid("identify", walk, "--run", out / "run", "--radar", changed)
    assert done.returncode == 1
    assert "slope_hz_per_s" in done.stderr


def test_pictures_are_there(out: Path) -> None:
    pictures = list((out / "pictures").glob("*.png"))
    assert len(pictures) >= 4
    assert all(picture.stat().st_size < 200_000 for picture in pictures)
    assert (out / "run" / "confusion.png").is_file()
