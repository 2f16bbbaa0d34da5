"""Clips trained a second by each student, what loading costs, and what cached embeddings save.

    python benches/training.py [--quick] [--students resnet18 ...] [--size 256] [--batch 16]
        [--steps 4] [--rounds 3] [--workers 0 2] [--cache-sizes 256 64] [--device auto]
        [--json out.json]

Clips and faces are random numbers, which cost what real ones do; weights are fresh ones, FaceNet's
too if there are none on this machine. Everything goes through the trainer's own epoch with the
IdentityKD recipe. One epoch warms up, of the rest the median counts. Tables:

students   the whole epoch with cached embeddings: clips a second, and the share of an epoch that
           waits for clips; beside it clips a second of the exported student (`identify`)
loading    one student, epochs with clips as they are, with every variation, and degraded
teacher    one student at two input sizes, epochs with cached embeddings and with FaceNet run for
           every batch, in turn; the embeddings are compared first
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

N_PEOPLE, N_FACES, N_VARIATIONS = 8, 32, 8
VARIED = (
    "augment.mirror=0.5", "augment.velocity_jitter=0.1", "augment.time_crop=0.1",
    "augment.time_shift=0.5", "augment.time_mask=0.1", "augment.velocity_mask=0.1",
)  # fmt: skip
DEGRADED = ("degrade.doppler=[1, 2, 4]", "degrade.noise_db=[0.0, 10.0]", "degrade.n_bands=2")


@dataclass(frozen=True)
class Sizes:
    """What is timed: pixels a side, clips of a batch, batches of an epoch, epochs."""

    size: int
    batch: int
    steps: int
    rounds: int
    device: str


@dataclass(frozen=True)
class CachedFaces:
    """Faces whose embeddings are known, as the trainer has them."""

    bank: Any

    def draw(self, clips: Any, rng: Any) -> Any:
        return self.bank.draw(rng.integers(len(self.bank.embeddings), size=len(clips)), rng)


@dataclass(frozen=True)
class LiveFaces:
    """Faces that are varied and embedded whenever they are drawn."""

    bank: Any
    crops: Any
    teacher: Any
    params: Any

    def draw(self, clips: Any, rng: Any) -> Any:
        import torch

        from radarid.learn.face_bank import vary

        chosen = self.crops[rng.integers(len(self.crops), size=len(clips))]
        found = self.teacher.measure(vary(chosen, self.params, rng))
        return tuple(torch.from_numpy(each) for each in found)


def make_data(sizes: Sizes, faces: Any) -> Any:
    """Random clips: an epoch to train on, two to validate with."""
    import numpy as np
    import torch

    from radarid.learn.training_data import Part, TrainingData

    def part(n: int) -> Any:
        rng = np.random.default_rng(n)
        images = rng.integers(0, 256, (n, sizes.size, sizes.size)).astype(np.uint8)
        labels = torch.arange(n) % N_PEOPLE
        return Part(np.arange(n), torch.from_numpy(images), labels, np.arange(n), 0 * labels)

    subjects = tuple(f"p{k}" for k in range(N_PEOPLE))
    train = part(sizes.batch * sizes.steps)
    return TrainingData(subjects, None, train, part(2), part(0), faces)


def make_trainer(sizes: Sizes, faces: Any, student: str, *changes: str) -> Any:
    """A trainer on random clips, after an epoch to warm up."""
    from radarid import config
    from radarid.learn.config import TrainConfig
    from radarid.learn.trainer import Trainer

    settings = [
        f"model.student={student}", f"model.input.size={sizes.size}",
        f"optim.batch_size={sizes.batch}", f"device={sizes.device}", *changes,
    ]  # fmt: skip
    trainer = Trainer(make_data(sizes, faces), config.load(TrainConfig, "train", None, settings))
    trainer.run_epoch(0)
    return trainer


def medians(lines: Sequence[dict[str, Any]], sizes: Sizes) -> dict[str, float]:
    """Middle, least and most of the epochs' lines of the log."""
    seconds = [line["seconds"] for line in lines]
    return {
        "seconds": statistics.median(seconds),
        "least_s": min(seconds),
        "most_s": max(seconds),
        "clips_per_s": sizes.batch * sizes.steps / statistics.median(seconds),
        "loading_share": statistics.median(line["loading_share"] for line in lines),
    }


def epochs(sizes: Sizes, faces: Any, student: str, *changes: str) -> dict[str, float]:
    """Time epochs of a training, and of the exported student."""
    trainer = make_trainer(sizes, faces, student, *changes)
    lines = [trainer.run_epoch(1 + k) for k in range(sizes.rounds)]
    return medians(lines, sizes) | {"identified_per_s": _identified(trainer, sizes)}


def cache_gain(sizes: Sizes, cached: Any, live: Any, student: str) -> dict[str, Any]:
    """Epochs with cached embeddings and with the teacher in the loop, in turn."""
    trainers = {"on": make_trainer(sizes, cached, student),
                "off": make_trainer(sizes, live, student)}  # fmt: skip
    lines: dict[str, list[Any]] = {"on": [], "off": []}
    for k in range(sizes.rounds):
        for kind in ("on", "off") if k % 2 else ("off", "on"):
            lines[kind].append(trainers[kind].run_epoch(1 + k))
    return {kind: medians(found, sizes) for kind, found in lines.items()}


def _identified(trainer: Any, sizes: Sizes) -> float:
    from radarid.learn.student_file import run

    images, took = trainer.data.train.images, []
    for _ in range(1 + sizes.rounds):
        start = time.perf_counter()
        run(trainer.student, images)
        took.append(time.perf_counter() - start)
    return len(images) / statistics.median(took[1:])


def find_teacher(device: str, folder: Path) -> tuple[Any, str]:
    """FaceNet with its weights, or with fresh ones where there are none; and which of them."""
    import torch
    from safetensors.torch import save_file

    from radarid.errors import TrainError
    from radarid.learn.teacher import Teacher, find_weights, new_network

    try:
        return Teacher(find_weights(), device), "trained weights"
    except TrainError:
        torch.manual_seed(0)
        path = folder / "fresh.safetensors"
        save_file(dict(new_network().state_dict()), path)
        return Teacher(path, device), "fresh weights"


def measure(
    sizes: Sizes, students: Sequence[str], workers: Sequence[int], cache_sizes: Sequence[int]
) -> dict[str, Any]:
    """Run everything; see the module."""
    import numpy as np

    from radarid.learn.config import FaceUse, pick_device
    from radarid.learn.face_bank import build_bank

    crops = np.random.default_rng(0).integers(0, 256, (N_FACES, 160, 160, 3)).astype(np.uint8)
    params = FaceUse(n_augmentations=N_VARIATIONS)
    with tempfile.TemporaryDirectory() as name:
        teacher, weights = find_teacher(pick_device(sizes.device), Path(name))
        start = time.perf_counter()
        bank = build_bank(crops, teacher, params, 0, Path(name))
        once_s = time.perf_counter() - start
        cached, live = CachedFaces(bank), LiveFaces(bank, crops, teacher, params)
        if not np.allclose(teacher.embed(crops), bank.embeddings[:, 0].numpy(), atol=1e-5):
            raise SystemExit("cached embeddings are not the teacher's: there is nothing to time")
        first = students[0]
        kinds = {"as they are": (), "every variation": VARIED, "degraded": DEGRADED}
        return {
            "device": pick_device(sizes.device),
            "teacher": weights,
            "students": {student: epochs(sizes, cached, student) for student in students},
            "loading": {
                f"{kind}, {n} workers": epochs(
                    sizes, cached, first, f"runtime.workers={n}", *changes
                )
                for kind, changes in kinds.items() for n in workers
            },
            "cache": {
                str(size): cache_gain(replace(sizes, size=size), cached, live, first)
                for size in cache_sizes
            },
            "embedding": {"once_s": once_s, "n_faces": N_FACES * (1 + N_VARIATIONS)},
        }  # fmt: skip


def show(report: dict[str, Any]) -> None:
    """Print the report as tables."""
    from rich.console import Console
    from rich.table import Table

    console, sizes = Console(), report["sizes"]
    what = f"{sizes['size']} x {sizes['size']} pixels, batches of {sizes['batch']}"
    for title, rows in (("students", report["students"]), ("loading", report["loading"])):
        table = Table(title, "trained clips/s", "least", "most", "share of loading",
                      "identified clips/s")  # fmt: skip
        table.title = f"{what}, {report['device']}"
        n = sizes["batch"] * sizes["steps"]
        for name, row in rows.items():
            table.add_row(
                name, f"{row['clips_per_s']:.2f}", f"{n / row['most_s']:.2f}",
                f"{n / row['least_s']:.2f}", f"{row['loading_share']:.2%}",
                f"{row['identified_per_s']:.1f}",
            )  # fmt: skip
        console.print(table)
    table = Table("pixels a side", "epoch s, cached", "FaceNet in the loop", "times as long")
    table.title = f"face embeddings, FaceNet with {report['teacher']}"
    for size, row in report["cache"].items():
        on_s, off_s = row["on"]["seconds"], row["off"]["seconds"]
        table.add_row(size, f"{on_s:.2f}", f"{off_s:.2f}", f"{off_s / on_s:.2f}")
    console.print(table)
    once = report["embedding"]
    console.print(f"embedding {once['n_faces']} faces once: {once['once_s']:.1f} s")
    console.print(f"threads {report['threads']}, cores {report['cores']}, load before "
                  f"{report['load']:.1f}")  # fmt: skip


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one student, 32 pixels, two batches")
    parser.add_argument("--students", nargs="+", default=None, help="all by default")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="batches of an epoch")
    parser.add_argument("--rounds", type=int, default=3, help="timed epochs")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--cache-sizes", type=int, nargs="+", default=[256, 64])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the report here")
    options = parser.parse_args()
    sizes = Sizes(options.size, options.batch, options.steps, options.rounds, options.device)
    if options.quick:
        sizes = Sizes(32, 4, 2, 1, "cpu")
    import torch

    from radarid.learn.config import use_all_cores
    from radarid.learn.students import BACKBONES

    use_all_cores()
    load = os.getloadavg()[0]
    students = options.students or (["resnet18"] if options.quick else list(BACKBONES))
    workers, cache_sizes = options.workers, options.cache_sizes
    if options.quick:
        workers, cache_sizes = [0], [32]
    report = measure(sizes, students, workers, cache_sizes)
    report |= {"sizes": vars(sizes), "threads": torch.get_num_threads(),
               "cores": os.cpu_count(), "load": load}  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
