"""Training, validation and test sets that share no walk, day or person, as the protocol asks."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from capture.schema import config_class
from radarid.data.tables import ClipTable, Group
from radarid.errors import SplitError

PARTS = ("train", "val", "test", "enroll", "outsiders", "unknown")
SplitProtocol = Literal["capture", "session", "subject", "window"]


@config_class
class SplitParams:
    """How clips are divided.

    A *group* is all recordings of one (subject, session, take): one walk, seen by whatever
    recorded it. But for `window`, a group is never divided.

    Attributes
    ----------
    protocol : what training and test may not share
        capture: no walk; every person is in both.
        session: no day; the last sessions of people with two or more are the test.
        subject: no person; test people are enrolled with their first walk.
        window: nothing, clips are drawn at random. Overlapping clips leak from training into
        test; it exists to show how much that flatters.
    val_fraction, test_fraction : of a person's groups (capture), sessions (session, test only),
        of the people (subject, test only) or of the clips (window)
    outsider_subjects : people kept out of everything but the threshold against strangers
    unknown_subjects : people kept out of everything but the test for strangers
    """

    protocol: SplitProtocol = "capture"
    val_fraction: float = 0.2
    test_fraction: float = 0.2
    outsider_subjects: tuple[str, ...] = ()
    unknown_subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ("val_fraction", "test_fraction"):
            if not 0 < getattr(self, key) < 1:
                raise SplitError(f"'{key}' must lie between 0 and 1", got=getattr(self, key))
        if self.val_fraction + self.test_fraction >= 1:
            raise SplitError(
                "nothing is left to train on",
                got=f"val_fraction + test_fraction = {self.val_fraction + self.test_fraction}",
                expected="less than 1",
            )
        both = set(self.outsider_subjects) & set(self.unknown_subjects)
        if both:
            raise SplitError("an outsider cannot be a test stranger, too", got=sorted(both)[0])

    def kept_out(self, subject: str) -> str | None:
        """Part that all clips of a person belong to who is not to be known; None for others."""
        if subject in self.outsider_subjects:
            return "outsiders"
        return "unknown" if subject in self.unknown_subjects else None


@dataclass(frozen=True)
class Split:
    """Which clips serve what.

    Attributes
    ----------
    params, seed : what the split was made from
    train, val, test, outsiders, unknown : int64 arrays of rows of the clip table, ascending
    enroll : the same, clips that test people are enrolled with (protocol subject only)
    untested : people in training who are in no test, for want of walks
    unvalidated : people in training who are in no validation, for want of walks
    n_groups : walks in each part
    subjects : people in each part
    """

    params: SplitParams
    seed: int
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    enroll: np.ndarray
    outsiders: np.ndarray
    unknown: np.ndarray
    untested: tuple[str, ...] = ()
    unvalidated: tuple[str, ...] = ()
    n_groups: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_leaking(self) -> bool:
        """Whether training and test share walks, so that test scores mean little."""
        return self.params.protocol == "window"

    def report(self) -> dict[str, Any]:
        """Return what a reader of a score must know about the split, as plain values."""
        return {
            "protocol": self.params.protocol,
            "seed": self.seed,
            "leaking": self.is_leaking,
            "parts": {
                part: {
                    "n_clips": len(getattr(self, part)),
                    "n_groups": self.n_groups[part],
                    "subjects": list(self.subjects[part]),
                }
                for part in PARTS
            },
            "untested_subjects": list(self.untested),
            "unvalidated_subjects": list(self.unvalidated),
        }


def make_split(table: ClipTable, params: SplitParams, seed: int = 0) -> Split:
    """Divide the clips of a store.

    The same groups are drawn whatever the order of the rows: chance is a hash of the seed and
    the group's name, so recordings added later do not shuffle those already there.

    * capture: of a person's n groups max(1, round(fraction n)) are test, likewise validation, and
      at least one trains; with two groups one trains and one tests, with one group it trains.
    * session: the last max(1, round(fraction n)) of n >= 2 sessions are test, in natural order
      of their names; with one session a person is in no test. Validation groups come from the
      sessions that are not test.
    * subject: test people are drawn by hash; their first group enrols, the others are probes.
      Validation groups come from the training people, whose labels the classifier knows.
    * window: each clip is drawn by itself.

    Parameters
    ----------
    table : of the store
    params : protocol, fractions and strangers
    seed : another seed draws other groups

    Raises
    ------
    SplitError
        An unknown subject that is not in the store, or nothing to train or to test.
    """
    groups = table.groups
    people = sorted(set(table.subject.tolist()))
    for name in (*params.outsider_subjects, *params.unknown_subjects):
        if name not in people:
            raise SplitError(
                f"{params.kept_out(name)} names somebody who is not in the store", got=name,
                expected=f"some of {', '.join(people)}",
            )
    by_subject: dict[str, list[Group]] = defaultdict(list)
    for group in sorted(set(groups)):
        if params.kept_out(group[0]) is None:
            by_subject[group[0]].append(group)
    if params.protocol == "window":
        parts = _draw_windows(table, groups, params, seed)
    else:
        draw = {"capture": _by_capture, "session": _by_session, "subject": _by_subject}
        assigned = draw[params.protocol](by_subject, params, seed)
        parts = [params.kept_out(group[0]) or assigned[group] for group in groups]
    split = _assemble(table, groups, parts, params, seed)
    check_split(split, table)
    return split


def check_split(split: Split, table: ClipTable) -> None:
    """Check that no part shares a clip, walk, day or person that its protocol keeps apart.

    Raises
    ------
    SplitError
        Two parts overlap, a clip is in none, or there is nothing to train or test.
    """
    rows = np.concatenate([getattr(split, part) for part in PARTS])
    if not np.array_equal(np.sort(rows), np.arange(len(table))):
        raise SplitError("a clip is in two parts or in none", where=split.params.protocol)
    for part in ("train", "test"):
        if not len(getattr(split, part)):
            raise SplitError(
                f"no clip is left for {part}", where=f"protocol {split.params.protocol}",
                remedy="more walks, sessions or people, or another protocol",
            )
    walk = table.groups
    keys: list[tuple[str, str, Sequence[Any]]] = []
    if split.params.protocol != "window":
        keys = [(a, b, walk) for a in PARTS for b in PARTS if a < b]
    if split.params.protocol == "session":
        keys.append(("test", "train", [group[:2] for group in walk]))
        keys.append(("test", "val", [group[:2] for group in walk]))
    if split.params.protocol == "subject":
        keys += [
            (a, b, table.subject.tolist()) for a in ("test", "enroll") for b in ("train", "val")
        ]
    keys += [
        (part, apart, table.subject.tolist())
        for apart in ("outsiders", "unknown") for part in PARTS if part != apart
    ]
    for first, second, names in keys:
        shared = {names[k] for k in getattr(split, first)} & {
            names[k] for k in getattr(split, second)
        }
        if shared:
            raise SplitError(
                f"{first} and {second} overlap", where=f"protocol {split.params.protocol}",
                got=sorted(map(str, shared))[0],
            )


def _chance(seed: int, *names: object) -> float:
    """Uniform number in [0, 1) that depends on the seed and the names alone."""
    digest = hashlib.sha256("\x1f".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _shuffled(groups: Iterable[Group], seed: int) -> list[Group]:
    return sorted(groups, key=lambda group: (_chance(seed, *group), group))


def _share(fraction: float, n: int) -> int:
    return max(1, round(fraction * n))


def _by_capture(
    by_subject: dict[str, list[Group]], params: SplitParams, seed: int
) -> dict[Group, str]:
    assigned: dict[Group, str] = {}
    for groups in by_subject.values():
        n = len(groups)
        room = n - 2 if n >= 3 else n - 1
        test, rest = _cut(_shuffled(groups, seed), min(_share(params.test_fraction, n), room))
        assigned |= dict.fromkeys(test, "test")
        assigned |= _train_and_val(rest, _share(params.val_fraction, n), seed)
    return assigned


def _by_session(
    by_subject: dict[str, list[Group]], params: SplitParams, seed: int
) -> dict[Group, str]:
    assigned: dict[Group, str] = {}
    for groups in by_subject.values():
        sessions = sorted({session for _, session, _ in groups}, key=natural)
        n_test = min(_share(params.test_fraction, len(sessions)), len(sessions) - 1)
        last = sessions[len(sessions) - n_test :]
        rest = [group for group in groups if group[1] not in last]
        assigned |= {group: "test" for group in groups if group[1] in last}
        assigned |= _train_and_val(rest, _share(params.val_fraction, len(rest)), seed)
    return assigned


def _by_subject(
    by_subject: dict[str, list[Group]], params: SplitParams, seed: int
) -> dict[Group, str]:
    people = sorted(by_subject, key=lambda name: (_chance(seed, name), name))
    test_people, train_people = _cut(people, _share(params.test_fraction, len(people)))
    assigned: dict[Group, str] = {}
    for person in test_people:
        first, *rest = sorted(by_subject[person], key=lambda g: (natural(g[1]), natural(g[2])))
        assigned |= {first: "enroll"} | dict.fromkeys(rest, "test")
    for person in train_people:
        groups = by_subject[person]
        assigned |= _train_and_val(groups, _share(params.val_fraction, len(groups)), seed)
    return assigned


def _train_and_val(groups: list[Group], n_val: int, seed: int) -> dict[Group, str]:
    """Up to `n_val` of one person's groups for validation, at least one for training."""
    val, train = _cut(_shuffled(groups, seed), min(n_val, len(groups) - 1))
    return dict.fromkeys(val, "val") | dict.fromkeys(train, "train")


def _draw_windows(
    table: ClipTable, groups: list[Group], params: SplitParams, seed: int
) -> list[str]:
    parts = []
    for group, start_s in zip(groups, table.start_s.tolist(), strict=True):
        chance = _chance(seed, *group, start_s)
        drawn = "train"
        if chance < params.test_fraction:
            drawn = "test"
        elif chance < params.test_fraction + params.val_fraction:
            drawn = "val"
        parts.append(params.kept_out(group[0]) or drawn)
    return parts


def _cut(items: list[Any], n: int) -> tuple[list[Any], list[Any]]:
    return items[:n], items[n:]


def natural(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts numbers inside names by their value."""
    pieces = re.findall(r"(\d+)|(\D+)", name)
    return [(0, int(number), "") if number else (1, 0, text) for number, text in pieces]


def _assemble(
    table: ClipTable, groups: list[Group], parts: list[str], params: SplitParams, seed: int
) -> Split:
    place = np.array(parts)
    rows = {part: np.flatnonzero(place == part).astype(np.int64) for part in PARTS}
    walks = Counter(part for _, part in set(zip(groups, parts, strict=True)))
    subjects = {
        part: tuple(sorted(set(table.subject[rows[part]].tolist()))) for part in PARTS
    }
    untested = set(subjects["train"]) - set(subjects["test"])
    return Split(
        params=params, seed=seed, **rows,
        untested=tuple(sorted(untested)) if params.protocol != "subject" else (),
        unvalidated=tuple(sorted(set(subjects["train"]) - set(subjects["val"]))),
        n_groups={part: walks[part] for part in PARTS},
        subjects=subjects,
    )
