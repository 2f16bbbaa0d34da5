"""Any stream, any faults, cut anywhere: what was sent and what was not add up to the stream."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.link_faults import never_sent

from capture.emulator.faults import FaultParams, PacketPlan, lost_stretches, schedule

probabilities = st.sampled_from([0.0, 0.01, 0.3, 1.0])


@st.composite
def plans(draw: st.DrawFn) -> PacketPlan:
    n_bytes = 2 * draw(st.integers(1, 60_000))
    cuts = sorted(draw(st.sets(st.integers(0, n_bytes), max_size=6)))
    return PacketPlan(
        n_bytes=n_bytes,
        frame_bytes=2 * draw(st.integers(1, 5000)),
        restart_after=draw(st.integers(0, 90)),
        gaps=tuple(zip(cuts[::2], cuts[1::2], strict=False)),
        cycle_bytes=n_bytes,
    )


@st.composite
def faults(draw: st.DrawFn) -> FaultParams:
    loss, reorder, duplicate = (draw(probabilities) for _ in range(3))
    return FaultParams(
        loss=loss, reorder=reorder, duplicate=duplicate, seed=draw(st.integers(0, 1000)),
        reorder_span=draw(st.integers(1, 40)),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(plans(), faults(), st.data())
def test_sent_and_lost_are_the_whole_stream(
    plan: PacketPlan, params: FaultParams, data: st.DataObject
) -> None:
    n_packets = plan.n_packets
    inner = data.draw(st.sets(st.integers(1, n_packets), max_size=4))
    cuts = sorted({0, n_packets, *inner})
    packets = np.concatenate([
        schedule(a, b, plan, params).packets for a, b in zip(cuts, cuts[1:], strict=False)
    ])  # fmt: skip
    np.testing.assert_array_equal(packets, schedule(0, n_packets, plan, params).packets)
    places = zip(plan.starts(packets).tolist(), plan.sizes(packets).tolist(), strict=True)
    assert lost_stretches(plan, params) == never_sent(list(places), plan.n_bytes or 0)


@settings(max_examples=60, deadline=None)
@given(plans())
def test_packets_follow_each_other(plan: PacketPlan) -> None:
    numbers = np.arange(plan.n_packets)
    starts, sizes = plan.starts(numbers), plan.sizes(numbers)
    sequence, count = plan.counters(numbers)
    expected = (1, 0, 0)  # sequence number, byte count, stream byte
    for k in numbers.tolist():
        if k == plan.restart_after > 0:
            frame = -(-expected[2] // plan.frame_bytes)
            expected = (1, 0, (frame + 1) * plan.frame_bytes)
        assert (sequence[k], count[k], starts[k]) == expected
        assert 0 < sizes[k] <= 1456
        assert sizes[k] == 1456 or k == plan.n_packets - 1
        expected = (sequence[k] + 1, count[k] + sizes[k], starts[k] + sizes[k])
