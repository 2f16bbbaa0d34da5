"""The live bench runs; what radarid hands on is judged by the numbers inside the packets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benches" / "live_capture.py"


@pytest.mark.skipif(sys.platform != "linux", reason="needs the loopback addresses of Linux")
def test_quick_run(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    command = [sys.executable, str(BENCH), "--quick", "--receivers", "radarid"]
    subprocess.run([*command, "--json", str(report_file)], check=True, timeout=180)
    report = json.loads(report_file.read_text())
    assert [row["receiver"] for row in report["checks"]] == ["radarid"]
    assert report["checks"][0]["bytes_right"]
    assert report["checks"][0]["lost_bytes_exact"]
    rows = report["rates"] + report["stalls"]
    assert len(rows) == 6
    assert all(row["n_wrong"] == 0 for row in rows)
    # Bytes over rate: half a second at 5000 and 20 000 packets/s, in whole frames of 647 packets.
    assert {row["n_packets"] for row in report["rates"]} == {2589, 9706}
