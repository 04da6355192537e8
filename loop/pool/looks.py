"""What ads are like: a vector of the picture and one of the title, made once."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Engine, select

from adloom.loop.database.statements import insert_new, parts
from adloom.loop.database.tables import looks
from adloom.models.quality.background import PBS_WEIGHTS, PictureEncoder
from adloom.models.quality.encoders import load_encoder
from adloom.models.text_encoder import TextEncoder

_DTYPE = "<f2"
_KEPT = 20_000  # in memory: about 1 KB each


@dataclass(frozen=True)
class Look:
    """Vectors of an ad, float32, of unit length: its picture's background, and its title."""

    picture: NDArray[np.float32]
    title: NDArray[np.float32]


@dataclass(frozen=True)
class SeenAd:
    """An ad as shoppers see it."""

    ad_id: str
    picture: Image.Image
    title: str


class Encoders:
    """Makes looks. The picture encoder is loaded when it is first needed."""

    def __init__(self, pictures: Path | None, texts: TextEncoder) -> None:
        """``pictures`` as `adloom.models.quality.encoders.load_encoder` takes it."""
        self._path = pictures
        self._texts = texts
        self._pictures: PictureEncoder | None = None
        self._loading = threading.Lock()

    @cached_property
    def name(self) -> str:
        """Names both by what is in their files; those of a large model take their time."""
        return f"{_name(self._path or PBS_WEIGHTS)} {self._texts.name}"

    def looks(self, pictures: Sequence[Image.Image], titles: Sequence[str]) -> list[Look]:
        """One an ad. Raises BadEncoder, NoTextEncoder, FileNotFoundError."""
        with self._loading:
            if self._pictures is None:
                self._pictures = load_encoder(self._path)
        embedded = self._pictures.embed(pictures)
        told = self._texts.embed(titles)
        return [Look(_unit(p), _unit(t)) for p, t in zip(embedded, told, strict=True)]


class Looks:
    """Looks by ad id; for several threads and processes at once."""

    def __init__(self, engine: Engine, encoders: Encoders) -> None:
        self._engine = engine
        self._encoders = encoders
        self._kept: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ad_ids: Sequence[str]) -> dict[str, Look]:
        """Those that were made; one that is not there is asked for again at the next call."""
        found: dict[str, Look] = {}
        missing: list[str] = []
        with self._lock:
            for ad_id in dict.fromkeys(ad_ids):
                look = self._kept.get(ad_id)
                if look is None:
                    missing.append(ad_id)
                else:
                    self._kept.move_to_end(ad_id)
                    found[ad_id] = look
        if missing:
            read = self._read(missing)
            self._keep(read)
            found |= read
        return found

    def make(self, ads: Sequence[SeenAd]) -> list[Look]:
        """Of ads that have none yet. Raises what `Encoders.looks` does."""
        if not ads:
            return []
        made = self._encoders.looks([ad.picture for ad in ads], [ad.title for ad in ads])
        rows = [
            {
                "ad_id": ad.ad_id,
                "encoders": self._encoders.name,
                "picture": look.picture.astype(_DTYPE).tobytes(),
                "title": look.title.astype(_DTYPE).tobytes(),
            }
            for ad, look in zip(ads, made, strict=True)
        ]
        # In one order by whoever writes: none waits for what waits for it.
        rows.sort(key=lambda row: str(row["ad_id"]))
        with self._engine.begin() as connection:
            connection.execute(insert_new(looks, self._engine), rows)
        self._keep({ad.ad_id: look for ad, look in zip(ads, made, strict=True)})
        return made

    def _read(self, ad_ids: Sequence[str]) -> dict[str, Look]:
        columns = looks.c.ad_id, looks.c.picture, looks.c.title
        found: dict[str, Look] = {}
        with self._engine.connect() as connection:
            for some in parts(ad_ids):
                these = looks.c.ad_id.in_(some) & (looks.c.encoders == self._encoders.name)
                for ad_id, picture, title in connection.execute(select(*columns).where(these)):
                    found[ad_id] = Look(_vector(picture), _vector(title))
        return found

    def _keep(self, made: dict[str, Look]) -> None:
        with self._lock:
            self._kept.update(made)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _name(path: Path) -> str:
    """By what is in the file or the folder's files, wherever it lies."""
    digest = hashlib.sha256()
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def _vector(content: bytes) -> NDArray[np.float32]:
    return np.frombuffer(content, dtype=_DTYPE).astype(np.float32)
