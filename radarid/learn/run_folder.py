"""The folder of a run: which files there are, and who may write them when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.config import RadarConfig
from capture.schema import from_mapping, to_mapping
from radarid.data.split_file import split_facts
from radarid.data.splits import Split
from radarid.data.store import GaitStore
from radarid.dsp.params import DspParams
from radarid.errors import RunError, TrainError
from radarid.learn.checkpoint import read_json, write_json
from radarid.learn.config import TrainConfig
from radarid.provenance import history_entry, versions


@dataclass(frozen=True)
class RunFolder:
    """One training on disk: config.json, split.json, metrics.jsonl, last/, and the student."""

    path: Path

    @property
    def last(self) -> Path:
        """State after the last finished epoch, to resume from."""
        return self.path / "last"

    @property
    def exists(self) -> bool:
        """Whether a training was begun here."""
        return (self.path / "config.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether its student was exported."""
        return (self.path / "student.json").is_file()

    def begin(self, store: GaitStore, config: TrainConfig) -> None:
        """Make the folder of a new training.

        Raises
        ------
        TrainError
            There is one already.
        """
        if self.exists:
            raise TrainError(
                "a training was begun here already", where=self.path,
                remedy="--resume it, choose another --out, or delete the folder",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(
            self.path / "config.json",
            {
                "config": to_mapping(config),
                "store": str(store.path.resolve()),
                "radar": to_mapping(store.radar),
                "dsp": to_mapping(store.dsp),
                "versions": versions(),
                "history": [history_entry("training begun")],
            },
        )

    def read_config(self) -> TrainConfig:
        """Configuration that the training was begun with.

        Raises
        ------
        RunError
            No training here, or its file is damaged.
        """
        return from_mapping(TrainConfig, self._facts()["config"], where=self.path / "config.json")

    def store_path(self) -> Path:
        """Store that the training was begun with."""
        return Path(self._facts()["store"])

    def _facts(self) -> dict[str, Any]:
        if not self.exists:
            raise RunError("no training here", where=self.path, remedy="radarid train")
        return dict(read_json(self.path / "config.json"))

    def write_split(self, store: GaitStore, split: Split) -> None:
        """Write which clips and recordings serve what.

        Raises
        ------
        RunError
            The run was begun with another split, so the store has changed since.
        """
        facts = split_facts(store, split)
        path = self.path / "split.json"
        if not path.is_file():
            write_json(path, facts)
        elif read_json(path)["data"] != facts["data"]:
            raise RunError(
                "the store has changed since this run was begun", where=store.path,
                got="other clips, or clips divided otherwise",
                remedy="train anew on the store as it is",
            )

    def check_store(self, store: GaitStore) -> None:
        """Refuse a store of another waveform or signal processing.

        Raises
        ------
        StoreError
            Naming the keys that differ.
        """
        facts = self._facts()
        store.require(
            from_mapping(RadarConfig, facts["radar"]), from_mapping(DspParams, facts["dsp"])
        )

    def log_epoch(self, line: Mapping[str, Any]) -> None:
        """Append an epoch to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def epochs(self) -> list[dict[str, Any]]:
        """Every line of metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def forget_epochs_from(self, epoch: int) -> None:
        """Drop lines of epochs whose state was not saved before the training was stopped."""
        kept = [line for line in self.epochs() if line["epoch"] < epoch]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        (self.path / "metrics.jsonl").write_text(text, encoding="utf-8")
