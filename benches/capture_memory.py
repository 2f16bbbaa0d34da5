"""Peak memory and speed of reading captures of several lengths, frame by frame.

    python benches/capture_memory.py [--gib 0.1 1 4.5] [--json]

Every capture is read in a process of its own, which opens it, takes each frame once and reports
its largest resident set (VmHWM; it counts mapped pages, of which the reader has none). Plain
captures are sparse files in parts like TI's; those with packet headers are written out, since
every page of them holds a header. Memory is flat if no row needs more than the shortest of its kind
by over a tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from capture.config import RadarConfig
from capture.file.recording import open_recording

PART_BYTES, PAYLOAD_BYTES, RECORD_BYTES = 1_073_741_760, 1456, 1470


def plain(folder: Path, n_bytes: int) -> None:
    """Sparse parts of a capture."""
    for part, start in enumerate(range(0, n_bytes, PART_BYTES)):
        path = folder / f"adc_data_Raw_{part}.bin"
        path.touch()
        os.truncate(path, min(PART_BYTES, n_bytes - start))


def packets(folder: Path, n_bytes: int) -> None:
    """Parts of a capture of as many payload bytes, with the headers of its packets."""
    block, written, part = 8192, 0, 0
    dtype = np.dtype([("sequence", "<u4"), ("length", "<u4"), ("low", "<u4"), ("high", "<u2"),
                      ("payload", "u1", PAYLOAD_BYTES)])  # fmt: skip
    records = np.zeros(block, dtype)
    records["length"] = PAYLOAD_BYTES
    file = (folder / "adc_data_Raw_0.bin").open("wb")
    for first in range(0, n_bytes // PAYLOAD_BYTES, block):
        number = np.arange(first, min(first + block, n_bytes // PAYLOAD_BYTES))
        records["sequence"][: len(number)] = number + 1
        records["low"][: len(number)] = (number * PAYLOAD_BYTES) & 0xFFFFFFFF
        records["high"][: len(number)] = number * PAYLOAD_BYTES >> 32
        raw = records[: len(number)].tobytes()
        room = (part + 1) * PART_BYTES - written
        file.write(raw[:room])
        if len(raw) > room:
            file.close()
            part += 1
            file = (folder / f"adc_data_Raw_{part}.bin").open("wb")
            file.write(raw[room:])
        written += len(raw)
    file.close()


def measure(folder: Path) -> dict[str, float]:
    """Read every frame of a capture in this process."""
    config = RadarConfig()
    paths = sorted(folder.glob("*.bin"))
    begin_s = time.perf_counter()
    recording = open_recording(paths, config, "IIQQ")
    opened_s = time.perf_counter() - begin_s
    n_valid = sum(int(frame.valid.sum()) for frame in recording)
    read_s = time.perf_counter() - begin_s - opened_s
    if n_valid != len(recording) * config.n_chirps:
        raise SystemExit(f"{n_valid} valid chirps in {len(recording)} frames")
    return {
        "n_frames": len(recording), "peak_mib": _peak_bytes() / 2**20, "open_s": opened_s,
        "gigabytes_per_s": len(recording) * config.frame_bytes / read_s / 1e9,
    }  # fmt: skip


def _peak_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("needs Linux: no VmHWM in /proc/self/status")


def run(sizes_gib: list[float], folder: Path | None) -> list[dict[str, float | str]]:
    """One row a kind and length."""
    rows: list[dict[str, float | str]] = []
    for kind, make in (("plain", plain), ("packets", packets)):
        for gib in sizes_gib:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                make(Path(place), int(gib * 2**30))
                command = [sys.executable, __file__, "--measure", place]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                rows.append({"kind": kind, "gib": gib, **json.loads(done.stdout)})
    return rows


def main() -> None:
    """Print a row for each kind and length; exit 1 when memory grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, nargs="+", default=[0.1, 1.0, 4.5])
    parser.add_argument("--folder", type=Path, help="where to write the captures")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    rows = run(options.gib, options.folder)
    peaks = {
        kind: [r["peak_mib"] for r in rows if r["kind"] == kind] for kind in ("plain", "packets")
    }
    is_flat = all(max(peak) <= 1.1 * min(peak) for peak in peaks.values())
    if options.json:
        print(json.dumps({"rows": rows, "is_flat": is_flat}, indent=2))
    else:
        print("kind       GiB  frames  peak MiB  open s   GB/s")
        for row in rows:
            print("{kind:8} {gib:5.1f} {n_frames:7} {peak_mib:9.1f} {open_s:7.2f} "
                  "{gigabytes_per_s:6.2f}".format(**row))  # fmt: skip
        print("memory is", "flat" if is_flat else "NOT flat", "in the length of the capture")
    sys.exit(0 if is_flat else 1)


if __name__ == "__main__":
    main()
