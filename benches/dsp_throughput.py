"""The throughput of the signal processing; the same as `radarid bench`.

    python benches/dsp_throughput.py [--quick] [--seconds 4] [--rounds 7] [--json out.json]

What is measured, and how, says `radarid.bench`.
"""

from __future__ import annotations

import typer

from radarid.cli.bench import bench

if __name__ == "__main__":
    typer.run(bench)
