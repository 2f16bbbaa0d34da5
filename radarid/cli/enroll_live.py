"""`radarid enroll --live`: a walk is received, templates are made of it, and it is forgotten."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from radarid.cli.link import link_to

if TYPE_CHECKING:
    from capture.config import RadarConfig
    from radarid.cli.identify_live import LiveOptions


@contextmanager
def received(
    wiring: LiveOptions, seconds: float, default: RadarConfig, name: str
) -> Iterator[list[Path]]:
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

    path = find("radar", wiring.radar) if wiring.radar else None
    config = load_radar_config(path) if path else default
    with tempfile.TemporaryDirectory(prefix="radarid-enroll-") as folder:
        report = run(Plan(
            out=Path(folder) / "walk",
            config=config,
            link=link_to(wiring.interface, wiring.dca, config_port=wiring.config_port,
                         data_port=wiring.data_port),
            n_frames=max(1, round(seconds / config.frame_period_s)),
            cfg=path if path and path.suffix == ".cfg" else None,
            serial_port=wiring.serial,
            receive_only=wiring.passive,
            sidecar=Sidecar(subject=name),
        ))  # fmt: skip
        yield list(report.files)
