"""The fault schedule: hand-made restarts, binomial rates, and the twin that counts every byte."""

import numpy as np
import pytest
from naive.link_faults import never_sent

from capture.emulator.faults import FaultParams, PacketPlan, fates, lost_stretches, schedule
from capture.errors import ConfigError

NUMBERS = np.arange(9, dtype=np.int64)
EVERYTHING = FaultParams(loss=0.1, reorder=0.2, duplicate=0.15, seed=5)


def sent_places(
    plan: PacketPlan, params: FaultParams, n_turns: int
) -> list[tuple[int, int]]:
    packets = schedule(0, n_turns, plan, params).packets
    return list(zip(plan.starts(packets).tolist(), plan.sizes(packets).tolist(), strict=True))


def test_a_plain_stream() -> None:
    plan = PacketPlan(n_bytes=3000, frame_bytes=1000)
    # 3000 = 2 * 1456 + 88
    assert plan.n_packets == 3
    assert plan.ends_short
    assert plan.starts(NUMBERS[:3]).tolist() == [0, 1456, 2912]
    assert plan.sizes(NUMBERS[:3]).tolist() == [1456, 1456, 88]
    assert schedule(0, 3, plan, FaultParams()).packets.tolist() == [0, 1, 2]
    assert lost_stretches(plan, FaultParams()) == ()


def test_a_restart_begins_one_whole_frame_later() -> None:
    # three packets are 4368 bytes: they end in frame 1 (4000 to 8000), so frame 2 is left out
    # and the board begins anew at 12000; 8000 bytes are five packets and 720 bytes
    plan = PacketPlan(n_bytes=20_000, frame_bytes=4000, restart_after=3)
    assert plan.n_packets == 9
    assert plan.starts(NUMBERS).tolist() == [
        0, 1456, 2912, 12000, 13456, 14912, 16368, 17824, 19280,
    ]  # fmt: skip
    assert plan.sizes(NUMBERS)[-1] == 720
    sequence, count = plan.counters(NUMBERS)
    assert sequence.tolist() == [1, 2, 3, 1, 2, 3, 4, 5, 6]
    assert count.tolist() == [0, 1456, 2912, 0, 1456, 2912, 4368, 5824, 7280]
    assert lost_stretches(plan, FaultParams()) == ((4368, 12000),)


def test_a_restart_at_a_frame_boundary_leaves_out_one_frame() -> None:
    plan = PacketPlan(n_bytes=None, frame_bytes=2912, restart_after=2)
    assert plan.restart_byte == 2 * 2912


def test_a_restart_near_the_end_loses_the_rest() -> None:
    plan = PacketPlan(n_bytes=7000, frame_bytes=4000, restart_after=3)
    assert plan.n_packets == 3
    assert lost_stretches(plan, FaultParams()) == ((4368, 7000),)
    assert not PacketPlan(n_bytes=4000, frame_bytes=4000, restart_after=3).has_restart


@pytest.mark.parametrize("restart_after", [0, 30])
@pytest.mark.parametrize("n_turns", [1, 29, 31, 77, 137])
def test_lost_stretches_are_the_bytes_that_no_packet_held(
    n_turns: int, restart_after: int
) -> None:
    plan = PacketPlan(200_000, 10_000, restart_after)
    n_turns = min(n_turns, plan.n_packets)
    places = sent_places(plan, EVERYTHING, n_turns)
    last = np.array([n_turns - 1])
    end = int((plan.starts(last) + plan.sizes(last))[0])
    end = 200_000 if n_turns == plan.n_packets else end
    assert lost_stretches(plan, EVERYTHING, n_turns) == never_sent(places, end)


def test_total_loss() -> None:
    plan = PacketPlan(5000, 1000)
    assert len(schedule(0, 4, plan, FaultParams(loss=1))) == 0
    assert lost_stretches(plan, FaultParams(loss=1)) == ((0, 5000),)


def test_rates_lie_within_five_standard_deviations() -> None:
    n = 200_000
    plan = PacketPlan(None, 942_080)
    numbers = np.arange(n, dtype=np.int64)
    lost, turn, copy_turn = fates(numbers, plan, EVERYTHING)
    counts = {0.1: lost.sum(), 0.2: (turn != numbers).sum(), 0.15: (copy_turn >= 0).sum()}
    for probability, count in counts.items():
        sigma = np.sqrt(n * probability * (1 - probability))
        assert abs(count - n * probability) < 5 * sigma
    both = (lost & (turn != numbers)).sum()  # independent of each other
    assert abs(both - n * 0.02) < 5 * np.sqrt(n * 0.02 * 0.98)
    delays = (turn - numbers)[turn != numbers]
    assert set(np.unique(delays)) == set(range(1, 33))
    assert abs(delays.mean() - 16.5) < 5 * np.sqrt((32**2 - 1) / 12 / len(delays))


def test_every_packet_leaves_once_and_its_copy_after_it() -> None:
    plan = PacketPlan(None, 942_080)
    sendings = schedule(0, 20_000, plan, EVERYTHING)
    lost, turn, copy_turn = fates(np.arange(20_000), plan, EVERYTHING)
    first, copies = sendings.packets[~sendings.is_copy], sendings.packets[sendings.is_copy]
    assert sorted(first) == np.flatnonzero(~lost & (turn < 20_000)).tolist()
    in_time = ~lost & (copy_turn >= 0) & (copy_turn < 20_000)
    assert sorted(copies) == np.flatnonzero(in_time).tolist()
    place = {int(packet): k for k, packet in enumerate(sendings.packets) if not sendings.is_copy[k]}
    for k in np.flatnonzero(sendings.is_copy):
        assert place[int(sendings.packets[k])] < k
    assert (np.diff(sendings.turns) >= 0).all()
    assert (sendings.turns >= sendings.packets).all()


@pytest.mark.parametrize("restart_after", [0, 1500])
def test_the_order_does_not_depend_on_how_turns_are_cut(restart_after: int) -> None:
    plan = PacketPlan(14_000_000, 942_080, restart_after)
    n = plan.n_packets
    whole = schedule(0, n, plan, EVERYTHING).packets
    for cuts in ([0, 1, 2, 100, n], [0, 1499, 1500, 1501, 4095, 4097, n]):
        parts = [
            schedule(a, b, plan, EVERYTHING).packets
            for a, b in zip(cuts, cuts[1:], strict=False)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_nothing_crosses_a_restart() -> None:
    plan = PacketPlan(None, 942_080, restart_after=1500)
    packets = schedule(0, 3000, plan, FaultParams(reorder=1, duplicate=1)).packets
    before = packets < 1500
    assert not before[int(before.sum()) :].any()


def test_the_seed_decides() -> None:
    plan = PacketPlan(None, 942_080)
    again = FaultParams(loss=0.1, reorder=0.2, duplicate=0.15, seed=5)
    other = FaultParams(loss=0.1, reorder=0.2, duplicate=0.15, seed=6)
    orders = [schedule(0, 5000, plan, p).packets.tolist() for p in (EVERYTHING, again, other)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_packets_of_a_gap_are_never_sent() -> None:
    plan = PacketPlan(20_000, 10_000, gaps=((1455, 1457), (8736, 8737), (19_999, 20_000)))
    # packets 0 and 1; 6 (it begins at 8736); and the last one, 13, from 18928 on
    assert schedule(0, 14, plan, FaultParams()).packets.tolist() == [2, 3, 4, 5, *range(7, 13)]


def test_gaps_come_again_in_a_loop() -> None:
    plan = PacketPlan(None, 2000, gaps=((10, 12),), cycle_bytes=4000)
    # the gap lies at 10, 4010, 8010, ...: packets 0, 2 (2912 to 4368) and 5 (7280 to 8736)
    assert np.flatnonzero(plan.touches_gap(NUMBERS[:6])).tolist() == [0, 2, 5]


@pytest.mark.parametrize(
    "table",
    [{"loss": -0.1}, {"reorder": 1.1}, {"duplicate": float("nan")}, {"restart_after": -1},
     {"reorder_span": 0}],
)  # fmt: skip
def test_impossible_faults_are_refused(table: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        FaultParams(**table)  # type: ignore[arg-type]
