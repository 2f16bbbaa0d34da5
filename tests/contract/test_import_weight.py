"""`radarid --help` answers at once: none of the heavy libraries is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "numba", "cv2", "h5py", "scipy", "matplotlib", "facenet_pytorch",
         "serial", "psutil")


def loaded_by(code: str) -> set[str]:
    probe = f"import sys\n{code}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HELP = "from typer.testing import CliRunner; from radarid.cli import app; " \
       "r = CliRunner().invoke(app, {arguments!r}); assert r.exit_code == 0, r.output"


@pytest.mark.parametrize("command", ["", "simulate", "ingest", "train", "evaluate", "identify",
                                     "enroll", "gallery list", "audit",
                                     "plot", "demo", "record", "doctor", "bench", "compare",
                                     "export",
                                     "report"])
def test_help_is_light(command: str) -> None:
    arguments = [*command.split(), "--help"]
    assert not loaded_by(HELP.format(arguments=arguments)) & set(HEAVY)


def test_the_probe_sees_heavy_libraries() -> None:
    assert "h5py" in loaded_by("import h5py")
