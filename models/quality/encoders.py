"""The encoder that PBS is measured with, from whatever file there is."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from adloom.models.quality.background import BackgroundEncoder, BadEncoder, PictureEncoder
from adloom.models.quality.moco_checkpoint import load_moco_v3

KINDS = (".pth", ".pth.tar", ".pt", ".safetensors")


def load_encoder(path: Path | None, device: str = "cpu") -> PictureEncoder:
    """Load adloom's own encoder or one of MoCo v3; ``None`` is the bundled one.

    Raises:
        FileNotFoundError: there is no such file.
        BadEncoder: it is of another kind, damaged, or holds no encoder.
    """
    if path is None:
        return BackgroundEncoder.from_pretrained().to(device)
    if not path.name.endswith(KINDS):
        raise BadEncoder(f"{path}: an encoder of PBS is a file {', '.join(KINDS)}")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no background encoder there; `adloom pretrain-pbs` trains one"
        )
    if path.suffix != ".safetensors" or not _is_our_own(path):
        return load_moco_v3(path, device=device)
    return BackgroundEncoder.from_pretrained(path).to(device)


def _is_our_own(path: Path) -> bool:
    try:
        with safe_open(str(path), framework="pt") as file:
            return any(name.startswith("layers.") for name in file.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise BadEncoder(f"{path}: damaged, or no safetensors file") from error
