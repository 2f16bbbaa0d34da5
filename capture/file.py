"""Raw ADC files as frames: one byte stream over split files, memory-mapped, losses marked."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from capture.config import RadarConfig
from capture.errors import ConfigError, LayoutError
from capture.inspect import LayoutVerdict, explain_size, identify_layout, refuse_headers
from capture.layouts import default_layout, word_order
from capture.sidecar import Sidecar, read_sidecar
from capture.stream import ByteStream, group_split_files, in_order
from capture.types import AdcFrame, Gap, RecordingInfo

__all__ = ["FileRecording", "RecordingWriter", "group_split_files", "open_recording"]

log = logging.getLogger(__name__)

_SAMPLE_FRAMES, _SAMPLE_CHIRPS = 16, 256


class FileRecording:
    """A recording on disk; a `FrameSource`. Made by `open_recording`.

    Frames are read when they are asked for, and only then; a frame that lies in one file is a
    view of the mapped bytes, so memory use does not grow with the recording.
    """

    def __init__(self, stream: ByteStream, info: RecordingInfo) -> None:
        self._stream = stream
        self.info = info

    def __len__(self) -> int:
        return self._n_frames

    @property
    def _n_frames(self) -> int:
        return self.info.n_frames or 0

    def __iter__(self) -> Iterator[AdcFrame]:
        return self.frames()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[AdcFrame]:
        """Yield frames `start` up to, not including, `stop` (default: the end)."""
        for index in range(*slice(start, stop).indices(self._n_frames)):
            yield self.frame(index)

    def frame(self, index: int) -> AdcFrame:
        """Read one frame.

        Raises
        ------
        IndexError
            There is no frame of this number.
        """
        if not 0 <= index < self._n_frames:
            raise IndexError(f"frame {index} of {self._n_frames}")
        config = self.info.config
        n_words = config.n_chirps * config.words_per_chirp
        words = self._stream.words(index * config.frame_bytes, n_words)
        return AdcFrame(
            config=config,
            layout=self.info.layout,
            index=index,
            time_s=index * config.frame_period_s,
            words=words.reshape(config.n_chirps, config.words_per_chirp),
            valid=_valid_chirps(index, config, self.info.gaps),
        )


def _valid_chirps(index: int, config: RadarConfig, gaps: Iterable[Gap]) -> np.ndarray:
    """Which chirps of a frame lie outside every gap, bool (n_chirps,)."""
    valid = np.ones(config.n_chirps, np.bool_)
    chirp_bytes = 2 * config.words_per_chirp
    first = index * config.n_chirps
    for gap in gaps:
        start = gap.start_byte // chirp_bytes - first
        stop = -(-(gap.start_byte + gap.n_bytes) // chirp_bytes) - first
        valid[max(start, 0) : max(stop, 0)] = False
    return valid


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
    `AdcFrame.valid` what the sidecar lists as lost, `info.trailing_bytes` what follows the
    last whole frame

    Raises
    ------
    LayoutError
        Not a plain DCA1000 file (packet or HSI headers, offset binary), too short for one
        frame, or a content that contradicts the configuration's layout. A layout that is given
        is taken, with a warning when the content contradicts it.
    ConfigError
        A broken sidecar.

    Notes
    -----
    TI's recorders cut files at 1 073 741 760 bytes, inside a chirp of most waveforms; readers
    that start every part anew are misaligned from there on.
    """
    files = in_order(paths)
    stream = ByteStream(files)
    word_order(layout or default_layout(config), config)
    refuse_headers(stream.words(0, min(len(stream) // 2, 4096)), files[0])
    n_frames, trailing = divmod(len(stream), config.frame_bytes)
    suggestions = explain_size(len(stream), config) if trailing else []
    if not n_frames:
        raise LayoutError(
            "the file is too short for one frame",
            where=files[0],
            got=f"{len(stream)} bytes",
            expected=f"frame_bytes = {config.frame_bytes} from the radar configuration",
            remedy="; or ".join(suggestions) or "check that the configuration belongs to the file",
        )
    if trailing:
        hint = f"; the size would fit with {'; or '.join(suggestions)}" if suggestions else ""
        log.warning(
            "%s: %d bytes after the last of %d whole frames are left out%s",
            files[0], trailing, n_frames, hint,
        )  # fmt: skip
    gaps = _gaps(files[0], len(stream))
    verdict = identify_layout(_sample(stream, n_frames, config, gaps), config, files[0])
    info = RecordingInfo(
        name=files[0].stem,
        config=config,
        layout=_settle(layout, verdict, config, files[0]),
        n_frames=n_frames,
        paths=files,
        gaps=gaps,
        trailing_bytes=trailing,
        evidence=_size_evidence(len(stream), n_frames, trailing) | verdict.evidence,
    )
    return FileRecording(stream, info)


def _gaps(first: Path, n_bytes: int) -> tuple[Gap, ...]:
    """The stretches that the recording's sidecar lists as lost."""
    sidecar = Sidecar.path_for(first)
    if not sidecar.is_file():
        return ()
    lost = read_sidecar(sidecar).lost
    for start, length in lost:
        if start < 0 or length <= 0 or start + length > n_bytes:
            raise ConfigError(
                "a lost stretch lies outside the recording",
                where=sidecar,
                got=f"lost = ({start}, {length})",
                expected=f"inside 0 to {n_bytes} bytes",
            )
    return tuple(Gap(start, length, "listed in the sidecar") for start, length in sorted(lost))


def _sample(
    stream: ByteStream, n_frames: int, config: RadarConfig, gaps: tuple[Gap, ...]
) -> np.ndarray:
    """Some received chirps from all over the recording, int16 (n, words_per_chirp)."""
    indices = np.unique(np.linspace(0, n_frames - 1, _SAMPLE_FRAMES).astype(int))
    per_frame = min(config.n_chirps, max(1, _SAMPLE_CHIRPS // len(indices)))
    chirps = []
    for index in indices:
        words = stream.words(int(index) * config.frame_bytes, per_frame * config.words_per_chirp)
        valid = _valid_chirps(int(index), config, gaps)[:per_frame]
        chirps.append(words.reshape(per_frame, -1)[valid])
    return np.concatenate(chirps)


def _settle(layout: str | None, verdict: LayoutVerdict, config: RadarConfig, where: Path) -> str:
    """The layout to read with: the one given, or the configuration's if it can be right."""
    if layout is None:
        verdict.check(default_layout(config), where)
        return default_layout(config)
    if verdict.contradicts(layout):
        log.warning(
            "%s: read as %s as demanded, though it looks like %s", where, layout, verdict.layout
        )
    return layout


def _size_evidence(n_bytes: int, n_frames: int, trailing: int) -> dict[str, str]:
    rest = f", {trailing} bytes left over" if trailing else ", none left over"
    return {"size": f"{n_bytes} bytes are {n_frames} whole frames{rest}"}


class RecordingWriter:
    """Write frames to a .bin file that appears, complete, when the writer is closed.

    Parameters
    ----------
    path : the file; until it is closed the bytes are in `<path>.part`
    config : waveform and raw format
    layout : word order of the frames; the configuration's by default

    Attributes
    ----------
    lost : (start byte, number of bytes) of the chirps that were not received, for the sidecar

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> radar = RadarConfig(n_samples=2, rx_mask=1, n_loops=1)
    >>> path = Path(tempfile.mkdtemp()) / "walk.bin"
    >>> with RecordingWriter(path, radar) as writer:
    ...     writer.write(np.array([[1, 2, 3, 4]], np.int16))
    >>> path.read_bytes().hex()
    '0100020003000400'
    """

    def __init__(self, path: Path, config: RadarConfig, layout: str | None = None) -> None:
        self.path, self.config = Path(path), config
        self.layout = layout or default_layout(config)
        word_order(self.layout, config)
        self._part = self.path.with_name(self.path.name + ".part")
        self._file = self._part.open("wb")
        self._n_frames = 0
        self._lost: list[tuple[int, int]] = []

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        """Stretches of the stream that hold zeros because nothing was received."""
        return tuple(self._lost)

    def write(self, frame: AdcFrame | np.ndarray) -> None:
        """Append a frame.

        Parameters
        ----------
        frame : an `AdcFrame`, whose invalid chirps, and the frames missing before it, are
            written as zeros and listed in `lost`; or int16 words (n_chirps, words_per_chirp)

        Raises
        ------
        LayoutError
            Other layout, shape or type, or a frame that comes out of order.
        """
        if isinstance(frame, np.ndarray):
            self._append(frame)
            return
        if frame.layout != self.layout or frame.index < self._n_frames:
            raise LayoutError(
                "this frame does not continue the recording",
                where=self.path,
                got=f"frame {frame.index} in {frame.layout}",
                expected=f"frame {self._n_frames} or later in {self.layout}",
            )
        missing = frame.index - self._n_frames
        if missing:
            self._mark_lost(
                self._n_frames * self.config.frame_bytes, missing * self.config.frame_bytes
            )
        for _ in range(missing):
            self._append(np.zeros_like(frame.words))
        start, chirp_bytes = (
            self._n_frames * self.config.frame_bytes,
            2 * self.config.words_per_chirp,
        )
        for chirp in np.flatnonzero(~frame.valid):
            self._mark_lost(start + int(chirp) * chirp_bytes, chirp_bytes)
        self._append(np.where(frame.valid[:, None], frame.words, np.int16(0)))

    def _append(self, words: np.ndarray) -> None:
        shape = (self.config.n_chirps, self.config.words_per_chirp)
        if words.shape != shape or words.dtype != np.int16:
            raise LayoutError(
                "these are not the words of one frame",
                where=self.path,
                got=f"{words.dtype} {words.shape}",
                expected=f"int16 {shape}",
            )
        self._file.write(np.ascontiguousarray(words, "<i2").tobytes())
        self._n_frames += 1

    def _mark_lost(self, start: int, n_bytes: int) -> None:
        if self._lost and sum(self._lost[-1]) == start:
            start, n_bytes = self._lost[-1][0], self._lost.pop()[1] + n_bytes
        self._lost.append((start, n_bytes))

    def close(self) -> None:
        """Put the complete file in its place."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)

    def discard(self) -> None:
        """Throw away what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
