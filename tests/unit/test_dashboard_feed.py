"""What pages are sent: columns on the page's grid, each once; visits; no embedding."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_snapshots import EMBEDDING, LAST, NOBODY, still

from radarid.live.dashboard.feed import N_TRACE, N_VISITS, Cursor, Feed
from radarid.live.dashboard.roll import Roll, encode
from radarid.live.snapshot import Snapshot, Strip

AXIS = np.array([0.5, 1.0, 1.5], np.float32)


def strip(times: list[float] | np.ndarray, levels: list[float] | np.ndarray) -> Strip:
    level_db = np.repeat(np.asarray(levels, np.float32)[:, None], len(AXIS), axis=1)
    return Strip(np.asarray(times, np.float64), AXIS, level_db)


def column_codes(roll: Roll, number: int = -1) -> list[int]:
    """First code of each column; all codes of a column are the same in these strips."""
    part = roll.since(number)
    columns = np.frombuffer(part.levels, np.uint8).reshape(part.head["n"], 3)
    assert (columns == columns[:, :1]).all()
    return columns[:, 0].tolist()


def read(message: bytes | None) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """A message taken apart as its description says: its head and both pictures."""
    assert message is not None
    length = int.from_bytes(message[:4], "little")
    head = json.loads(message[4 : 4 + length])
    codes = np.frombuffer(message[4 + length :], np.uint8)
    shapes = [(head[name]["n"], head[name]["n_axis"]) for name in ("range_time", "spectrogram")]
    n_first = shapes[0][0] * shapes[0][1]
    assert len(codes) == n_first + shapes[1][0] * shapes[1][1]
    return head, codes[:n_first].reshape(shapes[0]), codes[n_first:].reshape(shapes[1])


def test_levels_are_coded_in_steps_of_three_quarters_of_a_decibel() -> None:
    levels = np.array([-60.0, -59.25, 0.0, 130.5, 200.0, -np.inf, np.nan])
    assert encode(levels).tolist() == [1, 2, 81, 255, 255, 1, 0]  # 0 dB: 60 / 0.75 + 1 = 81


def test_a_column_is_the_nearest_of_the_strip_and_lost_when_that_is_far() -> None:
    roll = Roll(100)
    # Lines at 0, 20, 40, ... ms. Of 0 and 33 ms, 20 ms is nearer to 33 and 40 ms nearer to 33
    # than to 66; nothing is within 33 ms of 120 and 140 ms.
    roll.push(strip([0.0, 0.033, 0.066, 0.200], [-60.0, -59.25, -58.5, -57.75]), 0.033)
    expected = [1, 2, 2, 3, 3, 0, 0, 0, 0, 4, 4]
    seconds = np.array([0.0, 0.033, 0.066, 0.200])
    for line, code in enumerate(expected):
        away_s = np.abs(seconds - line * 0.02)
        assert code == (np.argmin(away_s) + 1 if away_s.min() <= 0.033 else 0)
    assert column_codes(roll) == expected
    assert roll.since(-1).head["until_s"] == pytest.approx(0.21)  # right edge of 0.20 s + half


def test_columns_do_not_depend_on_how_the_strip_came() -> None:
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.004, 0.03, 400))
    levels = rng.uniform(-50, 100, 400)
    levels[rng.integers(0, 400, 20)] = np.nan
    whole = Roll(2000)
    whole.push(strip(times, levels), 0.03)
    chunked, seen, number = Roll(2000), [], -1
    end = 0
    while end < len(times):
        end = min(len(times), end + int(rng.integers(1, 12)))
        begin = max(0, end - 40)  # the newest forty columns, most of which came before
        chunked.push(strip(times[begin:end], levels[begin:end]), 0.03)
        seen += column_codes(chunked, number)
        number = chunked.since(number).end
    assert column_codes(chunked) == column_codes(whole) == seen
    assert len(seen) == int(times[-1] / 0.02) - int(np.ceil(times[0] / 0.02)) + 1


def test_what_was_missed_between_two_strips_is_lost() -> None:
    roll = Roll(100)
    roll.push(strip([0.0, 0.021, 0.041], [0.0] * 3), 0.03)
    roll.push(strip([0.161, 0.181, 0.201], [0.0] * 3), 0.03)
    # 0, 20, 40 ms; then 140 ms, which 161 ms is within reach of, 160, 180, and 200 ms.
    assert column_codes(roll) == [81] * 3 + [0] * 4 + [81] * 4


def test_a_roll_keeps_the_newest_columns_only() -> None:
    roll = Roll(5)
    for k in range(0, 1000, 10):
        roll.push(strip(0.02 * np.arange(k, k + 10), np.full(10, k * 0.75 - 60)), 0.02)
    assert column_codes(roll) == [255] * 5
    roll.push(strip(0.02 * np.arange(1000, 1002), [0.0, 0.75]), 0.02)
    assert column_codes(roll) == [255] * 3 + [81, 82]
    assert column_codes(roll, roll.since(-1).end) == []


@pytest.mark.parametrize("change", ["clock", "axis"])
def test_a_page_begins_anew_when_the_clock_or_the_axis_does(change: str) -> None:
    roll = Roll(100)
    roll.push(strip([5.0, 5.02, 5.04], [0.0] * 3), 0.02)
    before = roll.since(-1)
    assert before.head["clear"]
    assert not roll.since(before.end).head["clear"]
    other = strip([1.0, 1.02] if change == "clock" else [5.06, 5.08], [0.75, 0.75])
    if change == "axis":
        other = replace(other, axis=AXIS + np.float32(1))
    roll.push(other, 0.02)
    after = roll.since(before.end)
    assert after.head["clear"]
    assert column_codes(roll, before.end) == column_codes(roll) == [82, 82]
    assert not roll.since(after.end).head["clear"]


def test_a_message_holds_pictures_and_values() -> None:
    feed = Feed()
    assert feed.message(Cursor()) is None
    feed.push(still(41, lost_s=(4.0, 5.0)))
    head, distance, velocity = read(feed.message(Cursor()))
    # 8 s of 20 ms up to the last frame, at 242 * 33 ms = 7.986 s: lines 0 to 399.
    assert distance.shape == (400, 128)
    assert velocity.shape == (400, 256)
    body, noise = 148, 94  # (50 + 60) / 0.75 + 1 = 147.7; (10 + 60) / 0.75 + 1 = 94.3
    assert distance[[0, 100, 399], 48].tolist() == [body] * 3  # 3 m / 62.5 mm
    assert distance[[0, 100, 399], 20].tolist() == [noise] * 3
    assert not distance[205:245].any()
    assert not velocity[205:245].any()
    assert head["number"] == 41
    assert head["decisions"][0]["answer"] == "alice"
    assert head["threshold"] == 2.0
    assert head["health"]["n_kernel_drops"] == 0
    assert head["latency_ms"]["decision"] == 19.0
    assert head["trace"] == [[1.75e9 + 8, 0.0, 19.0, 0.31]]


def test_a_page_gets_what_it_has_not_seen() -> None:
    feed, cursor = Feed(), Cursor()
    feed.push(still(0, 8.0))
    read(feed.message(cursor))
    feed.push(still(1, 8.1))
    head, distance, _ = read(feed.message(cursor))
    assert len(distance) == 404 - 399  # line 404: the last frame is at 245 * 33 ms = 8.085 s
    assert head["visits"] == []
    assert head["trace"] == []
    head, distance, _ = read(feed.message(cursor))
    assert len(distance) == 0
    head, distance, _ = read(feed.message(Cursor()))
    assert len(distance) == 405
    assert len(head["visits"]) == len(head["trace"]) == 1


def test_values_that_are_no_numbers_are_null() -> None:
    feed = Feed()
    feed.push(replace(still(0, decisions=[NOBODY]), latency_ms={}, threshold=-np.inf))
    head = read(feed.message(Cursor()))[0]
    assert head["decisions"][0]["score"] is None
    assert head["threshold"] is None
    assert head["trace"][0][2] is None
    assert head["visits"] == []


def visit(feed: Feed, number: int, **changes: Any) -> None:
    feed.push(still(number, 8 + number / 10, [replace(LAST, **changes)]))


def test_a_visit_keeps_its_beginning_and_its_last_answer() -> None:
    feed, cursor = Feed(), Cursor()
    visit(feed, 0, answer="unknown", score=1.0, since_s=2.0, until_s=6.0)
    visit(feed, 1, answer="alice", score=4.0, since_s=3.0, until_s=7.0)
    visit(feed, 20, n_clips=0, answer="not enough signal", score=np.nan)
    (only,) = read(feed.message(cursor))[0]["visits"]
    assert (only["answer"], only["since_s"], only["until_s"]) == ("alice", 2.0, 7.0)
    assert only["began_s"] == 1.75e9 + 8.0
    assert only["ended_s"] == 1.75e9 + 8.1
    visit(feed, 30, track=8, answer="bob")
    (other,) = read(feed.message(cursor))[0]["visits"]
    assert (other["track"], other["answer"]) == (8, "bob")


def test_memory_is_bounded_and_the_oldest_visits_go_first() -> None:
    feed = Feed()
    for k in range(N_VISITS + 50):
        feed.push(still(k, 8 + 4 * k, [replace(LAST, track=k)]))
    for k in range(N_TRACE):
        feed.push(replace(still(k, 8.0), wall_s=2e9 + 2 * k))
    head, distance, velocity = read(feed.message(Cursor()))
    assert {each["track"] for each in head["visits"]} == {7, *range(51, N_VISITS + 50)}
    assert len(head["trace"]) == N_TRACE
    assert len(distance) <= 525


def test_no_embedding_gets_into_a_message() -> None:
    feed = Feed()
    snapshot: Snapshot = still(0)
    assert snapshot.clips[0].embedding is EMBEDDING
    feed.push(snapshot)
    message = feed.message(Cursor())
    assert message is not None
    assert EMBEDDING[:1].tobytes() not in message
    assert b"0.1234" not in message
    assert b"embedding" not in message
