"""A loss in another package: found by entry point, listed, trained with, and gone when it is gone.

`tests/plugin_example/` is the package. It is put on the path of a process as an installer would
leave it: its modules, and a dist-info folder with the entry points of its pyproject.toml.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from safetensors import safe_open
from toy_store import make_store
from typer.testing import CliRunner

from radarid.cli import app
from radarid.cli.losses_table import describe
from radarid.errors import TrainError
from radarid.learn.losses import build_loss, registered

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `pip install --target` makes it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    folder = tmp_path_factory.mktemp("site")
    for package in EXAMPLE.glob("*/__init__.py"):
        (folder / package.parent.name).symlink_to(package.parent)
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from radarid.cli import main; main()"
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip


def test_an_installed_plug_in_is_listed_and_others_stay(site: Path) -> None:
    done = run(site, "train", "--list-losses", "--json")
    assert done.returncode == 0, done.stderr
    after = {loss["name"]: loss for loss in json.loads(done.stdout)}
    assert set(after) == set(registered()) | {"confidence_penalty"}
    mine = after["confidence_penalty"]
    assert mine["package"] == "radarid_example_loss"
    assert mine["paper"].startswith("Pereyra")
    assert mine["needs"] == ["student.logits"]
    assert mine["options"] == {"temperature": 1.0}


def test_a_student_is_trained_with_a_plug_in(site: Path, tmp_path: Path) -> None:
    store, out = make_store(tmp_path / "gait.h5", n_walks=4, n_clips=1), tmp_path / "run"
    settings = (
        "model.input.size=32", "optim.n_epochs=1", "optim.batch_size=8",
        "extra_losses.confidence_penalty.weight=0.1",
        "extra_losses.confidence_penalty.options.temperature=2.0",
    )  # fmt: skip
    changes = [part for setting in settings for part in ("--set", setting)]
    done = run(site, "train", "baseline", "--store", str(store), "--out", str(out), *changes)
    assert done.returncode == 0, done.stderr
    first = json.loads((out / "metrics.jsonl").read_text().splitlines()[0])
    penalty = first["losses"]["confidence_penalty"]
    assert -1.1 < penalty < 0  # at most ln 3 of entropy for three people
    with safe_open(out / "student.safetensors", "numpy") as student:
        assert not [name for name in student.keys() if "gain" in name]  # noqa: SIM118


def test_without_the_package_its_loss_is_unknown() -> None:
    with pytest.raises(TrainError, match="no loss of this name"):
        build_loss("confidence_penalty")


def test_every_loss_of_ours_is_described() -> None:
    for name, cls in registered().items():
        facts = describe(name, cls)
        assert facts["what"].endswith(".")
        assert facts["needs"]
        assert facts["package"] == "radarid"


def test_the_listing_names_needs_options_and_what_to_write() -> None:
    done = CliRunner().invoke(app, ["train", "--list-losses"])
    assert done.exit_code == 0
    text = done.stdout
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("rkd "))
    assert "RKD, Section 3.2" in lines[start]
    assert "student.embedding, teacher.embedding" in lines[start + 1]
    assert "distance_weight = 25.0, angle_weight = 50.0" in lines[start + 2]
    assert "extra_losses" in text
    assert all(f"\n{name}  " in f"\n{text}" for name in registered())
    assert "plug-in" not in text
