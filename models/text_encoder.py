"""Texts to vectors: by MiniLM, which comes with adloom, or by another such model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINILM = "all-MiniLM-L6-v2"
_MODULES = "modules.json"
_TELLING = {".json", ".txt", ".model", ".safetensors", ".bin"}
_OTHER_FORMATS = {"onnx", "openvino"}


class NoTextEncoder(ValueError):
    """No model for texts lies where one is set; the message says what is missing."""


class TextEncoder:
    """Embeds texts; nothing is loaded before it is asked."""

    def __init__(self, model: str | None = None) -> None:
        """``model`` is a folder as sentence-transformers writes it, or a name on the hub.

        None is MiniLM, which knows English.
        """
        self._given = model

    @cached_property
    def name(self) -> str:
        """Names the model: a folder's by what is in it, wherever it lies.

        Raises:
            NoTextEncoder: no such model lies there.
        """
        if self._given is None:
            return MINILM
        folder = _folder(self._given)
        return self._given if folder is None else f"{folder.name[:64]}-{_contents(folder)[:32]}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length embeddings, float32 ``(n, width)``.

        Raises:
            NoTextEncoder: there is no such model, here or on the hub.
        """
        if self._given is None:
            # Who only looks products up need not wait for what embeds.
            from adloom.models.retrieval import embed_texts

            return embed_texts(texts)
        vectors = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        assert self._given is not None
        folder = _folder(self._given)
        try:
            return SentenceTransformer(self._given if folder is None else str(folder))
        except (OSError, ValueError, KeyError) as error:
            raise NoTextEncoder(
                f"catalog.text_encoder: {self._given} cannot be loaded ({error})"
            ) from error


def _folder(given: str) -> Path | None:
    """The folder that is meant; None for a name on the hub."""
    folder = Path(given).expanduser()
    if not folder.is_dir() and not folder.is_absolute():
        return None
    if not (folder / _MODULES).is_file():
        raise NoTextEncoder(
            f"catalog.text_encoder: {given} holds no sentence-transformers model "
            f"({_MODULES} is missing)"
        )
    return folder


def _contents(folder: Path) -> str:
    """A hash of all that a model's vectors hang on."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        place = file.relative_to(folder)
        if file.suffix in _TELLING and not _OTHER_FORMATS & set(place.parts):
            digest.update(f"{place.as_posix()}/".encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
