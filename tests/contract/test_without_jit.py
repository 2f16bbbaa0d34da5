"""The kernels' tests pass as plain Python, too: nothing rests on what the compiler lets through."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
KERNEL_TESTS = ("unit/test_dsp_kernels.py", "physics/test_synthesis.py")


def test_kernels_pass_without_the_compiler() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(str(TESTS / name) for name in KERNEL_TESTS)],
        cwd=TESTS.parent, env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
