"""Methods side by side: same clips, same budget, one tuned weight each, several seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.schema import differing_keys, to_mapping
from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.errors import RunError, TrainError
from radarid.learn.checkpoint import read_json, write_json
from radarid.learn.compare_stats import pairs, scores_of
from radarid.learn.compare_tables import draw, markdown
from radarid.learn.config import TrainConfig
from radarid.learn.evaluate import evaluate
from radarid.learn.face_bank import Embedder
from radarid.learn.guard import NotFiniteError
from radarid.learn.recipes import RECIPES
from radarid.learn.run_folder import RunFolder
from radarid.learn.trainer import train
from radarid.learn.training_data import split_and_label
from radarid.progress import log

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
_MAY_DIFFER = {
    "recipe", "extra_losses", "teacher_run", "average", "control", "save_every", "seed", *RECIPES
}  # fmt: skip


@dataclass(frozen=True)
class Method:
    """One row of the comparison.

    Parameters
    ----------
    recipe : name or file that its configuration comes from
    preset : laid over it
    settings : swept keys and their values
    changes : `key=value` of all trainings of the comparison
    """

    recipe: str
    preset: str | None
    settings: Mapping[str, str]
    changes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The recipe's, with the settings of a sweep."""
        return " ".join([self.stem, *(f"{key}={value}" for key, value in self.settings.items())])

    @property
    def stem(self) -> str:
        """Of the recipe's file."""
        return Path(self.recipe).stem

    @property
    def folder(self) -> str:
        """Of the runs, below that of the recipe, when no weight is tuned."""
        return ",".join(f"{key}={value}" for key, value in self.settings.items()) or "x1"

    def config(self, *more: str) -> TrainConfig:
        """Configuration of a training."""
        names = [self.recipe, f"preset-{self.preset}"] if self.preset else [self.recipe]
        swept = [f"{key}={value}" for key, value in self.settings.items()]
        return configs.load(TrainConfig, "train", names, (*self.changes, *swept, *more))


@dataclass(frozen=True)
class Bench:
    """Where the methods are trained.

    Parameters
    ----------
    store_path : gait store
    out : folder of the comparison
    teacher : embeds faces; None loads FaceNet where a recipe needs it
    cache : folder of the face embeddings
    """

    store_path: Path
    out: Path
    teacher: Embedder | None
    cache: Path

    def train(self, method: Method, folder: str, seed: int, *changes: str) -> RunFolder:
        """Train a method, go on with its training, or find it finished.

        Raises
        ------
        RunError
            The folder holds a training of another configuration or of other clips.
        """
        run = RunFolder(self.out / method.stem / folder / f"seed{seed}")
        config = method.config(*changes, f"seed={seed}")
        if run.exists:
            other = differing_keys(run.read_config(), config)
            if other:
                raise RunError(
                    "a run of another configuration is here", where=run.path,
                    got="; ".join(other[:3]), remedy="another --out, or delete the folder",
                )  # fmt: skip
        if not run.is_finished:
            log.info("training %s", run.path.relative_to(self.out))
            train(
                self.store_path, run.path, None if run.exists else config,
                teacher=self.teacher, cache=self.cache,
            )  # fmt: skip
        with GaitStore.open(self.store_path) as store:
            run.check_store(store)
            run.write_split(store, split_and_label(store, config)[1])
        return run

    def score(self, run: RunFolder, *, control: bool = False) -> dict[str, Any]:
        """Score a run on the test part, or read the scores of an earlier call."""
        path = run.path / "evaluation.json"
        if path.is_file() and (run.path / "predictions.npz").is_file():
            result = dict(read_json(path))
            if not control or isinstance(result["control"], dict):
                return result
        return evaluate(run.path, self.store_path, control=control, teacher=self.teacher)


def compare(
    recipes: Sequence[str],
    store_path: Path,
    out: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    preset: str | None = None,
    changes: Sequence[str] = (),
    tune: Sequence[float] = FACTORS,
    sweep: Mapping[str, Sequence[str]] | None = None,
    control: bool = True,
    teacher: Embedder | None = None,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Train and score methods under the same conditions; goes on where it was stopped.

    Parameters
    ----------
    recipes : names or TOML files
    store_path : gait store that all of them are trained and scored on
    out : folder; OUT/<recipe>/x<factor>/seed<k>/ are ordinary runs
    seeds : of the trainings; the split is the same for all
    preset, changes : laid over every recipe, as in `radarid train`
    tune : factors of the default of each recipe's one tuned weight (`Recipe.tuned`) that are tried
        with the first seed; empty, or with a `sweep`, every weight stays as configured
    sweep : configuration key -> values in TOML syntax; every recipe is trained with every
        combination of them, each a row of its own (OUT/<recipe>/<key>=<value>/seed<k>/)
    control : train the first method's first run on shuffled labels, too. One is enough: a leak
        belongs to clips and split, which all methods share
    teacher, cache : see `radarid.learn.trainer.train`; face embeddings lie in `out` by default

    Returns
    -------
    dict
        What compare.json holds; compare.md and compare.png lie beside it.

    Raises
    ------
    TrainError
        Recipes whose student, data or budget differ, one named twice, or a weight of 0 to tune.
    RunError
        The folder holds runs of another configuration, or of a store that has changed.

    Notes
    -----
    The weight is chosen by macro recall on the validation clips, the factor nearest to 1 winning
    a tie; one whose training does not stay finite is out. The test part is looked at with the
    chosen weight only. Means and sample deviations go
    over seeds; for the tests between methods see `radarid.learn.compare_stats.pairs`.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise TrainError("a comparison needs seeds, all different", got=list(seeds))
    methods = _methods(recipes, preset, changes, sweep or {})
    bench = Bench(store_path, out, teacher, cache or out)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    for method in methods:
        folder, chosen, tuning = _tune(bench, method, seeds[0], () if sweep else tune)
        runs = [bench.train(method, folder, seed, *chosen) for seed in seeds]
        own = [bench.score(run, control=control and run is runs[0] and not rows) for run in runs]
        evaluations += own
        rows.append(_row(bench, method, tuning, runs, own))
    result = {
        **_facts(store_path, evaluations[0]),
        "seeds": list(seeds),
        "preset": preset,
        "changes": list(changes),
        "sweep": {key: list(values) for key, values in (sweep or {}).items()},
        "methods": rows,
        "pairs": pairs({row["name"]: [out / run for run in row["runs"]] for row in rows}),
    }
    write_json(out / "compare.json", result)
    (out / "compare.md").write_text(markdown(result), encoding="utf-8")
    draw(result, out / "compare.png")
    return result


def _facts(store_path: Path, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for all methods: data, chance, and the control."""
    split = evaluation["split"]
    shared = ("n_subjects", "n_test_clips", "n_test_walks", "chance", "control")
    return {
        "store": str(store_path.resolve()),
        "protocol": split["protocol"],
        "leaking": split["leaking"],
        **{key: evaluation[key] for key in shared},
    }


def _methods(
    recipes: Sequence[str], preset: str | None, changes: Sequence[str],
    sweep: Mapping[str, Sequence[str]],
) -> list[Method]:  # fmt: skip
    """Every recipe with every combination of swept values, if they can be compared."""
    if not recipes:
        raise TrainError("a comparison needs a recipe", got="none")
    bases = [Method(recipe, preset, {}, tuple(changes)) for recipe in recipes]
    stems = [base.stem for base in bases]
    for stem in stems:
        if stems.count(stem) > 1:
            raise TrainError("two recipes of one name", got=stem, remedy="rename one file")
    _check_alike(bases)
    for key, values in sweep.items():
        bad = [value for value in values if "/" in value or "\\" in value]
        if bad or not values or len(set(values)) != len(values):
            raise TrainError(
                "a sweep needs values, all different, that can name folders",
                where=f"--sweep {key}", got=", ".join(bad or values) or "none",
            )
    combinations = [
        dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())
    ]
    methods = [
        Method(base.recipe, preset, settings, tuple(changes))
        for base in bases for settings in combinations
    ]  # fmt: skip
    for method in methods:
        method.config()  # before the first training: is every value possible?
    return methods


def _check_alike(bases: Sequence[Method]) -> None:
    """Refuse recipes that differ in more than the method."""
    first, *others = [to_mapping(base.config()) for base in bases]
    for base, other in zip(bases[1:], others, strict=True):
        for key in first.keys() - _MAY_DIFFER:
            if first[key] != other[key]:
                raise TrainError(
                    "methods must share student, data and budget to be compared",
                    where=f"{bases[0].stem} and {base.stem}",
                    got="; ".join(differing_keys({key: first[key]}, {key: other[key]})[:3]),
                    remedy="--set the key for all of them",
                )


def _tune(
    bench: Bench, method: Method, seed: int, factors: Sequence[float]
) -> tuple[str, list[str], dict[str, Any] | None]:
    """Folder and overrides of the weight that validates best, and how it was chosen."""
    config = method.config()
    key = RECIPES[config.recipe].tuned
    if not key or not factors:
        return method.folder, [], None
    default: Any = to_mapping(config)
    for part in key.split("."):
        default = default[part]
    if not default:
        raise TrainError(
            "a weight of 0 cannot be tuned by factors", where=method.stem, got=f"{key}={default}"
        )
    changes = {factor: [f"{key}={factor * default:.6g}"] if factor != 1 else []
               for factor in factors}  # fmt: skip
    scores: dict[float, float] = {}
    for factor, change in changes.items():
        try:
            scores[factor] = _validation(bench.train(method, f"x{factor:g}", seed, *change))
        except NotFiniteError as failure:
            log.warning("%s, %s x %g is out: %s", method.stem, key, factor, failure)
    if not scores:
        raise TrainError(
            "no training comes to an end", where=method.stem, got=f"{key} x {list(factors)}",
            remedy="a smaller optim.lr, or runtime.clip_norm",
        )
    best = max(scores, key=lambda factor: (scores[factor], -abs(math.log(factor)), factor))
    tuning = {
        "key": key,
        "default": default,
        "factor": best,
        "value": float(f"{best * default:.6g}"),
        "seed": seed,
        "val_macro_recall": {f"{factor:g}": scores.get(factor) for factor in factors},
    }
    return f"x{best:g}", changes[best], tuning


def _validation(run: RunFolder) -> float:
    """Macro recall of a run's exported weights on the validation clips."""
    facts = read_json(run.path / "student.json")["facts"]
    return float(facts["candidates"][facts["selected"]]["macro_recall"])


def _row(
    bench: Bench, method: Method, tuning: dict[str, Any] | None, runs: Sequence[RunFolder],
    evaluations: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    return {
        "name": method.name,
        "recipe": method.stem,
        "settings": dict(method.settings),
        "tuning": tuning,
        "runs": [run.path.relative_to(bench.out).as_posix() for run in runs],
        "val_macro_recall": [_validation(run) for run in runs],
        "scores": scores_of(evaluations),
        "seconds": [sum(line["seconds"] for line in run.epochs()) for run in runs],
    }
