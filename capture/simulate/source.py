"""`SimulatedRecording`: a walk as the radar would have recorded it, frame by frame on demand."""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.config import RadarConfig
from capture.errors import ConfigError, SimulationError
from capture.file.recording import RecordingWriter
from capture.file.sidecar import Sidecar, write_sidecar
from capture.formats.load import load_radar_config, write_cfg
from capture.layouts import default_layout, encode
from capture.schema import differing_keys, write_toml
from capture.simulate.motion import BodyMotion, stride_hz
from capture.simulate.scatterers import Scatterers, body_scatterers
from capture.simulate.scene import Scene, clutter, place
from capture.simulate.synthesis import beat_signal
from capture.simulate.truth import Truth, segment_motion, write_truth
from capture.types import AdcFrame, RecordingInfo

log = logging.getLogger(__name__)
RADAR_FILE = "radar.toml"


class SimulatedRecording:
    """A walk in a room as raw ADC words; a `FrameSource`.

    Every frame follows from the arguments and its index alone: the order in which frames are
    asked for, and the number of threads, change nothing.

    Parameters
    ----------
    config : waveform and raw format
    motion : walker-local motion; the recording lasts as long as it does (whole frames)
    scene : the room, the walked line, noise and level
    seed : of the receiver's noise
    name : what to call the recording; the stem of its files
    sidecar : who walks, when
    traits : what made the walker, plain JSON values, goes into the truth file
    n_threads : frames computed at the same time while iterating

    Raises
    ------
    SimulationError
        The walk is shorter than one frame, or comes too near to the radar.
    """

    def __init__(
        self,
        config: RadarConfig,
        motion: BodyMotion,
        scene: Scene,
        *,
        seed: int = 0,
        name: str = "simulated",
        sidecar: Sidecar | None = None,
        traits: dict[str, Any] | None = None,
        n_threads: int = 2,
    ) -> None:
        self.config, self.motion, self.scene, self.seed = config, motion, scene, seed
        self.name, self.traits, self.n_threads = name, traits or {}, n_threads
        self.sidecar = sidecar or Sidecar()
        self.layout = default_layout(config)
        last_chirp_s = float(config.chirp_start_s[-1])
        n_frames = int(np.floor((motion.duration_s - last_chirp_s) / config.frame_period_s)) + 1
        self.n_frames = min(n_frames, config.n_frames) if config.n_frames else n_frames
        if n_frames < 1:
            raise SimulationError(
                "the walk is shorter than one frame", where=name, got=f"{motion.duration_s:.3f} s",
                expected=f"more than {last_chirp_s:.3f} s",
            )

    # -- FrameSource ------------------------------------------------------------------------
    @property
    def info(self) -> RecordingInfo:
        """What is known before the first frame."""
        return RecordingInfo(
            name=self.name,
            config=self.config,
            layout=self.layout,
            n_frames=self.n_frames,
            evidence={"layout": "chosen by the simulator"},
        )

    def __len__(self) -> int:
        return self.n_frames

    def __iter__(self) -> Iterator[AdcFrame]:
        return self.frames()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[AdcFrame]:
        """Yield frames `start` to `stop` (exclusive) in order, computed ahead by a few threads."""
        wanted = range(self.n_frames)[start:stop]
        pending: deque[Future[AdcFrame]] = deque()
        with ThreadPoolExecutor(self.n_threads) as pool:
            for index in wanted:
                pending.append(pool.submit(self.frame, index))
                if len(pending) > 2 * self.n_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def frame(self, index: int) -> AdcFrame:
        """Compute one frame.

        Raises
        ------
        SimulationError
            There is no such frame.
        """
        if not 0 <= index < self.n_frames:
            raise SimulationError(
                "no such frame", where=self.name, got=index, expected=f"0 to {self.n_frames - 1}"
            )
        full_scale = 2 ** (self.config.adc_bits - 1)
        signal = self.beat(index)
        signal += np.complex64(full_scale * self.scene.dc_offset)
        signal += self._noise(index, full_scale * self.scene.noise_rms)
        samples = signal if self.config.is_complex else signal.real
        return AdcFrame(
            config=self.config,
            layout=self.layout,
            index=index,
            time_s=index * self.config.frame_period_s,
            words=encode(samples, self.layout, self.config),
            valid=np.ones(self.config.n_chirps, np.bool_),
        )

    def beat(self, index: int) -> NDArray[np.complex64]:
        """Beat signal of frame `index` without noise, offset and quantisation.

        Returns
        -------
        complex64 array, shape (n_chirps, n_rx, n_samples), in ADC steps
        """
        time_s = self._start_s + index * self.config.frame_period_s + self.config.chirp_start_s
        body = beat_signal(
            self.config,
            self.scatterers.position_at(time_s),
            self.scatterers.rcs_at(time_s),
            self.scene.radar_position_m,
        )
        loops = body.reshape(self.config.n_loops, *self._still.shape)
        loops += self._still
        body *= np.float32(2 ** (self.config.adc_bits - 1) * self.scene.gain)
        return body

    def _noise(self, index: int, rms: float) -> NDArray[np.complex64]:
        rng = np.random.default_rng([self.seed, index])
        shape = (self.config.n_chirps, self.config.n_rx, self.config.n_samples, 2)
        parts = rng.standard_normal(shape, np.float32)
        parts *= np.float32(rms / np.sqrt(2))
        return parts.view(np.complex64)[..., 0]

    @property
    def _start_s(self) -> float:
        return float(self.motion.time_s[0])

    @cached_property
    def placed(self) -> BodyMotion:
        """The motion in room coordinates."""
        return place(self.motion, self.scene)

    @cached_property
    def scatterers(self) -> Scatterers:
        """The body's point scatterers in the room."""
        return body_scatterers(self.placed, self.scene.radar_position_m)

    @cached_property
    def _still(self) -> NDArray[np.complex64]:
        """Signal of everything that stands still, one loop: it is the same in every loop."""
        position_m, rcs_m2 = clutter(self.scene)
        n_kinds = len(self.config.chirps)
        return beat_signal(
            self.config,
            np.tile(position_m, (n_kinds, 1, 1)),
            np.tile(rcs_m2, (n_kinds, 1)),
            self.scene.radar_position_m,
        )

    # -- files ------------------------------------------------------------------------------
    def truth(self) -> Truth:
        """What a perfect processing would find, at the start of every frame."""
        time_s = np.arange(self.n_frames, dtype=np.float64) * self.config.frame_period_s
        names, range_m, speed = segment_motion(
            self.scatterers, self.scene.radar_position_m, self._start_s + time_s
        )
        return Truth(
            time_s=time_s,
            names=names,
            range_m=range_m,
            radial_velocity_mps=speed,
            stride_hz=_stride_hz_or_nan(self.motion),
            mean_speed_mps=self.motion.mean_speed_mps,
            traits=self.traits,
        )

    def save(self, folder: Path, *, camera: str | None = None) -> tuple[Path, ...]:
        """Write `<name>.bin`, its sidecar and truth, and the radar's configuration beside it.

        Parameters
        ----------
        folder : made if missing; one radar configuration serves all recordings in it
        camera : file name of the camera stream, which starts with the walk, for the sidecar

        Returns
        -------
        Paths of the .bin, sidecar and truth files

        Raises
        ------
        ConfigError
            The folder belongs to another radar configuration.
        """
        write_radar(folder, self.config)
        path = folder / f"{self.name}.bin"
        with RecordingWriter(path, self.config, self.layout) as writer:
            for frame in self:
                writer.write(frame)
        offset_s = None if camera is None else 0.0
        sidecar = dataclasses.replace(
            self.sidecar, radar=RADAR_FILE, camera=camera, camera_offset_s=offset_s
        )
        write_sidecar(Sidecar.path_for(path), sidecar)
        write_truth(Truth.path_for(path), self.truth())
        return path, Sidecar.path_for(path), Truth.path_for(path)


def _stride_hz_or_nan(motion: BodyMotion) -> float:
    try:
        return stride_hz(motion)
    except SimulationError:
        return float("nan")


def write_radar(folder: Path, config: RadarConfig) -> None:
    """Write a folder's configuration twice: exactly (TOML), and as the radar is given it (.cfg).

    Raises
    ------
    ConfigError
        The folder holds recordings of another configuration; the differing keys are named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RADAR_FILE
    if path.exists():
        other = load_radar_config(path)
        if other != config:
            raise ConfigError(
                "the folder holds recordings of another radar configuration", where=path,
                got="; ".join(differing_keys(config, other)), remedy="write to another folder",
            )
        return
    write_toml(path, config)
    try:
        write_cfg(path.with_suffix(".cfg"), config)
    except ConfigError as failure:
        log.warning("no .cfg beside the recordings: %s", failure)
