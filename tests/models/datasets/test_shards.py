"""Shards: what is written is read back, and what is damaged is told."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adloom.models.brief import HistoryAd
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import (
    BadShards,
    Manifest,
    read_shard,
    shard_file,
    shard_files,
    write_shard,
)
from adloom.models.placement import Placement


def picture_bytes(mode: str, kind: str) -> bytes:
    kept = io.BytesIO()
    Image.new(mode, (8, 6), "red").save(kept, kind)
    return kept.getvalue()


CUTOUT, PICTURE = picture_bytes("RGBA", "PNG"), picture_bytes("RGB", "WEBP")


def record(number: int, history: int = 2, **values: object) -> AdRecord:
    past = tuple(
        HistoryAd(f"past {n}", np.arange(4, dtype=np.int16) + n, f"ad-{n}") for n in range(history)
    )
    told = {
        "record_id": f"r{number}",
        "split": "train",
        "name": "茶碗「雪」",
        "titles": ("A bowl", "Tea?"),
        "cutout": CUTOUT,
        "picture": PICTURE,
        "codes": np.arange(9, dtype=np.int16),
        "words": ("warm", "手作り"),
        "language": "ja",
        "placement": Placement(0.5, 0.8, 0.3, 0.4),
        "history": past,
        "likeness": tuple(0.5 for _ in past),
    }
    return AdRecord(**{**told, **values})  # type: ignore[arg-type]


def same(a: AdRecord, b: AdRecord) -> bool:
    names = ("record_id", "split", "name", "titles", "cutout", "picture", "words", "short_name")
    more = ("language", "category", "placement", "likeness")
    return (
        all(getattr(a, name) == getattr(b, name) for name in (*names, *more))
        and np.array_equal(a.codes, b.codes)
        and [(h.title, h.ad_id, h.codes.tolist()) for h in a.history]
        == [(h.title, h.ad_id, h.codes.tolist()) for h in b.history]
    )


def manifest(shards: int, *, complete: bool = True) -> Manifest:
    return Manifest(
        codebook="c", history_codebook="h", picture_size=48, shards=shards, complete=complete
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=150))
def test_records_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, histories: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    written = [record(n, length) for n, length in enumerate(histories)]
    written[0] = record(0, histories[0], placement=None, words=(), split="heldout")
    path = write_shard(folder, 0, written)
    assert all(same(a, b) for a, b in zip(written, read_shard(path), strict=True))
    assert [r.record_id for r in read_shard(path, split="heldout")] == ["r0"]


def test_a_record_becomes_an_example_with_as_much_history_as_is_asked_for() -> None:
    made = record(0, 9)
    past = made.representing(4, np.random.default_rng(0))
    example = made.example(past)
    assert len(example.brief.history) == 4
    assert (example.title, example.brief.language) == ("A bowl", "ja")
    assert example.brief.cutout.mode == "RGBA"
    assert made.opened_picture().size == (8, 6)


def test_a_title_that_is_to_be_written_is_never_drawn() -> None:
    made = record(0, 5, likeness=(0.0, 0.9, 0.0, 0.2, -0.3))
    drawn = {ad.ad_id for n in range(30) for ad in made.representing(3, np.random.default_rng(n))}
    assert drawn == {"ad-1", "ad-3"}


def test_a_data_set_is_read_only_when_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(BadShards, match="adloom base encode"):
        shard_files(tmp_path)
    write_shard(tmp_path, 0, [record(0)])
    manifest(2, complete=False).save(tmp_path)
    with pytest.raises(BadShards, match="not encoded to its end"):
        shard_files(tmp_path)
    manifest(2).save(tmp_path)
    with pytest.raises(BadShards, match=r"shard-00001\.parquet is missing"):
        shard_files(tmp_path)
    write_shard(tmp_path, 1, [record(1)])
    assert shard_files(tmp_path) == [shard_file(tmp_path, n) for n in (0, 1)]


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"format": 9}', '{"format": 1}'])
def test_a_damaged_manifest_is_told(tmp_path: Path, damage: str) -> None:
    (tmp_path / "dataset.json").write_text(damage)
    with pytest.raises(BadShards, match=r"dataset\.json is"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 0.5])
def test_a_damaged_shard_is_told(tmp_path: Path, kept: float) -> None:
    path = write_shard(tmp_path, 0, [record(0)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(BadShards, match="encode again"):
        list(read_shard(path))
