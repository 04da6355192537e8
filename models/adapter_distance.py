"""How far apart two adapters are: norms of what they change, module by module, without a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from adloom.models.adapter_files import CONFIG_FILE, LORA_FILE, UnfitAdapter
from adloom.models.conditioning import CONDITIONING_FILE

_LoRA = Mapping[str, tuple[Tensor, Tensor]]
_A, _B = ".lora_A.weight", ".lora_B.weight"
_MOST_CONFIG_BYTES = 1 << 16


@dataclass(frozen=True)
class ModuleDistance:
    """Frobenius norms of a module's change by two adapters, and of the changes' difference."""

    module: str
    one: float
    other: float
    difference: float


def adapter_distances(one: Path | None, other: Path | None) -> list[ModuleDistance]:
    """How two adapters change the base, and how differently; None is the base itself.

    LoRA changes a projection by ``B A`` (scaled); layers are summed up by projection, such as
    ``q_proj``. The modules that read product and history follow by their first name; each adapter
    holds them whole, so their difference is told where both have them.

    Raises:
        UnfitAdapter: a folder holds no adapter that can be read.
    """
    changes = [_changes(folder) if folder is not None else {} for folder in (one, other)]
    squares: dict[str, list[float]] = {}
    for place in sorted({*changes[0], *changes[1]}):
        found = _squares(changes[0].get(place), changes[1].get(place))
        _add(squares, place.rsplit(".", 1)[-1], found)
    if one is not None and other is not None:
        modules = (_tensors(folder / CONDITIONING_FILE) for folder in (one, other))
        _add_modules(squares, *modules)
    return [
        ModuleDistance(module, *(max(0.0, square) ** 0.5 for square in found))
        for module, found in squares.items()
    ]


def _squares(one: tuple[Tensor, Tensor] | None, other: tuple[Tensor, Tensor] | None) -> list[float]:
    """Squared norms of two products and of their difference, through products of rank size."""
    ones, others = _inner(one, one), _inner(other, other)
    return [ones, others, ones + others - 2 * _inner(one, other)]


def _inner(one: tuple[Tensor, Tensor] | None, other: tuple[Tensor, Tensor] | None) -> float:
    """``<B1 A1, B2 A2>`` is the sum over ``B1ᵀ B2`` times ``A1 A2ᵀ``, number by number."""
    if one is None or other is None:
        return 0.0
    (a, b), (c, d) = one, other
    if a.shape[1] != c.shape[1] or b.shape[0] != d.shape[0]:
        raise UnfitAdapter("the adapters are for bases of different sizes")
    return float(((b.T @ d) * (a @ c.T)).sum())


def _changes(folder: Path) -> _LoRA:
    """A and B, B scaled, by the projection's place."""
    tensors, scale = _tensors(folder / LORA_FILE), _scale(folder / CONFIG_FILE)
    places = [name.removesuffix(_A) for name in tensors if name.endswith(_A)]
    try:
        return {place: (tensors[place + _A], tensors[place + _B] * scale) for place in places}
    except KeyError as error:
        raise UnfitAdapter(f"{LORA_FILE}: {error.args[0]} is missing") from error


def _scale(file: Path) -> float:
    try:
        if file.stat().st_size > _MOST_CONFIG_BYTES:
            raise ValueError(f"more than {_MOST_CONFIG_BYTES} bytes")
        told = json.loads(file.read_bytes())
        rank = float(told["r"])
        return float(told["lora_alpha"]) / (rank**0.5 if told.get("use_rslora") else rank)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError) as error:
        raise UnfitAdapter(f"{CONFIG_FILE} is damaged ({error})") from error


def _tensors(file: Path) -> dict[str, Tensor]:
    """As float64: differences of small changes are smaller still."""
    try:
        with safe_open(file, framework="pt") as found:
            names = list(found.keys())
            return {name: found.get_tensor(name).to(torch.float64) for name in names}
    except (SafetensorError, OSError) as error:
        raise UnfitAdapter(f"{file.name} cannot be read ({error})") from error


def _add_modules(
    squares: dict[str, list[float]], one: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> None:
    for name in sorted({*one} & {*other}):
        a, b = one[name], other[name]
        if a.shape != b.shape:
            raise UnfitAdapter(f"the adapters are for bases of different sizes: {name}")
        found = [float(change.square().sum()) for change in (a, b, a - b)]
        _add(squares, name.split(".", 1)[0], found)


def _add(squares: dict[str, list[float]], module: str, found: list[float]) -> None:
    total = squares.get(module, [0.0, 0.0, 0.0])
    squares[module] = [had + new for had, new in zip(total, found, strict=True)]
