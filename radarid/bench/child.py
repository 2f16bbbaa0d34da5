"""What is measured in a process of its own: `python -m radarid.bench.child MODE ...`.

    image NAME PATH [WARM_UP]   the contender's image of a file, after one of a shorter file
    stream SECONDS              the engine on frames from memory, as long as is wanted
    live N_FRAMES               the engine on frames at the radar's pace, one at a time

Every mode prints one JSON object a line: "ready" when it has warmed up, "done" at the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from radarid.garbage import collect_less

_WARM_UP_FRAMES = 30


def say(event: str, **facts: Any) -> None:
    """One line for the parent, with the CPU time that the process has taken so far."""
    print(json.dumps({"event": event, "cpu_s": time.process_time()} | facts), flush=True)


def image(name: str, path: str, warm_up: str = "") -> None:
    """A contender's first image, or its second when there is a file to warm up with."""
    from radarid.bench import lineup
    from radarid.bench.job import Job
    from radarid.bench.workload import evenly_spaced

    contender, workload = lineup.by_name(name), evenly_spaced()
    if warm_up:
        contender.make(Job(Path(warm_up), workload))()
    say("ready")
    made = contender.make(Job(Path(path), workload))()
    say("done", brightest_db=float(made.max()))


def stream(seconds: str) -> None:
    """An image of a long stream, whose frames are the same few in turn, after its first second."""
    import numpy as np

    from radarid.bench.job import image_of_stream
    from radarid.bench.workload import endless_frames, evenly_spaced
    from radarid.dsp.spectrogram import SpectrogramStream

    workload = evenly_spaced()
    radar = workload.radar
    engine = SpectrogramStream(radar, workload.params)
    n_frames = _WARM_UP_FRAMES + workload.n_frames(float(seconds))
    frames = endless_frames(radar, n_frames)
    engine.push(islice(frames, _WARM_UP_FRAMES))
    say("ready")
    edges_s = _WARM_UP_FRAMES * radar.frame_period_s, n_frames * radar.frame_period_s - 0.1
    time_s = np.linspace(*edges_s, workload.params.image_size)
    image_of_stream(engine, frames, time_s)
    say("done")


def live(n_frames: str) -> None:
    """Frames one at a time when they are due; how long each took, after the first second."""
    from radarid.bench.workload import endless_frames, evenly_spaced
    from radarid.dsp.spectrogram import SpectrogramStream

    workload = evenly_spaced()
    radar = workload.radar
    engine = SpectrogramStream(radar, workload.params)
    frames = list(endless_frames(radar, _WARM_UP_FRAMES + int(n_frames)))
    latency_s, n_slices = [], 0
    cpu_s = start_s = due_s = time.perf_counter()
    for k, frame in enumerate(frames):
        if k == _WARM_UP_FRAMES:
            say("ready")
            cpu_s, start_s = time.process_time(), time.perf_counter()
        due_s += radar.frame_period_s
        time.sleep(max(0.0, due_s - time.perf_counter()))
        begin_s = time.perf_counter()
        n_slices += len(engine.push([frame]))
        if k >= _WARM_UP_FRAMES:
            latency_s.append(time.perf_counter() - begin_s)
    load = (time.process_time() - cpu_s) / (time.perf_counter() - start_s)
    say("done", latency_s=latency_s, load=load, n_slices=n_slices)


if __name__ == "__main__":
    collect_less()  # as the command line does, before the imports
    modes: dict[str, Callable[..., None]] = {"image": image, "stream": stream, "live": live}
    modes[sys.argv[1]](*sys.argv[2:])
