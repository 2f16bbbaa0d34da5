"""`radarid enroll --live`: a walk is received, templates are made of it, and it is forgotten."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radarid.cli.link import link_to

if TYPE_CHECKING:
    from capture.config import RadarConfig


@dataclass(frozen=True, kw_only=True)
class LiveWalk:
    """How a walk is received.

    Attributes
    ----------
    seconds : length
    radar : name or file of the configuration; None for the student's
    serial, host, dca, config_port, data_port, passive : wiring
    """

    seconds: float
    radar: str | None = None
    serial: str | None = None
    host: str | None = None
    dca: str | None = None
    config_port: int = 4096
    data_port: int = 4098
    passive: bool = False


@contextmanager
def received(walk: LiveWalk, default: RadarConfig, name: str) -> Iterator[list[Path]]:
    """Receive a walk into a folder that only this user can read, and that is gone afterwards.

    Raises
    ------
    LinkError
        Board or radar do not answer.
    RecordError
        Nothing was received.
    """
    from capture.file.sidecar import Sidecar
    from capture.formats.load import load_radar_config
    from radarid.config import find
    from radarid.live.recording import Plan, run

    path = find("radar", walk.radar) if walk.radar else None
    config = load_radar_config(path) if path else default
    with tempfile.TemporaryDirectory(prefix="radarid-enroll-") as folder:
        report = run(Plan(
            out=Path(folder) / "walk",
            config=config,
            link=link_to(walk.host, walk.dca, config_port=walk.config_port,
                         data_port=walk.data_port),
            n_frames=max(1, round(walk.seconds / config.frame_period_s)),
            cfg=path if path and path.suffix == ".cfg" else None,
            serial_port=walk.serial,
            receive_only=walk.passive,
            sidecar=Sidecar(subject=name),
        ))  # fmt: skip
        yield list(report.files)
