"""`adloom pretrain-pbs --data`: the background encoder, from nothing, on a data set's ads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from adloom.loop.demo.pretraining.background import WEIGHTS_FILE, PbsPlan, train_encoder
from adloom.loop.demo.pretraining.run import training_run
from adloom.loop.evaluation.dataset.scene_pairs import ScenePairs
from adloom.models.datasets.shards import Manifest
from adloom.models.quality.background import BackgroundEncoder


def pretrain_pbs_on(data: Path, out: Path, plan: PbsPlan | None = None) -> Path:
    """Train the encoder on the pictures that are not held out; returns the file of its weights.

    Progress is kept in ``out`` every ``plan.checkpoint_every`` steps, for each data set by itself:
    run the same command again after a stop. Losses go to the MLflow run in progress or a new one.

    Raises:
        BadShards: the data set is not complete, or a shard is damaged.
        CannotJudge: there are fewer than two pictures to train on.
    """
    plan = plan or PbsPlan()
    pairs = ScenePairs(data, plan.batch)
    named = hashlib.sha256(Manifest.load(data).model_dump_json().encode()).hexdigest()[:12]
    torch.manual_seed(plan.seed)
    encoder = BackgroundEncoder()
    of_run = {name: value for name, value in vars(plan).items() if name != "variants"}
    with training_run("pretrain-pbs", of_run | {"data": str(data)}) as progress:
        state = out / f"pbs-state-{named}.safetensors"
        train_encoder(encoder, pairs.drawn, plan, state, progress)
    encoder.save_pretrained(out / WEIGHTS_FILE)
    return out / WEIGHTS_FILE
