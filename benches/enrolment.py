"""People whom a student never saw, enrolled with few walks: are they known on another day?

    python benches/enrolment.py --run RUN [--store STORE] [--walks 1 2 3 5 0] [--rounds 20]
        [--seed 0] [--json out.json]

RUN kept people out of its training: `split.protocol=subject`, or `split.unknown_subjects`. Each
round draws half of those who have two days, and enough walks on the first, to be enrolled with
walks of their first day (0: all of them) and looked for on later ones; all others play strangers,
with all their walks. A walk that several recordings saw is enrolled with all of them; every one
is a probe. Gallery, matcher and background are those of `enroll` and `identify`.

Rounds are scored together, and intervals (95 %) draw people anew. TAR and DIR stand at a false
accept rate among the probes themselves; "named" is what `identify` says whose threshold was set for
that rate on the run's outsiders, beside the strangers that it takes for somebody.
"""

from __future__ import annotations

import argparse
import functools
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

RATES = (0.01, 0.001)
N_DRAWS = 200  # of an interval
NOBODY = -1


@dataclass(frozen=True)
class Clips:
    """Clips of people whom the student never saw; arrays of one length."""

    subject: np.ndarray
    session: np.ndarray
    take: np.ndarray
    direction: np.ndarray
    recording: np.ndarray
    embedding: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Clips:
        return Clips(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def days(self, name: str) -> list[str]:
        """A person's days, in order."""
        from radarid.data.splits import natural

        return sorted(set(self.session[self.subject == name].tolist()), key=natural)

    def takes(self, name: str, day: str) -> list[str]:
        """Walks of a person on one day."""
        return sorted(set(self.take[(self.subject == name) & (self.session == day)].tolist()))


@dataclass(frozen=True)
class Trials:
    """Recordings against those enrolled in their round; arrays of one length.

    `scores` are nats, (n, n_enrolled); `label` is the own person's column or NOBODY, `answer` the
    one that `identify` names at each of RATES, or NOBODY.
    """

    scores: np.ndarray
    label: np.ndarray
    answer: np.ndarray
    person: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Trials:
        return Trials(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def unseen(store: Any, split: Any, student: Any) -> Clips:
    """Everybody who was kept out of training, validation and threshold."""
    from radarid.live.enrolment import embed_clips

    table = store.table()
    used = {name for part in ("train", "val", "outsiders") for name in split.subjects[part]}
    rows = np.flatnonzero(~np.isin(table.subject, sorted(used)))
    assert len(rows), "the run kept nobody out: --set split.protocol=subject"
    return Clips(
        table.subject[rows], table.session[rows], table.take[rows], table.direction[rows],
        table.recording[rows], embed_clips(store, rows, student),
    )  # fmt: skip


def enrolled(gallery: Any, clips: Clips) -> Any:
    """The gallery with all these recordings in it."""
    from radarid.live.enrolment import combine
    from radarid.live.gallery import to_templates

    walks = [clips[clips.recording == number] for number in np.unique(clips.recording)]
    return gallery.enroll(combine([
        to_templates(walk.embedding, walk.direction, str(walk.subject[0]), str(walk.session[0]),
                     str(walk.recording[0]))
        for walk in walks
    ]))  # fmt: skip


def probe(gallery: Any, clips: Clips) -> Trials:
    """Every recording against a gallery, decided as `identify` does."""
    from radarid.learn.openset import walk_means
    from radarid.live.matcher import Matcher

    matchers = [
        Matcher(gallery.with_params(replace(gallery.params, false_accept_rate=rate)))
        for rate in RATES
    ]
    known = matchers[0]
    means, first = walk_means(known.scores(clips.embedding), clips.recording)
    n_clips = np.unique(clips.recording, return_counts=True)[1]
    nats = known.model.evidence(means, n_clips[:, None])
    column = {name: k for k, name in enumerate(known.subjects)} | {None: NOBODY}
    return Trials(
        nats,
        np.array([column.get(name, NOBODY) for name in clips.subject[first].tolist()]),
        np.array([[column[each.decide(row).subject] for each in matchers] for row in nats]),
        clips.subject[first],
    )


def play(clips: Clips, gallery: Any, able: list[str], n_walks: int, args: Any) -> Trials:
    """All rounds with this number of enrolment walks, 0 for all; the same people whatever it is."""
    from radarid import seeding

    rounds = []
    for number in range(args.rounds):
        rng = seeding.rng(args.seed, "enrolment", number)
        chosen = rng.permutation(able)[: len(able) // 2]
        is_enrolled, is_probe = np.zeros(len(clips.subject), bool), ~np.isin(clips.subject, chosen)
        for name in chosen:
            own, (first, *later) = clips.subject == name, clips.days(name)
            takes = rng.permutation(clips.takes(name, first))[: n_walks or None]
            is_enrolled |= own & (clips.session == first) & np.isin(clips.take, takes)
            is_probe |= own & np.isin(clips.session, later)
        rounds.append(probe(enrolled(gallery, clips[is_enrolled]), clips[is_probe]))
    return Trials(**{
        each.name: np.concatenate([getattr(one, each.name) for one in rounds])
        for each in fields(Trials)
    })  # fmt: skip


def figure(what: str, rate: float, trials: Trials) -> float:
    """One of the figures of a table's row."""
    from radarid.learn import metrics

    known, strange = trials[trials.label != NOBODY], trials[trials.label == NOBODY]
    scores, label, column = known.scores, known.label, RATES.index(rate)
    match what:
        case "rank_1":
            return float((metrics.ranks(scores, label) == 1).mean())
        case "eer":
            return metrics.eer(*metrics.genuine_and_impostor(scores, label))
        case "tar":
            return metrics.tar_at_far(*metrics.genuine_and_impostor(scores, label), rate)
        case "dir":
            return metrics.dir_at_far(scores, label, strange.scores, rate)
        case "named":
            return float((known.answer[:, column] == label).mean())
        case _:
            return float((strange.answer[:, column] != NOBODY).mean())


def row(trials: Trials) -> dict[str, Any]:
    """Every figure with its interval."""
    from radarid.learn.bootstrap import bootstrap_interval

    wanted = [("rank_1", RATES[0]), ("eer", RATES[0])]
    wanted += [(what, rate) for what in ("tar", "dir", "named", "taken") for rate in RATES]
    result = {}
    for what, rate in wanted:
        of = functools.partial(figure, what, rate)
        interval = bootstrap_interval(
            lambda rows, of=of: of(trials[rows]), trials.person, n_draws=N_DRAWS
        )
        name = what if what in ("rank_1", "eer") else f"{what}_{rate}"
        result[name] = {"value": of(trials), "interval": interval}
    return result


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """A row for each number of enrolment walks, and what they were counted on."""
    from radarid.data.store import GaitStore
    from radarid.learn.run_folder import RunFolder
    from radarid.learn.student_file import load_student
    from radarid.learn.training_data import split_and_label
    from radarid.live.enrolment import run_background
    from radarid.live.gallery import Gallery, MatchParams, no_templates

    folder, student = RunFolder(args.run), load_student(args.run)
    with GaitStore.open(args.store or folder.store_path()) as store:
        folder.check_store(store)
        clips = unseen(store, split_and_label(store, folder.read_config())[1], student)
        background, source = run_background(student, args.run, store)
    gallery = Gallery(
        student.fingerprint, student.radar, student.dsp, no_templates(clips.embedding.shape[1]),
        background, source, MatchParams(),
    )  # fmt: skip
    people = sorted(set(clips.subject.tolist()))
    able = [
        name for name in people
        if len(days := clips.days(name)) > 1 and len(clips.takes(name, days[0])) >= max(args.walks)
    ]
    assert len(able) > 3, f"only {able} have two days and {max(args.walks)} walks on the first"
    rows = {}
    for n_walks in args.walks:
        trials = play(clips, gallery, able, n_walks, args)
        rows[str(n_walks or "all")] = row(trials)
    known = trials.label != NOBODY
    return {
        "rows": rows, "people": people, "enrolled_in_turn": able, "rounds": args.rounds,
        "n_enrolled": len(able) // 2, "n_strangers": len(people) - len(able) // 2,
        "n_probes": int(known.sum()) / args.rounds,
        "n_stranger_probes": int((~known).sum()) / args.rounds,
        "background": {"source": source, "n_people": len(background.people),
                       "n_recordings": len(np.unique(background.walk))},
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    """Print a table, and what a reader must know to read it right."""
    percent = " / ".join(f"{rate:.1%}" for rate in RATES)
    print(f"| enrolment walks | rank 1 | EER | TAR at FAR {percent} | DIR at FAR {percent} "
          f"| named rightly, threshold for {percent} | strangers taken for somebody |\n"
          "|---|---|---|---|---|---|---|")
    for name, found in result["rows"].items():
        cells = [_cell(found["rank_1"]), _cell(found["eer"])]
        cells += [
            " / ".join(_cell(found[f"{what}_{rate}"]) for rate in RATES)
            for what in ("tar", "dir", "named", "taken")
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    background, n = result["background"], result["n_stranger_probes"]
    pairs = result["n_probes"] * (result["n_enrolled"] - 1)
    print(f"\n{result['rounds']} rounds; in each {result['n_enrolled']} people enrolled, who walk "
          f"in {result['n_probes']:.0f} recordings of another day, and {result['n_strangers']} "
          f"strangers in {n:.0f}.\nThreshold set on {background['n_recordings']} recordings of "
          f"{background['n_people']} people whom the student has {background['source']}.")
    for what, count in (("comparisons of two people", pairs), ("recordings of strangers", n),
                        ("recordings of the background", background["n_recordings"])):
        if 1 / count > min(RATES):
            print(f"A FAR below {1 / count:.2%} lets in none of a round's {count:.0f} {what}.")


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.1%} ({low:.0%} to {high:.0%})"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training")
    parser.add_argument("--store", type=Path, help="default: the one it was trained on")
    parser.add_argument("--walks", type=int, nargs="+", default=[1, 2, 3, 5, 0], metavar="N")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    args = parser.parse_args()
    result = measure(args)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
