"""Raw ADC files as frames: one byte stream over split files, losses marked."""

from __future__ import annotations

import dataclasses
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from capture.config import RadarConfig
from capture.errors import ConfigError, LayoutError
from capture.file.framing import adc_frame, has_hsi_headers, valid_chirps
from capture.file.hsi import intact_headers, read_header
from capture.file.packets import PacketStream, has_packet_headers
from capture.file.sidecar import Sidecar, read_sidecar
from capture.file.stream import ByteStream, PayloadStream, group_split_files, in_order
from capture.file.writer import RecordingWriter
from capture.inspect.layout import LayoutVerdict, identify_layout
from capture.inspect.size import explain_size
from capture.inspect.structure import MAX_WORDS
from capture.layouts import default_layout, word_order
from capture.types import AdcFrame, Gap, RecordingInfo

__all__ = ["FileRecording", "RecordingWriter", "group_split_files", "open_recording"]

log = logging.getLogger(__name__)

_SAMPLE_FRAMES, _SAMPLE_SPECTRA = 16, 256
_PUT_IN_ORDER = {"IIQQ": "IQIQ", "QQII": "QIQI"}


class FileRecording:
    """A recording on disk; a `FrameSource`. Made by `open_recording`.

    Frames are read when they are asked for, and only then, and nothing of them is kept: memory
    use does not grow with the recording.
    """

    def __init__(self, stream: PayloadStream, info: RecordingInfo) -> None:
        self._stream = stream
        self.info = info
        self._lost = _Lost(info.gaps)

    def __len__(self) -> int:
        return self.info.n_frames or 0

    def __iter__(self) -> Iterator[AdcFrame]:
        return self.frames()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[AdcFrame]:
        """Yield frames `start` up to, not including, `stop` (default: the end)."""
        for index in range(*slice(start, stop).indices(len(self))):
            yield self.frame(index)

    def frame(self, index: int) -> AdcFrame:
        """Read one frame.

        Raises
        ------
        IndexError
            There is no frame of this number.
        LayoutError
            A file can no longer be read, or has shrunk.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        return _read_frame(self._stream, index, self._lost, self.info.config, self.info.layout)


    def place_of(self, start: int, stop: int) -> tuple[int, int] | None:
        """Open file and byte in it where the chirps of some frames lie, one after the other.

        None where something else lies between them (headers, another subframe, blocks of chirps,
        the end of a part of a split recording). Reading there is up to the caller: with `pread`.
        """
        config = self.info.config
        if (
            not isinstance(self._stream, ByteStream)
            or config.stored_frame_bytes != config.frame_bytes
            or config.block_chirps > 1
        ):
            return None
        n_bytes = config.frame_bytes
        return self._stream.file_at(start * n_bytes, (stop - start) * n_bytes)

    def valid(self, start: int, stop: int) -> np.ndarray:
        """Which chirps of some frames were received, bool ((stop - start) * n_chirps,).

        Damaged HSI headers are not looked at.
        """
        config = self.info.config
        n_bytes = config.stored_frame_bytes
        if not self._lost.within(start * n_bytes, (stop - start) * n_bytes):
            return np.ones((stop - start) * config.n_chirps, np.bool_)
        return np.concatenate([
            valid_chirps(self._lost.within(index * n_bytes, n_bytes), config)
            for index in range(start, stop)
        ])  # fmt: skip


class _Lost:
    """Gaps, for the question which of them touch a stretch of the stream."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        spans: list[list[int]] = []
        for start, stop in sorted((gap.start_byte, gap.start_byte + gap.n_bytes) for gap in gaps):
            if spans and start <= spans[-1][1]:
                spans[-1][1] = max(stop, spans[-1][1])
            else:
                spans.append([start, stop])
        self._starts = [start for start, _ in spans]
        self._stops = [stop for _, stop in spans]

    def within(self, start: int, n_bytes: int) -> list[tuple[int, int]]:
        """(start, stop) of what is lost of `n_bytes` from byte `start` on, counted from there."""
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, start + n_bytes)
        pairs = zip(self._starts[first:last], self._stops[first:last], strict=True)
        return [(begin - start, end - start) for begin, end in pairs]


def _read_frame(
    stream: PayloadStream, index: int, lost: _Lost, config: RadarConfig, layout: str
) -> AdcFrame:
    start, n_bytes = index * config.stored_frame_bytes, config.stored_frame_bytes
    stored = stream.words(start, n_bytes // 2)
    return adc_frame(stored, lost.within(start, n_bytes), config, layout, index)


def open_recording(
    paths: Path | str | Sequence[Path | str], config: RadarConfig, layout: str | None = None
) -> FileRecording:
    """Open a recorded .bin file, or the parts of a split one, as frames.

    Parameters
    ----------
    paths : the file, or all parts of one recording in any order; parts are joined by the number
        at the end of their names (`_0`, `_1`, .. `_10`) and may be cut anywhere
    config : waveform and raw format
    layout : word order; None takes the configuration's and checks it against the content

    Returns
    -------
    FileRecording; `info.evidence` says what the layout rests on, `info.gaps` and
    `AdcFrame.valid` what was lost (packets that the file lacks, stretches that the sidecar
    lists, and for a recording that broke off what lies behind its last note),
    `info.trailing_bytes` what follows the last whole frame

    Raises
    ------
    LayoutError
        Not a DCA1000 file (offset binary), damaged packet headers, HSI headers where the
        configuration has none or the other way round, too short for one frame, or a content that
        contradicts the configuration's layout. A layout that is given is taken, with a warning
        when the content contradicts it.
    ConfigError
        A broken sidecar.

    Notes
    -----
    TI's recorders cut files at 1 073 741 760 bytes, inside a chirp of most waveforms; readers
    that start every part anew are misaligned from there on. Files with the 14-byte headers of
    packets (`capture.file.packets`) and with HSI headers (`capture.file.hsi`) are read as such; the
    latter's alignment is taken from the file.
    """
    files = in_order(paths)
    stream, evidence = _open_stream(files)
    word_order(layout or default_layout(config), config)
    config, natural = _settle_headers(stream, config, files[0])
    n_frames, trailing = divmod(len(stream), config.stored_frame_bytes)
    _check_size(stream, config, files[0])
    gaps = tuple(sorted((*stream.gaps, *_gaps(files[0], len(stream))), key=lambda g: g.start_byte))
    verdict = identify_layout(_sample(stream, n_frames, config, gaps), config, files[0])
    info = RecordingInfo(
        name=files[0].stem,
        config=config,
        layout=_settle(layout, natural, verdict, files[0]),
        n_frames=n_frames,
        paths=files,
        gaps=gaps,
        trailing_bytes=trailing,
        evidence=evidence | _size_evidence(len(stream), n_frames, trailing) | verdict.evidence,
    )
    return FileRecording(stream, info)


def _open_stream(files: Sequence[Path]) -> tuple[PayloadStream, dict[str, str]]:
    """The payload of some files, and what is known about their packets."""
    stream = ByteStream(files)
    if not has_packet_headers(stream.words(0, min(len(stream) // 2, 16384))):
        return stream, {}
    packets = PacketStream(stream)
    n_lost = sum(gap.n_bytes for gap in packets.gaps)
    return packets, {
        "packets": f"14-byte headers: {packets.n_packets} packets, {n_lost} bytes lost, "
        f"{packets.n_damaged} headers damaged, {packets.n_repeated} bytes repeated"
    }


def _settle_headers(
    stream: PayloadStream, config: RadarConfig, where: Path
) -> tuple[RadarConfig, str]:
    """The configuration with the file's header alignment, and the layout the file should have."""
    first = config.subframe.lead_bytes if config.subframe else 0
    start = stream.words(first, max(0, min((len(stream) - first) // 2, 32)))
    if not config.hsi_header:
        if has_hsi_headers(start):
            raise LayoutError(
                "every chirp has an HSI header, of which the configuration says nothing",
                where=where,
                remedy="set hsi_header = true in the radar configuration (lvdsStreamCfg -1 1 1 0)",
            )
        return config, default_layout(config)
    both = [config] + [
        dataclasses.replace(config, hsi_alignment_bytes=other)
        for other in (16, 256)
        if other != config.hsi_alignment_bytes and config.subframe is None
    ]
    counts = [_n_intact(stream, candidate, first) for candidate in both]
    if not any(counts):
        _refuse_headers(start, config, where)
    settled = both[counts.index(max(counts))]
    header = read_header(start)
    put_in_order = header is not None and header.order == "in order"
    own = default_layout(settled)
    return settled, _PUT_IN_ORDER.get(own, own) if put_in_order else own


def _n_intact(stream: PayloadStream, config: RadarConfig, first: int) -> int:
    """How many of some chirps of the first frame have the header that they should have."""
    stride = config.stored_chirp_bytes
    n_chirps = min(config.n_chirps, max(0, len(stream) - first) // stride)
    chosen = np.unique(np.linspace(0, n_chirps - 1, min(32, n_chirps)).astype(int))
    heads = [stream.words(first + int(k) * stride, 32) for k in chosen]
    return int(intact_headers(np.stack(heads), config).sum()) if heads else 0


def _refuse_headers(start: np.ndarray, config: RadarConfig, where: Path) -> None:
    header = read_header(start)
    if header is None:
        raise LayoutError(
            "no HSI headers, though the configuration says that every chirp has one",
            where=where,
            remedy="set hsi_header = false in the radar configuration (lvdsStreamCfg -1 0 1 0)",
        )
    raise LayoutError(
        "the HSI headers contradict the configuration",
        where=where,
        got="; ".join(header.differences(config)) or "headers with other lengths",
        remedy="check that the configuration belongs to the file; of several streams only the "
        "one with samples (_hdr_0ADC_) can be read",
    )


def _check_size(stream: PayloadStream, config: RadarConfig, where: Path) -> None:
    """Refuse less than a frame; say what is left over."""
    n_bytes = len(stream)
    n_frames, trailing = divmod(n_bytes, config.stored_frame_bytes)
    if not trailing and n_frames:
        return
    words = stream.words(0, min(n_bytes // 2, MAX_WORDS))
    explanation = str(explain_size(n_bytes, config, words))
    if not n_frames:
        raise LayoutError(
            "the file is too short for one frame",
            where=where,
            got=f"{n_bytes} bytes",
            expected=f"frame_bytes = {config.stored_frame_bytes} from the radar configuration",
            remedy=explanation or "check that the configuration belongs to the file",
        )
    log.warning(
        "%s: %d bytes after the last of %d whole frames are left out%s",
        where, trailing, n_frames, f"; {explanation}" if explanation else "",
    )  # fmt: skip


def _gaps(first: Path, n_bytes: int) -> tuple[Gap, ...]:
    """The stretches that the recording's sidecar lists as lost, or knows nothing about."""
    path = Sidecar.path_for(first)
    if not path.is_file():
        return ()
    sidecar = read_sidecar(path)
    live = sidecar.live
    broke_off = live is not None and not live.complete
    gaps = []
    for start, length in sorted(sidecar.lost):
        if start < 0 or length <= 0 or (start + length > n_bytes and not broke_off):
            raise ConfigError(
                "a lost stretch lies outside the recording",
                where=path,
                got=f"lost = ({start}, {length})",
                expected=f"inside 0 to {n_bytes} bytes",
            )
        gaps.append(Gap(start, length, "listed in the sidecar"))
    if live is not None and broke_off and live.n_bytes < n_bytes:
        log.warning("%s: the recording broke off; its last bytes count as lost", first)
        gaps.append(Gap(live.n_bytes, n_bytes - live.n_bytes, "written as the recording broke off"))
    return tuple(gaps)


def _sample(
    stream: PayloadStream, n_frames: int, config: RadarConfig, gaps: tuple[Gap, ...]
) -> np.ndarray:
    """Some received chirps from all over the recording, int16 (n, words_per_chirp)."""
    indices = np.unique(np.linspace(0, n_frames - 1, _SAMPLE_FRAMES).astype(int))
    n_chirps = -(-_SAMPLE_SPECTRA // config.n_rx)
    per_frame = min(config.n_chirps, max(1, n_chirps // len(indices)))
    begun = config
    if config.subframe is None and config.block_chirps == 1:  # a frame begins with its first chirps
        begun = dataclasses.replace(config, n_loops=-(-per_frame // len(config.chirps)))
    lost = _Lost(gaps)
    chirps = []
    for index in indices:
        start, n_bytes = int(index) * config.stored_frame_bytes, begun.stored_frame_bytes
        stored = stream.words(start, n_bytes // 2)
        frame = adc_frame(stored, lost.within(start, n_bytes), begun, "", int(index))
        chirps.append(frame.words[:per_frame][frame.valid[:per_frame]])
    return np.concatenate(chirps)


def _settle(layout: str | None, natural: str, verdict: LayoutVerdict, where: Path) -> str:
    """The layout to read with: the one given, or the natural one if it can be right."""
    if layout is None:
        verdict.check(natural, where)
        return natural
    if verdict.contradicts(layout):
        log.warning(
            "%s: read as %s as demanded, though it looks like %s", where, layout, verdict.layout
        )
    return layout


def _size_evidence(n_bytes: int, n_frames: int, trailing: int) -> dict[str, str]:
    rest = f", {trailing} bytes left over" if trailing else ", none left over"
    return {"size": f"{n_bytes} bytes are {n_frames} whole frames{rest}"}
