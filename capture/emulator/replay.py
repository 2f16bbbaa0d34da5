"""A recording as the endless or ending stream of bytes that the radar's lanes carried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from capture.config import RadarConfig
from capture.emulator.faults import FaultParams, PacketPlan
from capture.errors import LayoutError
from capture.file.packets import PacketStream, has_packet_headers
from capture.file.sidecar import Sidecar, read_sidecar
from capture.file.stream import ByteStream, PayloadStream, in_order


class Replay:
    """The payload of a recording, once or again and again.

    Parameters
    ----------
    paths : the file, or all parts of a split recording; packet headers are taken off
    config : waveform and raw format; in a loop only whole frames are repeated
    loop : start over at the end

    Attributes
    ----------
    n_bytes : length of the stream; None in a loop

    Raises
    ------
    LayoutError
        A file cannot be read, or holds less than one frame.
    """

    def __init__(
        self, paths: Path | str | Sequence[Path | str], config: RadarConfig, *, loop: bool
    ) -> None:
        files = in_order(paths)
        stream: PayloadStream = ByteStream(files)
        if has_packet_headers(stream.words(0, min(len(stream) // 2, 4096))):
            stream = PacketStream(ByteStream(files))
        self._stream, self._config = stream, config
        n_frames = len(stream) // config.stored_frame_bytes
        if not n_frames:
            raise LayoutError(
                "the recording is too short for one frame",
                where=files[0],
                got=f"{len(stream)} bytes",
                expected=f"stored_frame_bytes = {config.stored_frame_bytes}",
                remedy="check that the radar configuration belongs to the recording",
            )
        self._cycle = n_frames * config.stored_frame_bytes if loop else len(stream) // 2 * 2
        self.n_bytes = None if loop else self._cycle
        sidecar = Sidecar.path_for(files[0])
        lost = read_sidecar(sidecar).lost if sidecar.is_file() else ()
        holes = [*lost, *((gap.start_byte, gap.n_bytes) for gap in stream.gaps)]
        self._gaps = _merged((start, start + length) for start, length in holes)

    def plan(self, faults: FaultParams) -> PacketPlan:
        """How the stream is cut into packets; those lost when it was recorded are never sent."""
        return PacketPlan(
            self.n_bytes, self._config.stored_frame_bytes, faults.restart_after, self._gaps,
            self._cycle,
        )  # fmt: skip

    def read(self, start: int, n_bytes: int) -> np.ndarray:
        """`n_bytes` of the stream from byte `start` on (both even), uint8."""
        parts = []
        while n_bytes:
            place = start % self._cycle
            n = min(n_bytes, self._cycle - place)
            parts.append(np.ascontiguousarray(self._stream.words(place, n // 2), "<i2"))
            start, n_bytes = start + n, n_bytes - n
        return np.concatenate(parts).view(np.uint8)


def _merged(holes: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Stretches joined where they touch or overlap, ascending."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(holes):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)
