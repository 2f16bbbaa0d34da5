"""Slow twins of the emulator's arithmetic: which bytes were never sent, and when packets leave."""

from __future__ import annotations

from capture.config import RadarConfig
from naive.reassembly import stretches


def never_sent(sent: list[tuple[int, int]], end: int) -> tuple[tuple[int, int], ...]:
    """(start, stop) of the bytes before `end` that none of the (start, size) packets holds."""
    missing = [True] * end
    for start, size in sent:
        for place in range(start, start + size):
            missing[place] = False
    return stretches(missing)


def chirp_end_s(byte: int, config: RadarConfig) -> float:
    """When the chirp that holds a byte of the stream is over, by walking through the frames."""
    time_s, place, frame = 0.0, 0, 0
    while True:
        time_s = frame * config.frame_period_s
        for _ in range(config.n_loops):
            for chirp in config.chirps:
                time_s += config.chirp_s(chirp)
                place += config.stored_chirp_bytes
                if byte < place:
                    return time_s
        frame += 1


def departures(made_s: list[float], spacing_s: float, after_s: float) -> list[float]:
    """Each packet when it is made, and not before the one before it has left."""
    left = []
    for made in made_s:
        after_s = max(made, after_s + spacing_s)
        left.append(after_s)
    return left
