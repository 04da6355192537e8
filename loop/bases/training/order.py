"""What is to be trained on what: all that can be refused is, before a weight is loaded."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from adloom.models.config import CONFIG_FILE, AdGeneratorConfig
from adloom.models.datasets.shards import Manifest, shard_files
from adloom.models.picture_encoder import PictureEncoder
from adloom.models.training.base.plan import BasePlan

TRAINING = "training"
"""Folder of a run in which its training is kept."""
ORDER = "order.json"


class CannotTrain(ValueError):
    """A training that cannot begin, or go on; the message says why and what to do."""


class TrainingOrder(BaseModel):
    """A training: of which base, on which data set, by which plan, in how many processes.

    ``data_set`` is what the data set was when it began.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path
    data: Path
    data_set: Manifest
    plan: BasePlan
    processes: int

    @classmethod
    def of(cls, base: Path, data: Path, plan: BasePlan, processes: int) -> TrainingOrder:
        """The order, which is held against its data set and its base.

        Raises:
            BadShards: the data set is not complete, or damaged.
            CannotTrain: one of its splits is empty, or the base cannot read its codes.
            FileNotFoundError: ``base`` is none.
        """
        shard_files(data)
        data_set = Manifest.load(data)
        for split in ("train", "heldout"):
            if not data_set.records.get(split):
                raise CannotTrain(
                    f"{data} has no records to train on and to hold out: {split} is 0 "
                    "(adloom base encode --heldout, into another folder)"
                )
        AdGeneratorConfig.load(base)
        if not data_set.read_by(PictureEncoder.from_pretrained(base, "cpu")):
            raise CannotTrain(
                f"{data} was encoded with another codebook than {base} has: encode it with this "
                f"base (adloom base encode --base {base})"
            )
        given = {"base": base.resolve(), "data": data.resolve(), "data_set": data_set}
        return cls(**given, plan=plan, processes=processes)

    @classmethod
    def load(cls, out: Path) -> TrainingOrder | None:
        """What was begun in ``out``; None where nothing was.

        Raises:
            CannotTrain: it is damaged.
        """
        path = out / TRAINING / ORDER
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise CannotTrain(f"{path} is damaged: begin anew in another --out") from error

    def refuse_other(self, out: Path) -> None:
        """Hold the order against what was begun in ``out``.

        Raises:
            CannotTrain: that is another one, or what lies there is no training.
        """
        begun = TrainingOrder.load(out)
        if begun is None:
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise CannotTrain(f"{out} holds no training: choose another --out, or remove it")
            return
        if (other := _difference(begun, self)) is not None:
            raise CannotTrain(
                f"{out} was begun with {other}: give the same to go on, or another --out to begin"
            )

    def save(self, out: Path) -> None:
        """Note it in ``out``, in one move."""
        folder = out / TRAINING
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{ORDER}.partial"
        partial.write_text(self.model_dump_json(indent=2) + "\n")
        partial.replace(folder / ORDER)


def is_finished(out: Path) -> bool:
    """Whether the training in ``out`` has come to its end: it is a base then."""
    return (out / CONFIG_FILE).is_file()


def _difference(begun: TrainingOrder, order: TrainingOrder) -> str | None:
    """The first thing that they differ in, as it was begun."""
    before, now = begun.model_dump(mode="json"), order.model_dump(mode="json")
    for old, new in ((before.pop("plan"), now.pop("plan")), (before, now)):
        for name, value in old.items():
            if new[name] != value:
                told = "the data set as it was then" if name == "data_set" else value
                return f"{name.replace('_', '-')} {told}"
    return None
