"""Whatever the walks, nothing that a protocol keeps apart meets, and the order of rows is moot."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from radarid.data.splits import PARTS, SplitParams, make_split
from radarid.data.tables import ClipTable
from radarid.errors import SplitError

RECORDINGS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["s1", "s2", "s10"]),
              st.sampled_from(["t1", "t2", "t3", "t4"])),
    min_size=1, max_size=40,
)


def table_of(recordings: list[tuple[str, str, str]], order: np.ndarray) -> ClipTable:
    rows = [(*r, k, start) for k, r in enumerate(recordings) for start in (0.0, 0.5)]
    rows = [rows[k] for k in order]
    subject, session, take, recording, start_s = map(np.array, zip(*rows, strict=True))
    ones = np.ones(len(rows), np.float32)
    return ClipTable(subject, session, take, subject, recording, start_s, *[ones] * 4)


@settings(max_examples=150, deadline=None)
@given(
    RECORDINGS, st.sampled_from(["capture", "session", "subject", "window"]),
    st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 2**31), st.data(),
)
def test_parts_are_disjoint_and_independent_of_row_order(
    recordings: list[tuple[str, str, str]], protocol: str, val: float, test: float, seed: int,
    data: st.DataObject,
) -> None:
    params = SplitParams(protocol=protocol, val_fraction=val, test_fraction=test)  # type: ignore[arg-type]
    n = 2 * len(recordings)
    table = table_of(recordings, np.arange(n))
    order = np.array(data.draw(st.permutations(range(n))))
    try:
        split = make_split(table, params, seed)
    except SplitError as refusal:
        assume("no clip is left" not in str(refusal))
        raise
    place = {}
    for part in PARTS:
        for row in getattr(split, part).tolist():
            assert row not in place
            place[row] = part
    assert len(place) == n
    keep_apart = {"capture": 3, "session": 3, "subject": 3}.get(protocol, 0)
    if keep_apart:
        by_group: dict[tuple[str, ...], set[str]] = {}
        for row, part in place.items():
            by_group.setdefault(table.groups[row][:keep_apart], set()).add(part)
        assert all(len(parts) == 1 for parts in by_group.values())
    if protocol in ("session", "subject"):
        apart = 2 if protocol == "session" else 1
        seen = {table.groups[row][:apart] for row, part in place.items() if part == "train"}
        tested = {table.groups[row][:apart] for row, part in place.items() if part == "test"}
        assert not seen & tested
    shuffled = make_split(table_of(recordings, order), params, seed)
    for part in PARTS:
        assert sorted(order[getattr(shuffled, part)].tolist()) == getattr(split, part).tolist()
