"""When the packets of a DCA1000 leave: as the chirps are made, no faster than the packet delay."""

from __future__ import annotations

import time
from threading import Event

import numpy as np

from capture.config import RadarConfig
from capture.dca1000.packets import PAYLOAD_BYTES

WIRE_BYTES = PAYLOAD_BYTES + 52
"""A full data packet on the wire: samples, and the headers of packet, UDP, IP and Ethernet."""

ETHERNET_BPS = 1e9

_SHORTEST_SLEEP_S, _LONG_WAIT_S = 200e-6, 5e-3


def made_s(ends: np.ndarray, config: RadarConfig) -> np.ndarray:
    """When the chirps with the last bytes of packets have been sampled.

    Parameters
    ----------
    ends : int64 array, shape (n,), stream bytes at which packets end
    config : waveform and raw format

    Returns
    -------
    float64 array, shape (n,), seconds after the start of the first frame. Of the bytes of other
    subframes is only known that those before are made when this one begins, and those after at
    the end of the frame.
    """
    frame, last = np.divmod(ends - 1, config.stored_frame_bytes)
    chirp_ends_s = np.cumsum(np.tile([config.chirp_s(c) for c in config.chirps], config.n_loops))
    lead_bytes, lead_s = 0, 0.0
    if config.subframe is not None:
        lead_bytes, lead_s = config.subframe.lead_bytes, config.subframe.lead_s
    steps = np.concatenate([[lead_s], lead_s + chirp_ends_s, [config.frame_period_s]])
    chirp = (last - lead_bytes) // config.stored_chirp_bytes
    return frame * config.frame_period_s + steps[np.clip(chirp, -1, config.n_chirps) + 1]


def spacing_s(packet_delay_us: float) -> float:
    """Least time from one packet to the next, seconds: time on the wire, then the delay.

    With it TI's throughput table (DCA1000EVM CLI developer's guide) comes out: 25 us give
    12.06 + 25 us for 1508 bytes, 325 Mb/s.
    """
    return 8 * WIRE_BYTES / ETHERNET_BPS + packet_delay_us * 1e-6


def departures_s(made: np.ndarray, spacing: float, after_s: float) -> np.ndarray:
    """When packets leave a board that sends each as soon as it may.

    Parameters
    ----------
    made : float64 array, shape (n,), seconds, ascending; what `made_s` gives
    spacing : least time between two packets, seconds
    after_s : when the packet before left

    Returns
    -------
    float64 array, shape (n,): d[k] = max(made[k], d[k - 1] + spacing)
    """
    steps = spacing * np.arange(1, len(made) + 1)
    left = np.maximum(np.maximum.accumulate(made - steps), after_s) + steps
    return np.asarray(np.maximum(left, made))  # rounding must not let one leave early


def wait_until(due_ns: int, halt: Event) -> bool:
    """Sleep until a time of `time.monotonic_ns`, without spinning; whether `halt` is still unset.

    Short waits are stretched to a fifth of a millisecond: what was due meanwhile leaves together.
    """
    left_s = (due_ns - time.monotonic_ns()) / 1e9
    if left_s > _LONG_WAIT_S:
        return not halt.wait(left_s)
    if left_s > 0:
        time.sleep(max(left_s, _SHORTEST_SLEEP_S))
    return not halt.is_set()
