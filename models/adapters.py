"""Adapters by name on one base: loaded, trained, copied, saved and dropped."""

from __future__ import annotations

import copy
import threading
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from peft import LoraConfig, LoraModel, PeftConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_model, save_file
from torch.nn import Parameter

from adloom.models.adapter_files import BASE, CONFIG_FILE, LORA_FILE, check_adapter
from adloom.models.adapter_snapshots import Snapshots
from adloom.models.base_name import base_name
from adloom.models.brief import AdBrief
from adloom.models.conditioning import CONDITIONING_FILE, Conditioning
from adloom.models.engine import Adapter
from adloom.models.engine.lora import lora_of
from adloom.models.generator import AdModel
from adloom.models.trends import Trends

LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


class UnknownAdapter(KeyError):
    """Raised when an adapter was never loaded."""

    def __str__(self) -> str:
        return f"adapter {self.args[0]!r} is not loaded"


class AdaptedModel:
    """A base model and its adapters, of which one at most is active.

    An adapter is a PEFT LoRA folder on the language model with the conditioning modules
    beside it (``conditioning.safetensors``), and the trends that it knows
    (``trends.safetensors``).
    """

    def __init__(self, model: AdModel) -> None:
        self.model = model
        self._peft: PeftModel | None = None
        self._base_conditioning = model.conditioning
        self._conditioning: dict[str, Conditioning] = {}
        self._trends: dict[str, Trends] = {}
        self._snapshots = Snapshots()
        self.active: str | None = None
        # One thread may load or drop adapters while another looks through the model's layers.
        self._changing = threading.RLock()

    @cached_property
    def base_name(self) -> str:
        """Names the base by its weights, whatever adapters are loaded."""
        model, seeing = self.model, self.model.dinov2
        parts = [model.janus, self._base_conditioning]
        return base_name(*parts, *([] if seeing is None else [seeing]))

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return tuple(self._conditioning)

    def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter folder under ``name``; loading a known name again does nothing.

        Raises:
            FileNotFoundError: ``path`` holds no adapter that :meth:`save_adapter` wrote.
            UnfitAdapter: it is damaged, or of another base.
        """
        if name in self._conditioning:
            return
        check_adapter(path, self.model, self._base_conditioning, self.base_name)
        conditioning = copy.deepcopy(self._base_conditioning)
        load_model(conditioning, str(path / CONDITIONING_FILE))
        trends = Trends.load(path)
        with self._changing:
            if self._peft is None:
                llama = self.model.janus.model.language_model
                self._peft = PeftModel.from_pretrained(llama, str(path), adapter_name=name)
            else:
                self._peft.load_adapter(str(path), adapter_name=name)
            self._conditioning[name] = conditioning
            self._trends[name] = trends
            self.model.eval()
            self.activate(self.active)

    def new_adapter(self, name: str, *, rank: int, alpha: int, copy_modules: bool = True) -> None:
        """Add a fresh LoRA adapter that starts as no change to the base.

        Its modules are float32, to be trained. Without ``copy_modules`` it has those of the base:
        they are in memory once, and the base learns with it.
        """
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=LORA_TARGETS)
        modules = self._base_conditioning
        self._add(name, config, _to_train(modules) if copy_modules else modules, Trends())

    def copy_adapter(self, source: str, target: str) -> None:
        """Add adapter ``target`` as a copy of ``source``: rank, weights, modules and trends.

        Its modules are float32, to be trained.

        Raises:
            UnknownAdapter: ``source`` was never loaded.
        """
        weights = self.lora_parameters(source)
        config = copy.deepcopy(self._wrapped(source).peft_config[source])
        self._add(target, config, _to_train(self._conditioning[source]), self._trends[source])
        copies = self.lora_parameters(target)
        with torch.no_grad():
            for key, weight in weights.items():
                copies[key].copy_(weight)

    def lora_parameters(self, name: str) -> dict[str, Parameter]:
        """LoRA weights of adapter ``name`` by their place in the language model.

        Raises:
            UnknownAdapter: ``name`` was never loaded.
        """
        # Only the end of a key tells: an adapter "1" must not claim what is in layer 1.
        ends = (f".lora_A.{name}.weight", f".lora_B.{name}.weight")
        with self._changing:
            return {
                key.removesuffix(f".{name}.weight"): weight
                for key, weight in self._wrapped(name).named_parameters()
                if key.endswith(ends)
            }

    def end_training(self, name: str) -> None:
        """Let an adapter's modules have the dtype of the base, as in its files.

        Raises:
            UnknownAdapter: ``name`` was never loaded.
        """
        self.conditioning(name).to(self.model.janus.dtype)

    def save_adapter(self, name: str, folder: Path) -> None:
        """Write adapter ``name`` as safetensors: plain PEFT files and the modules beside.

        The modules are written in the dtype of the base.

        Raises:
            UnknownAdapter: ``name`` was never loaded.
        """
        peft = self._wrapped(name)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as scratch:
            peft.save_pretrained(scratch, selected_adapters=[name])
            # PEFT puts a named adapter into a folder of that name; plain PEFT loads from the top.
            written = Path(scratch) if name == "default" else Path(scratch) / name
            for file in (CONFIG_FILE, LORA_FILE):
                (written / file).replace(folder / file)
        of_base, dtype = {BASE: self.base_name}, self.model.janus.dtype
        modules = {key: w.to(dtype) for key, w in self._conditioning[name].state_dict().items()}
        save_file(modules, str(folder / CONDITIONING_FILE), of_base)
        self._trends[name].save(folder)

    def drop_adapter(self, name: str) -> None:
        """Free the memory of an adapter; where it was active the bare base is now.

        Raises:
            UnknownAdapter: ``name`` was never loaded.
        """
        with self._changing:
            peft = self._wrapped(name)
            active = None if self.active == name else self.active
            self.activate(None)
            others = [other for other in self._conditioning if other != name]
            if others:
                peft.set_adapter(others[0])
                peft.delete_adapter(name)
            else:
                _tuner(peft).unload()
                self._peft = None
            del self._conditioning[name]
            del self._trends[name]
            self._snapshots.drop(name)
            self.activate(active)

    def merge_adapter(self, name: str) -> None:
        """Fold an adapter into the base, which then draws what it drew with it; all are dropped.

        Sums are computed in float32. What it knows of trends is no part of a base.

        Raises:
            UnknownAdapter: ``name`` was never loaded.
        """
        with self._changing:
            peft = self._wrapped(name)
            layers: list[Any] = [m for m in peft.modules() if isinstance(m, LoraLayer)]
            for layer in (layer for layer in layers if name in layer.lora_A):
                weight = layer.get_base_layer().weight
                up, down = layer.lora_B[name].weight.float(), layer.lora_A[name].weight.float()
                weight.data = (weight + layer.scaling[name] * (up @ down)).to(weight.dtype)
            self._base_conditioning = self._conditioning[name]
            vars(self).pop("base_name", None)  # it is another base now
            for other in self.adapters:
                self.drop_adapter(other)

    def activate(self, adapter: str | None) -> None:
        """Make ``adapter`` (``None``: the bare base) the one that generates and trains.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        with self._changing:
            if adapter is None:
                if self._peft is not None:
                    _tuner(self._peft).disable_adapter_layers()
                self.model.conditioning = self._base_conditioning
            else:
                peft = self._wrapped(adapter)
                _tuner(peft).enable_adapter_layers()
                peft.set_adapter(adapter)
                self.model.conditioning = self._conditioning[adapter]
            self.active = adapter

    def _wrapped(self, name: str) -> PeftModel:
        """The language model with its adapters, ``name`` among them."""
        if self._peft is None or name not in self._conditioning:
            raise UnknownAdapter(name)
        return self._peft

    def _add(
        self, name: str, config: PeftConfig, conditioning: Conditioning, trends: Trends
    ) -> None:
        with self._changing:
            if self._peft is None:
                llama = self.model.janus.model.language_model
                self._peft = get_peft_model(llama, config, adapter_name=name)
            else:
                self._peft.add_adapter(name, config)
            self._conditioning[name] = conditioning
            self._trends[name] = trends
            self.model.eval()
            self.activate(self.active)

    def conditioning(self, adapter: str | None) -> Conditioning:
        """The modules that an adapter reads histories with; ``None``: those of the base.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        if adapter is None:
            return self._base_conditioning
        if adapter not in self._conditioning:
            raise UnknownAdapter(adapter)
        return self._conditioning[adapter]

    def told(self, brief: AdBrief, adapter: str | None, besides: str = "") -> AdBrief:
        """``brief`` with what ``adapter`` knows of its category's trend; the base knows none.

        The ad with the title ``besides`` is left out: how likely an ad is after its own picture
        says nothing.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        if adapter is None:
            return Trends().told(brief, besides)
        if adapter not in self._trends:
            raise UnknownAdapter(adapter)
        return self._trends[adapter].told(brief, besides)

    def trend_categories(self, adapter: str | None) -> tuple[str, ...]:
        """Categories whose trends an adapter knows, sorted; the base knows none."""
        return () if adapter is None else tuple(sorted(self._trends[adapter].ads))

    def know_trends(self, adapter: str, trends: Trends) -> None:
        """Let an adapter go by these trends from now on.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        if adapter not in self._trends:
            raise UnknownAdapter(adapter)
        self._trends[adapter] = trends

    def _snapshot(self, name: str | None) -> Adapter:
        """An adapter as it is now, the same object as long as it is the same adapter."""
        with self._changing:
            conditioning = self.conditioning(name)
            if name is None:
                return self._snapshots.of(None, {}, conditioning, dict)
            own, peft = self.lora_parameters(name), self._wrapped(name)
            return self._snapshots.of(name, own, conditioning, lambda: lora_of(peft, name, own))


def _to_train(modules: Conditioning) -> Conditioning:
    return copy.deepcopy(modules).float()


def _tuner(peft: PeftModel) -> LoraModel:
    """What carries the adapter layers inside ``peft``."""
    return cast(LoraModel, peft.base_model)
