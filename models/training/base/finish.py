"""A base of what was trained: the base that it began with, with all that it learned folded in."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PretrainedConfig

from adloom.models.ad_generator import AdGenerator
from adloom.models.conditioning import CONDITIONING_FILE
from adloom.models.config import CONFIG_FILE
from adloom.models.folders import DINOV2_FOLDER
from adloom.models.generator import AdModel
from adloom.models.training.base.parameters import ADAPTER, prepare_for_training, trained
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.base.train import AVERAGE
from adloom.models.training.checkpoint import load_parameters


def stored_dtype(folder: Path) -> torch.dtype:
    """What the weights of a base are on disk."""
    told, _ = PretrainedConfig.get_config_dict(folder, local_files_only=True)
    found = getattr(torch, str(told.get("dtype") or told.get("torch_dtype") or "float32"))
    assert isinstance(found, torch.dtype)
    return found


def bytes_on_disk(folder: Path) -> int:
    """About what a base takes that is made of the one in ``folder``: its modules may be twice as
    wide. What else lies there, as the state of its training, does not count.
    """
    parts = (path for place in (folder, folder / DINOV2_FOLDER) for path in place.glob("*"))
    sizes = {path: path.stat().st_size for path in parts if path.is_file()}
    return sum(sizes.values()) + sizes.get(folder / CONDITIONING_FILE, 0)


def finish_base(base: Path, state: Path, plan: BasePlan, out: Path) -> None:
    """Write the base ``base`` as it was trained to ``out``, in the dtype that it has on disk.

    ``state`` is what `train_base` left. Only one process may do so; it needs no accelerator.
    """
    generator = AdGenerator(AdModel.from_pretrained(base, dtype=stored_dtype(base)))
    rates = prepare_for_training(generator, plan)
    weights = trained(generator.model, rates)
    load_parameters(state, weights, AVERAGE if plan.ema else "")
    generator.merge_adapter(ADAPTER)
    write_base(generator, out, stored_dtype(base))


def write_base(generator: AdGenerator, out: Path, dtype: torch.dtype) -> None:
    """Write a bare base so that ``out`` is one only once it is whole; what else lies there stays.

    ``dtype`` as for :func:`save_base`.
    """
    partial = out / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    save_base(generator, partial, dtype)
    # What has no configuration is no generator: it comes last.
    for path in sorted(partial.iterdir(), key=lambda path: path.name == CONFIG_FILE):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    partial.rmdir()


def save_base(generator: AdGenerator, folder: Path, dtype: torch.dtype) -> None:
    """Write a bare base into ``folder``: Janus in ``dtype``, the modules in float32.

    That is what they are trained in, and they are small. Loaded they have the dtype of Janus, which
    is float32 on a CPU and bfloat16 on a GPU, and a version's modules are written in that one.
    """
    model = generator.model
    model.save_pretrained(folder, dtype=dtype)
    modules = {name: w.float().contiguous() for name, w in model.conditioning.state_dict().items()}
    save_file(modules, str(folder / CONDITIONING_FILE), metadata={"format": "pt"})
