"""Snapshots as live identification would give them, of walkers who are formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from radarid.live.snapshot import ClipDecision, Health, Snapshot, Strip, TrackDecision

FRAME_S, WINDOW_S = 0.033, 8.0
RANGE_M = np.arange(128, dtype=np.float32) * np.float32(0.0625)
VELOCITY_MPS = np.linspace(-4, 4, 256, dtype=np.float32)
BODY_M = 3.0  # where the walker's line lies in every picture of `still`
NOISE_DB, BODY_DB = 10.0, 50.0
LAST = TrackDecision(7, "alice", "alice", 4.25, 1.5, 5, 2.0, 7.5, "away", BODY_M)
NOBODY = TrackDecision(-1, "not enough signal", "", np.nan, np.nan, 0, 0.0, 0.0, "", np.nan,
                       "nobody walks")
EMBEDDING = np.full(16, 0.123456789, np.float32)


def strip(times: np.ndarray, axis: np.ndarray, level_db: np.ndarray) -> Strip:
    return Strip(times, axis, level_db.astype(np.float32))


def still(
    number: int, time_s: float = 8.0, decisions: Sequence[TrackDecision] = (LAST,),
    lost_s: tuple[float, float] = (0.0, 0.0), health: Health | None = None,
) -> Snapshot:
    """A body that stands at 3 m and at 0 m/s in flat noise, with a stretch that was lost."""
    times = np.arange(max(0, round((time_s - WINDOW_S) / FRAME_S)), round(time_s / FRAME_S) + 1)
    times = times * FRAME_S
    pictures = []
    for axis, place in ((RANGE_M, BODY_M), (VELOCITY_MPS, 0.0)):
        level = np.where(np.abs(axis - place) < 0.1, BODY_DB, NOISE_DB) + np.zeros((len(times), 1))
        level[(times >= lost_s[0]) & (times < lost_s[1])] = np.nan
        pictures.append(strip(times, axis, level))
    one = ClipDecision(7, 5.0, 0.9, "away", BODY_M, "alice", "alice", 4.0, 1.0, EMBEDDING, 9.0)
    return Snapshot(
        number, time_s, 1.75e9 + time_s, pictures[0], pictures[1], tuple(decisions), (one,),
        health or Health("receiving", packets_hz=2310.0, frames_hz=30.3, n_packets=18_480,
                         n_kernel_drops=0, n_frames=242, cpu_share=0.31, memory_bytes=700 << 20),
        {"receive": 0.4, "process": 6.5, "embed": 12.25, "decision": 19.0}, 2.0,
        ("alice", "bob", "carol"), "float32",
    )  # fmt: skip


def walking(number: int, time_s: float) -> Snapshot:
    """Two walkers who pass each other, one of them a stranger; every tenth second has losses."""
    rng = np.random.default_rng(number)
    base = still(number, time_s)
    times = base.range_time.time_s
    lost = times % 10 > 9.7
    ranges = [4 + 2.5 * np.sin(0.35 * times), 3.2 - 1.7 * np.sin(0.35 * times)]
    speeds = [0.875 * np.cos(0.35 * times), -0.6 * np.cos(0.35 * times)]
    distance = rng.exponential(1, (len(times), len(RANGE_M)))
    velocity = rng.exponential(1, (len(times), len(VELOCITY_MPS)))
    velocity += 3e3 * np.exp(-((VELOCITY_MPS / 0.06) ** 2))
    for place, speed, step_hz in zip(ranges, speeds, (1.8, 1.5), strict=True):
        distance += 2e3 * np.exp(-(((RANGE_M - place[:, None]) / 0.12) ** 2))
        velocity += 4e3 * np.exp(-(((VELOCITY_MPS - speed[:, None]) / 0.12) ** 2))
        for limb in range(4):
            swing = speed * (1 + 1.3 * np.sin(2 * np.pi * (step_hz / 2 * times + limb / 4)))
            velocity += 400 * np.exp(-(((VELOCITY_MPS - swing[:, None]) / 0.2) ** 2))
    pictures = []
    for axis, power in ((RANGE_M, distance), (VELOCITY_MPS, velocity)):
        level = 10 * np.log10(power) + 15
        level[lost] = np.nan
        pictures.append(strip(times, axis, level))
    phase = int(time_s // 15)
    found = (
        replace(LAST, track=2 * phase, score=3.4 + rng.normal() / 10, n_clips=4, since_s=time_s - 5,
                until_s=time_s - 0.3, range_m=float(ranges[0][-1])),
        TrackDecision(2 * phase + 1, "unknown", "bob", 0.7, 0.2, 3, time_s - 4, time_s - 0.4,
                      "towards", float(ranges[1][-1])),
    )  # fmt: skip
    return replace(base, range_time=pictures[0], spectrogram=pictures[1], decisions=found,
                   health=replace(base.health, recent_loss=0.03 if lost[-60:].any() else 0.0,
                                  n_incomplete=12, n_missing=9, n_lost_packets=412))
