"""The text that goes with an exported student: data, protocol, figures, privacy, audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.schema import fingerprint
from radarid import __version__
from radarid.learn.checkpoint import read_json
from radarid.learn.student_facts import GaitStudent

if TYPE_CHECKING:
    from radarid.live.export import Exported

_FIGURES = (
    ("clips named rightly", "clips.accuracy"),
    ("walks named rightly", "walks.accuracy"),
    ("clips, mean over people", "clips.macro_recall"),
    ("worst person, clips", "worst_subject.recall"),
    ("rank 1 by templates, walks", "retrieval.rank_1"),
    ("equal error rate, walks", "retrieval.eer"),
    ("known walks named by the threshold", "open_set.known_walks_identified"),
    ("strangers' walks accepted", "open_set.strangers_accepted"),
    ("found at 1 % false alarms (DIR)", "open_set.dir_at_far.0.01"),
    ("calibration error of clips (ECE), scaled", "calibration.after.ece"),
    ("chance: guessing", "chance.guessing"),
    ("chance: always the same answer", "chance.most_frequent"),
    ("control, shuffled labels, clips", "control.clip_accuracy"),
)
_PROTOCOLS = {
    "capture": "no recording trains and tests",
    "session": "tested on days that are not trained on",
    "subject": "tested on people who are not trained on, enrolled with their first walk",
    "clip": "LEAKING: clips of one walk train and test",
}
_ROUNDED = {
    "int8": "The weights were then rounded to 8 bits, the scale of each layer's input found anew "
    "for every clip.",
    "bfloat16": "With `--bfloat16` OpenVINO computes this file in bfloat16: weights, and what "
    "flows between the layers, are rounded to 8 significant bits, sums are not. Galleries are not "
    "exchanged between the two.",
}
_PRIVACY = """\
A camera may have taught this student while it was trained; the camera's network, every picture
and every face embedding stayed behind. The file holds the network, a gait template and the name
(or pseudonym) of each person, and the signal processing. Gait templates are biometric data: who
has the file and a radar can recognise these people, without their knowledge. Hand it on as such,
use pseudonyms, and delete it when its purpose is gone. It runs without a network connection, and
loading it runs no code of its own. Errors are not rare (see the figures): it must not be the
only ground for a decision about a person."""


def card_text(run: Path, student: GaitStudent, exported: Exported) -> str:
    """Markdown text about an exported student.

    Parameters
    ----------
    run : folder of its training, whose evaluation.json is quoted
    student : that was exported
    exported : what `radarid.live.export.export` wrote

    Raises
    ------
    RunError
        An evaluation.json that cannot be read.
    """
    path = run / "evaluation.json"
    scores = read_json(path) if path.is_file() else {}
    sections = {
        "What it is": _what(student, exported),
        "Data": _data(student, scores),
        "Figures": _figures(scores),
        "Exported against trained": _check(exported),
        "Privacy": _PRIVACY.splitlines(),
        "Audit": _audit(exported),
    }
    lines = [f"# {exported.path.name}: gait student of radarid {__version__}"]
    for title, text in sections.items():
        lines += ["", f"## {title}", "", *text]
    return "\n".join(lines) + "\n"


def _what(student: GaitStudent, exported: Exported) -> list[str]:
    side, see = student.dsp.image_size, student.input
    return [
        f"Says which of {len(student.subjects)} people walked in front of a radar, from "
        f"micro-Doppler clips of {student.dsp.clip_s:g} s.",
        "",
        f"- Network: {student.name}, {exported.precision} weights, {exported.n_bytes / 1e6:.1f} MB",
        f"- Input `clips`: float32 (n, {'3, ' if see.channels == 'stack' else ''}{side}, {side}) "
        f"in [0, 1]: 0 is {student.dsp.span_db:g} dB below the clip's peak; rows are velocity, "
        "towards the radar first; columns are time",
        f"- Inside: brought to {see.size} x {see.size} pixels by area, channels "
        f"\"{see.channels}\", {'mirrored to one direction' if see.fold else 'not mirrored'}",
        "- Outputs: `embedding`, `logits`, and `templates`, which do not depend on the input",
        f"- Threshold of a walk's mean logits between known and unknown: {student.threshold:.4g}",
        f"- Radar configuration {fingerprint(student.radar)}, signal processing "
        f"{fingerprint(student.dsp)}, both complete in the file's metadata",
        "- Use: `radarid identify --model FILE.onnx WALK.bin`; torch is not needed",
    ]


def _data(student: GaitStudent, scores: Mapping[str, Any]) -> list[str]:
    facts, radar = student.facts, student.radar
    split = facts.get("split", {})
    protocol = split.get("protocol", "unknown")
    lines = [
        f"- Radar: {radar.device}, {radar.start_frequency_hz / 1e9:g} GHz, "
        f"{1 / radar.frame_period_s:.1f} frames per second",
        f"- Recipe: {facts.get('recipe', 'unknown')}, seed {facts.get('seed', 'unknown')}, "
        f"weights: {facts.get('selected', 'unknown')}",
        f"- Protocol \"{protocol}\": {_PROTOCOLS.get(protocol, 'see split.json of the run')}",
    ]
    if facts.get("shuffled_labels"):
        lines.append("- Labels were shuffled: this is a control that must not recognise anybody")
    for name, part in scores.get("split", {}).get("parts", {}).items():
        if part["n_clips"]:
            lines.append(
                f"- {name}: {len(part['subjects'])} people, {part['n_groups']} walks, "
                f"{part['n_clips']} clips"
            )
    return lines


def _figures(scores: Mapping[str, Any]) -> list[str]:
    if not scores:
        return ["Not evaluated: `radarid evaluate RUN`, then export again."]
    rows = list(_rows(scores))
    lines = [
        "From the run's evaluation.json, on its test part; intervals of 95 % draw whole walks.",
        "", "| | value | 95 % |", "|---|---|---|", *rows,
    ]  # fmt: skip
    if (plain := _at(scores, "undegraded.clips.accuracy")) is not None:
        lines += ["", f"The clips were degraded, as in training; {plain:.3f} are named rightly as "
                  "they are."]  # fmt: skip
    return lines


def _rows(scores: Mapping[str, Any]) -> Iterator[str]:
    for label, place in _FIGURES:
        value, interval = _at(scores, place), _at(scores, f"{place}_interval")
        if isinstance(value, float):
            span = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
            yield f"| {label} | {value:.3f} | {span} |"


def _at(values: Any, place: str) -> Any:
    """Value at a dotted place, whose last name may hold dots itself; None where there is none."""
    head, _, rest = place.partition(".")
    if not isinstance(values, Mapping):
        return None
    if place in values:
        return values[place]
    return _at(values[head], rest) if rest and head in values else None


def _check(exported: Exported) -> list[str]:
    check, cost = exported.check, exported.cost
    made_up = check.n_clips - check.n_real
    lines = [
        f"On {made_up} made-up clips and {check.n_real} of the test part, logits of the float32 "
        f"graph are within {check.logits:.1e} of the trained student's, embeddings within "
        f"{check.embeddings:.1e}.",
    ]
    if not exported.held_against:
        return lines
    lines += ["", _ROUNDED[exported.held_against]]
    if isinstance(cost, str):
        return [*lines, f"What that costs was not measured: {cost}."]
    lines += ["", "| test part | clips named rightly | walks | logits differ by | least cosine |",
              "|---|---|---|---|---|"]  # fmt: skip
    return lines + [
        f"| {name} | {each.clips:.3f} | {each.walks:.3f} | {each.logit_difference:.2g} "
        f"| {each.least_cosine:.5f} |"
        for name, each in cost.items()
    ]


def _audit(exported: Exported) -> list[str]:
    report = exported.audit
    return [
        f"`radarid audit`: {'clean' if report.is_clean else 'NOT clean'}. {report.n_examined} "
        "tensors were examined; each is of the student's network, or small. No teacher, composer, "
        "face picture or face embedding is in the file.",
    ]
