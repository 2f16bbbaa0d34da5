"""Recordings that keep the packets: 14 bytes of header before every payload.

mmWave Studio before 2.1 writes `_Raw_` files as a row of records: sequence number (u32), length
of the payload (u32; 1456 but for the last one), payload bytes sent before it (u48), all
little-endian, then the payload. The byte count says where a payload belongs, whatever the order of
the records (TI E2E 811382).
"""

from __future__ import annotations

import numpy as np

RECORD_HEADER_BYTES, PAYLOAD_BYTES = 14, 1456


def has_packet_headers(start: np.ndarray) -> bool:
    """Whether a file begins with a packet record.

    Parameters
    ----------
    start : int16 array, the first words of the file; a thousand are enough

    Returns
    -------
    True when the first words are a record header and the words behind its payload are another
    one, of which sequence number and byte count agree with the first; where less than two
    headers are given, when the only one counts from the start of a recording
    """
    raw = np.ascontiguousarray(start, "<i2").view(np.uint8)
    first = _counters(raw)
    if first is None:
        return False
    sequence, length, count = first
    second = _counters(raw[RECORD_HEADER_BYTES + length :])
    if second is None:
        is_only = len(raw) <= RECORD_HEADER_BYTES + length + RECORD_HEADER_BYTES
        return is_only and count == (sequence - 1) * PAYLOAD_BYTES
    return second[2] - count == (second[0] - sequence) * PAYLOAD_BYTES != 0


def _counters(raw: np.ndarray) -> tuple[int, int, int] | None:
    """Sequence number, length and byte count at the start of `raw`, if they can be that."""
    if len(raw) < RECORD_HEADER_BYTES:
        return None
    header = raw[:RECORD_HEADER_BYTES].tobytes()
    sequence, length, count = (
        int.from_bytes(header[start:stop], "little") for start, stop in ((0, 4), (4, 8), (8, 14))
    )
    return (sequence, length, count) if 0 < length <= PAYLOAD_BYTES else None
