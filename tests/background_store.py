"""A store of made-up people, to judge strangers by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from toy_store import clip_image
from walk_files import DSP, RADAR

from radarid.data.store import GaitStore
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import Clip

N_PEOPLE, N_WALKS, N_CLIPS = 5, 3, 2


def write_store(path: Path) -> Path:
    """Others, with walks of the size that the recordings' clips have."""
    rng = np.random.default_rng(0)
    with GaitStore.create(path, RADAR, DSP) as store:
        for person in range(N_PEOPLE):
            for walk in range(N_WALKS):
                clips = [
                    Clip(clip_image(person, rng.uniform(0, 6), DSP.image_size, 0.2, rng),
                         np.ones(DSP.image_size, bool), 0.25 * k, 1.0, "away", 1.2, 3.0)
                    for k in range(N_CLIPS)
                ]  # fmt: skip
                name = f"o{person}-{walk}"
                store.add_recording(
                    RecordingEntry(name, f"o{person}", "s", str(walk), name, RADAR, "IIQQ", 60),
                    clips,
                )
    return path
