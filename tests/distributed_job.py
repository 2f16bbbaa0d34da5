"""A short training in double precision, to be run alone or by every process of a torchrun.

    python -m torch.distributed.run --nproc-per-node 2 tests/distributed_job.py STORE OUT

Process R writes OUT/R.safetensors (state of the recipe and gradients of the last step) and
OUT/R.json (lines of the log).
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from toy_store import ToyTeacher

from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.learn import distributed
from radarid.learn.config import TrainConfig
from radarid.learn.face_bank import FaceBank
from radarid.learn.trainer import Trainer
from radarid.learn.training_data import load_training_data

CONFIG = (
    # 18 clips: batches of 5, 5, 4 and 4, so shares of 3 and 2.
    "model.input.size=32", "optim.n_epochs=2", "optim.batch_size=5", "optim.lr=1e-3",
    "identitykd.begin=1", "faces.n_augmentations=1", "augment.time_shift=0.3",
    "augment.mirror=0.5", "average.floor=0.0", 'sampling.balance="identity"',
    "runtime.clip_norm=1.0", 'extra_losses.vid.options.of="embedding"', "degrade.n_bands=1",
)  # fmt: skip


def main(store: Path, out: Path) -> None:
    torch.set_default_dtype(torch.float64)
    config = configs.load(TrainConfig, "train", None, CONFIG)
    with distributed.session("cpu"), tempfile.TemporaryDirectory() as cache:
        with GaitStore.open(store) as opened:
            data = load_training_data(opened, config, ToyTeacher(), Path(cache))
        assert data.faces is not None
        bank = FaceBank(data.faces.bank.embeddings.double())
        trainer = Trainer(replace(data, faces=replace(data.faces, bank=bank)), config)
        trainer.student.backbone.register_forward_pre_hook(lambda _, given: given[0].double())
        lines = [trainer.run_epoch(epoch) for epoch in range(config.optim.n_epochs)]
        named = trainer.recipe.named_parameters()
        gradients = {f"gradient.{name}": p.grad for name, p in named if p.grad is not None}
        tensors = trainer.recipe.state_dict() | gradients
        place = out / str(distributed.rank())
        save_file({name: value.contiguous() for name, value in tensors.items()},
                  place.with_suffix(".safetensors"))  # fmt: skip
        place.with_suffix(".json").write_text(json.dumps(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
