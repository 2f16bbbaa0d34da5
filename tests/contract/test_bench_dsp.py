"""The throughput bench runs, and its contenders agree before they are timed."""

from __future__ import annotations

import runpy
from pathlib import Path

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "benches" / "dsp_throughput.py"))


def test_quick_run(tmp_path: Path) -> None:
    report = BENCH["compare"](tmp_path / "walk.bin", 0.5, 1)
    assert set(report["contenders"]) == set(BENCH["CONTENDERS"])
    assert max(report["disagreement_db"].values()) <= 0.05
    assert report["contenders"]["radarid"]["radarid_is_faster_by"] == 1
    assert {"cpu", "numpy", "scipy", "numba", "radar", "dsp"} <= set(report["environment"])


def test_disagreement_is_seen() -> None:
    import numpy as np

    image = np.random.default_rng(0).uniform(-40, 0, (256, 256))
    assert BENCH["disagreement_db"](image, image + 12) < 1e-9  # a scale is no disagreement
    assert BENCH["disagreement_db"](image, image[::-1]) > 1
