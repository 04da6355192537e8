"""An adapter's files, looked at before anything is loaded: do they fit the base?

What is registered by hand may be for another base, cut off, or no adapter at all. Loaded, it would
leave layers in the base that no ad can be drawn with, or be filled up with random weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from adloom.models.conditioning import CONDITIONING_FILE, Conditioning
from adloom.models.engine.lora import PROJECTIONS
from adloom.models.folders import ADAPTER_FILES, no_adapter
from adloom.models.generator import AdModel
from adloom.models.trends import TRENDS_FILE, Trends

CONFIG_FILE, LORA_FILE, _ = ADAPTER_FILES
BASE = "base"
"""What the file of the modules calls the base that an adapter was trained on."""

_MOST_CONFIG_BYTES = 1 << 16
_LARGEST = 1e6
"""No trained weight is near it; products of larger ones leave what bfloat16 can hold."""
_FREE = {
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "peft_type",
    "peft_version",
    "r",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
}
"""Options of PEFT that an adapter may set as it likes; all others change what is computed."""


class UnfitAdapter(ValueError):
    """A folder holds no adapter that can be served on this base; the message says why."""


def check_adapter(folder: Path, model: AdModel, conditioning: Conditioning, base_name: str) -> None:
    """Look at an adapter's options, and at name, shape and value of each of its tensors.

    ``conditioning`` are the modules of the bare base, and ``base_name`` names it: weights of the
    same shapes may be another base's. Adapters of before do not tell theirs.

    Raises:
        FileNotFoundError: a file is missing.
        UnfitAdapter: it does not fit the base, a file is damaged, a number is not finite.
    """
    if (problem := no_adapter(folder)) is not None:
        raise FileNotFoundError(problem)
    # A wrong base explains whatever else would not fit.
    _check_base(folder / CONDITIONING_FILE, base_name)
    rank, targets = _options(folder / CONFIG_FILE)
    _check_tensors(folder / LORA_FILE, _lora_shapes(model, rank, targets))
    modules = {name: tuple(weight.shape) for name, weight in conditioning.state_dict().items()}
    _check_tensors(folder / CONDITIONING_FILE, modules)
    _check_trends(folder, model)


def _check_base(file: Path, here: str) -> None:
    try:
        with safe_open(file, framework="pt") as found:
            told = (found.metadata() or {}).get(BASE, here)
    except SafetensorError as error:
        raise UnfitAdapter(f"{file.name} is damaged ({error})") from error
    if told != here:
        raise UnfitAdapter(f"it was trained on the base {told}, and this one is {here}")


def _options(file: Path) -> tuple[int, tuple[str, ...]]:
    """Rank, and the projections that are changed."""
    if file.stat().st_size > _MOST_CONFIG_BYTES:
        raise UnfitAdapter(f"{CONFIG_FILE} has more than {_MOST_CONFIG_BYTES} bytes")
    try:
        told: Any = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UnfitAdapter(f"{CONFIG_FILE} is damaged: it is no JSON") from error
    if not isinstance(told, dict) or told.get("peft_type") != "LORA":
        raise UnfitAdapter(f"{CONFIG_FILE} is not that of a LoRA adapter")
    usual = LoraConfig().to_dict()
    for name, value in told.items():
        if name not in _FREE and value not in (usual.get(name), None, False, {}, []):
            raise UnfitAdapter(f"{CONFIG_FILE} sets {name}, which adloom does not serve")
    rank, targets = told.get("r"), told.get("target_modules")
    if not isinstance(rank, int) or rank < 1:
        raise UnfitAdapter(f"{CONFIG_FILE} has no rank (r) of 1 or more")
    alpha = told.get("lora_alpha")
    if not isinstance(alpha, int | float) or not 0 < alpha < _LARGEST:
        raise UnfitAdapter(f"{CONFIG_FILE} has no usable lora_alpha")
    if not isinstance(told.get("init_lora_weights", True), bool):
        raise UnfitAdapter(f"{CONFIG_FILE} sets init_lora_weights, which would change the base")
    if not isinstance(targets, list) or not targets:
        raise UnfitAdapter(f"{CONFIG_FILE} has no list of target_modules")
    others = sorted(str(name) for name in targets if name not in PROJECTIONS)
    if others:
        served = ", ".join(PROJECTIONS)
        raise UnfitAdapter(f"it changes {', '.join(others)}: only {served} are served")
    return rank, tuple(dict.fromkeys(targets))


def _lora_shapes(model: AdModel, rank: int, targets: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Shapes by the names that PEFT saves tensors under."""
    shapes: dict[str, tuple[int, ...]] = {}
    layers: Any = model.janus.model.language_model.layers
    for number, layer in enumerate(layers):
        for target in targets:
            projection = getattr(layer.self_attn, target)
            linear: nn.Linear = getattr(projection, "base_layer", projection)
            place = f"base_model.model.layers.{number}.self_attn.{target}"
            shapes[f"{place}.lora_A.weight"] = rank, linear.in_features
            shapes[f"{place}.lora_B.weight"] = linear.out_features, rank
    return shapes


def _check_tensors(file: Path, wanted: Mapping[str, tuple[int, ...]]) -> None:
    try:
        # Shapes stand at the head of the file: what does not fit is not read.
        with safe_open(file, framework="pt") as found:
            _check_names(file.name, set(found.keys()), set(wanted))
            for name, shape in wanted.items():
                if tuple(found.get_slice(name).get_shape()) != shape:
                    raise UnfitAdapter(f"{file.name}: {name} is not {shape}, as on this base")
            for name in wanted:
                _check_numbers(file.name, name, found.get_tensor(name))
    except SafetensorError as error:
        raise UnfitAdapter(f"{file.name} is damaged ({error})") from error


def _check_names(file: str, found: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - found):
        raise UnfitAdapter(f"{file}: {len(missing)} tensors are missing, such as {missing[0]}")
    if more := sorted(found - wanted):
        raise UnfitAdapter(f"{file}: {len(more)} tensors are not of this base, such as {more[0]}")


def _check_numbers(file: str, name: str, numbers: Tensor) -> None:
    if not numbers.is_floating_point():
        raise UnfitAdapter(f"{file}: {name} has no floating point numbers")
    low, high = (float(bound) for bound in torch.aminmax(numbers.float()))
    if not -_LARGEST < low <= high < _LARGEST:
        raise UnfitAdapter(f"{file}: {name} has numbers that are not finite, or far too large")


def _check_trends(folder: Path, model: AdModel) -> None:
    try:
        trends = Trends.load(folder)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UnfitAdapter(f"{TRENDS_FILE} is damaged") from error
    codes = model.janus.model.generation_embeddings.num_embeddings
    for category, ads in trends.ads.items():
        texts = [category, *(text for ad in ads for text in (ad.title, ad.ad_id))]
        if not all(_is_text(text) for text in texts):
            raise UnfitAdapter(f"{TRENDS_FILE} has a category, an id or a title that is no text")
    for ad in (ad for ads in trends.ads.values() for ad in ads):
        if len(ad.codes) != model.config.history_codes:
            raise UnfitAdapter(f"{TRENDS_FILE} is of another base: its pictures have other sizes")
        if not (int(ad.codes.min()) >= 0 and int(ad.codes.max()) < codes):
            raise UnfitAdapter(f"{TRENDS_FILE} has codes that this base does not know")


def _is_text(found: object) -> bool:
    """Whether a tokenizer takes it: JSON may also hold halves of characters."""
    return isinstance(found, str) and found.encode(errors="replace") == found.encode(
        errors="surrogatepass"
    )
