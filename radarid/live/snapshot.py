"""What live identification sees at one moment: plain values, for panels, pages and files alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

State = Literal["waiting", "receiving", "silent", "starting again"]
"""Before the first packet; while packets come; while none do; while hardware is set up anew."""


@dataclass(frozen=True)
class Strip:
    """A picture that moves: levels over time and another axis.

    Attributes
    ----------
    time_s : float64 (n,), centres of the columns, ascending, seconds of the radar's clock
    axis : float32 (n_axis,), ascending: metres, or metres per second (positive is away)
    level_db : float32 (n, n_axis); NaN where nothing was received. White noise is level over
        `axis`; the zero is that of one ADC count
    """

    time_s: np.ndarray
    axis: np.ndarray
    level_db: np.ndarray


@dataclass(frozen=True)
class ClipDecision:
    """The decision on one clip by itself.

    Attributes
    ----------
    track : number of the walker, never used again in a session
    start_s : start of the clip, seconds of the radar's clock
    quality : share of its columns that are valid and show a walker
    direction : 'away', 'towards' or 'across'
    range_m : median distance of the body
    answer : a name or 'unknown'
    best : who is nearest, also when refused
    score, second : of the best and of the second best; logits, or with a gallery nats
    embedding : float32 (d,)
    latency_ms : from the arrival of the frame that completed the clip to this decision
    """

    track: int
    start_s: float
    quality: float
    direction: str
    range_m: float
    answer: str
    best: str
    score: float
    second: float
    embedding: np.ndarray = field(repr=False)
    latency_ms: float = 0.0


@dataclass(frozen=True)
class TrackDecision:
    """Who a walker is, from all clips in the sliding window together.

    Attributes
    ----------
    track : number of the walker, never used again in a session
    answer : a name, 'unknown', or 'not enough signal': three different answers
    best : who is nearest, also when refused; "" where there is not enough signal
    score, second : of the best and of the second best; logits, or with a gallery nats; NaN where
        there is not enough signal
    n_clips : that it rests on
    since_s, until_s : from the start of the first to the end of the last of them
    direction, range_m : of the newest of them
    reason : why there is not enough signal, "" where there is
    """

    track: int
    answer: str
    best: str
    score: float
    second: float
    n_clips: int
    since_s: float
    until_s: float
    direction: str
    range_m: float
    reason: str = ""


@dataclass(frozen=True)
class Health:
    """How well the radar is received.

    Attributes
    ----------
    state : see `State`
    silence_s : since the last packet
    packets_hz, frames_hz : in the last second or so
    recent_loss : share of the chirps of the last seconds that did not come, in [0, 1]
    n_packets, n_lost_packets : received, and lost by the sequence numbers
    n_kernel_drops : thrown away by this machine's kernel; None where the system does not tell
    n_frames, n_incomplete, n_missing : frames handed out, those of them with losses, and those
        of which nothing came
    n_dropped : frames that this program was too slow for
    n_restarts : of the radar's stream
    n_recoveries : times that the hardware was set up, or the socket opened, anew
    cpu_share : of this process in the last second or so; 1 is one core
    memory_bytes : resident memory of this process; 0 where the system does not tell
    """

    state: State = "waiting"
    silence_s: float = 0.0
    packets_hz: float = 0.0
    frames_hz: float = 0.0
    recent_loss: float = 0.0
    n_packets: int = 0
    n_lost_packets: int = 0
    n_kernel_drops: int | None = None
    n_frames: int = 0
    n_incomplete: int = 0
    n_missing: int = 0
    n_dropped: int = 0
    n_restarts: int = 0
    n_recoveries: int = 0
    cpu_share: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Snapshot:
    """Everything there is to show; immutable, safe to keep and to hand to another thread.

    About fifteen a second while frames come, at least one a second while none do, and one as soon
    as a clip was decided.

    Attributes
    ----------
    number : 0, 1, 2, ... in a session
    time_s : newest frame, seconds of the radar's clock since the first
    wall_s : host time of the snapshot, seconds since 1970
    range_time : moving energy over distance, of the last seconds, one column a frame
    spectrogram : of all walkers together, of the last seconds, one column a frame
    decisions : of the walkers who are there now, by number; one with 'not enough signal' and
        track -1 while nobody is
    clips : decided since the snapshot before
    health : of the reception
    latency_ms : stage -> median over the last seconds; "decision" is from a frame's last packet
        to the updated decision
    threshold : least score that is accepted as somebody
    subjects : who can be recognised
    precision : of what the student computes with: "float32", "int8" or "bfloat16"
    """

    number: int
    time_s: float
    wall_s: float
    range_time: Strip
    spectrogram: Strip
    decisions: tuple[TrackDecision, ...]
    clips: tuple[ClipDecision, ...]
    health: Health
    latency_ms: Mapping[str, float]
    threshold: float
    subjects: tuple[str, ...]
    precision: str
