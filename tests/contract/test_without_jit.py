"""The kernels' tests pass as plain Python and on lesser machines, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
KERNEL_TESTS = ("unit/test_dsp_kernels.py", "unit/test_gating.py", "physics/test_synthesis.py")


def run(names: tuple[str, ...], **environment: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(str(TESTS / name) for name in names)],
        cwd=TESTS.parent, env=os.environ | environment, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_kernels_pass_without_the_compiler() -> None:
    run(KERNEL_TESTS, NUMBA_DISABLE_JIT="1")


@pytest.mark.parametrize("features", ["+avx,+avx2,+fma", "+sse,+sse2"])
def test_vector_kernels_pass_with_fewer_lanes(features: str) -> None:
    """Eight lanes, and four without a fused multiply-add."""
    run(("unit/test_dsp_vector_kernels.py",), NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=features)
