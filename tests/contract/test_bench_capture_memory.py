"""The memory bench runs, and finds that ten times the capture takes no more memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benches" / "capture_memory.py"


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="measures with Linux's /proc")
def test_memory_does_not_grow_with_the_capture(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH), "--gib", "0.02", "0.2", "--json", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    report = json.loads(done.stdout)
    # 0.2 GiB are 227 frames of 942 080 bytes.
    assert [(row["kind"], row["n_frames"]) for row in report["rows"]] == [
        ("plain", 22), ("plain", 227), ("packets", 22), ("packets", 227),
    ]  # fmt: skip
    assert report["is_flat"], report
    assert done.returncode == 0
