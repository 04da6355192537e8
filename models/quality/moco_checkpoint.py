"""Files that MoCo v3's code and what builds on it write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from adloom.models.quality.background import BadEncoder
from adloom.models.quality.moco import MocoEncoder
from adloom.models.quality.weight_files import first_problem, read_weights

_ENCODERS = ("base_encoder.", "", "momentum_encoder.")
"""The encoder that learns by gradients comes first; some files hold nothing else, bare."""
_TOP = "compress_layer."


def load_moco_v3(path: Path, *, heads: int = 12, device: str = "cpu") -> MocoEncoder:
    """Load a vision transformer of MoCo v3; nothing in the file is executed.

    The weights are the file, or its ``state_dict`` or ``model``; they may lie under ``module.``,
    ``base_encoder.`` and ``momentum_encoder.``, and have a ``compress_layer`` on top.

    Args:
        path: a ``.pth``, ``.pth.tar`` or ``.pt`` file, or safetensors.
        heads: attention heads, which weights do not tell; 12 in ViT-S and ViT-B of MoCo v3.
        device: where it looks at pictures.

    Raises:
        FileNotFoundError: there is no such file.
        BadEncoder: it is damaged, holds what may not be unpickled, or no such transformer.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no background encoder there")
    weights = encoder_weights(read_weights(path))
    if weights is None:
        raise BadEncoder(f"{path}: no vision transformer of MoCo v3 in it")
    try:
        encoder = MocoEncoder(weights, heads)
        encoder.load_state_dict(weights)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise BadEncoder(
            f"{path}: no vision transformer of MoCo v3 that is whole: {first_problem(error)}"
        ) from error
    return encoder.eval().to(device)


def encoder_weights(everything: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Weights of the encoder under the names of `MocoEncoder`; None where there is none."""
    for prefix in _ENCODERS:
        if f"{prefix}cls_token" in everything and f"{prefix}pos_embed" in everything:
            own = {n.removeprefix(prefix): w for n, w in everything.items() if n.startswith(prefix)}
            on_top = {n: w for n, w in everything.items() if n.startswith(_TOP)}
            both = on_top | own
            return {n: w.float() if w.is_floating_point() else w for n, w in both.items()}
    return None
