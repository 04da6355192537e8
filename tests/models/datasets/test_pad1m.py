"""PAd1M records, from a small sample made of the demo shop."""

from __future__ import annotations

import io
import json
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adloom.loop.demo.shop.creatives import SeedCreative, seed_creatives
from adloom.models.ad_generator import AdGenerator
from adloom.models.datasets.encoding import RecordEncoder
from adloom.models.datasets.json_records import DamagedJson
from adloom.models.datasets.pad1m import MAX_PIXELS, BadRecord, Pad1M
from adloom.models.datasets.record import AdRecord
from tests.tiny_model import TINY, tiny_generator


def write_sample(folder: Path, n: int = 3, *, lines: bool = False) -> Pad1M:
    """Ads of the demo shop, each with two earlier ones as history, in the format of PAd1M."""
    (folder / "pictures").mkdir(parents=True)
    rng = random.Random(0)
    ads = seed_creatives(n + 2, seed=0)
    for ad in ads:
        ad.picture(64).save(folder / "pictures" / f"{ad.ad_id}.png")
        ad.product.cutout().save(folder / "pictures" / f"{ad.ad_id}-cutout.png")
    records = [_record(ad, ads[i : i + 2], rng) for i, ad in enumerate(ads[2:])]
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
    (folder / "sample.json").write_text(text, encoding="utf-8")
    return Pad1M(folder / "sample.json", folder / "pictures")


def _record(ad: SeedCreative, history: list[SeedCreative], rng: random.Random) -> dict[str, Any]:
    return {
        "f_path": f"{ad.ad_id}.png",
        "f_path_trans": f"{ad.ad_id}-cutout.png",
        "sku_title_cn": ad.product.name,
        "gt_title_cn": f"{ad.title}<title_split>{ad.product.name}, now",
        "word_list": list(ad.product.selling_points),
        "max_ratio": 0.6,
        "history_images": [f"{past.ad_id}.png" for past in history],
        "history_titles": [past.title for past in history],
        "text_similarity": [rng.random() for _ in history],
    }


def change(data: Pad1M, **values: Any) -> Pad1M:
    """The same sample with the first record changed."""
    records = json.loads(data.file.read_text())
    records[0] |= values
    data.file.write_text(json.dumps(records))
    return data


def encoded(data: Pad1M, generator: AdGenerator) -> list[AdRecord | BadRecord]:
    """All records as training reads them, or what is wrong with them."""
    size = generator.model.config.picture_size
    with ThreadPoolExecutor(2) as threads:
        encoder = RecordEncoder(
            data, generator.encode_pictures, generator.encode_history, size, 0.05, threads
        )
        return [made for block in data.blocks(100) for _, made in encoder.encoded(list(block))]


def first(data: Pad1M, generator: AdGenerator | None = None) -> AdRecord:
    made = encoded(data, generator or tiny_generator())[0]
    assert isinstance(made, AdRecord), made
    return made


@pytest.mark.parametrize("lines", [False, True])
def test_a_sample_is_read_record_by_record(tmp_path: Path, lines: bool) -> None:
    data = write_sample(tmp_path, lines=lines)
    records = list(data.records())
    ads = seed_creatives(5, seed=0)[2:]
    assert [record.sku_title_cn for record in records] == [ad.product.name for ad in ads]
    assert records[0].gt_title_cn == (ads[0].title, f"{ads[0].product.name}, now")
    assert records[0].word_list == ads[0].product.selling_points


def test_a_record_becomes_an_example(tmp_path: Path) -> None:
    data, generator = write_sample(tmp_path), tiny_generator()
    record, made = next(data.records()), first(data, generator)
    example = made.example(made.representing(10, np.random.default_rng(0)))
    assert example.title == record.gt_title_cn[0]
    assert example.codes.shape == (TINY.image_tokens,)
    assert example.brief.cutout.mode == "RGBA"
    ranked = np.argsort(-np.array(record.text_similarity))
    assert [ad.title for ad in example.brief.history] == [record.history_titles[i] for i in ranked]
    seen = generator.encode_history([data.picture(record.history_images[ranked[0]])])[0]
    assert np.array_equal(example.brief.history[0].codes, seen)
    ones = [made.representing(1, np.random.default_rng(seed)) for seed in range(20)]
    assert {ad.title for (ad,) in ones} == set(record.history_titles)
    assert made.opened_picture().size == (TINY.picture_size, TINY.picture_size)


def test_the_title_that_is_to_be_written_is_not_in_its_own_history(tmp_path: Path) -> None:
    data = write_sample(tmp_path)
    record = next(data.records())
    titles = [record.gt_title_cn[1], record.history_titles[1]]
    made = first(change(data, history_titles=titles, text_similarity=[0.9, 0.1]))
    history = made.representing(10, np.random.default_rng(0))
    assert [ad.title for ad in history] == titles[1:]


@pytest.mark.parametrize("known", [None, [], [0.4], [0.4, None]])
def test_likeness_that_is_not_told_is_computed(tmp_path: Path, known: Any) -> None:
    data = write_sample(tmp_path)
    name = next(data.records()).sku_title_cn
    titles = ["Garden Shed Roof Paint", f"Buy {name}"]
    far, near = first(change(data, history_titles=titles, text_similarity=known)).likeness
    assert -1 <= far < near <= 1
    assert near > 0.5


def test_what_a_record_says_beyond_pad1m_is_kept(tmp_path: Path) -> None:
    told = {"record_id": "r-7", "split": "heldout", "language": "de", "short_name": "Tasse"}
    made = first(change(write_sample(tmp_path), category="Küche", **told))
    assert (made.category, *told.values()) == (
        "Küche",
        made.record_id,
        made.split,
        made.language,
        made.short_name,
    )
    assert first(change(write_sample(tmp_path / "b"), sku_title_cn="保温杯")).language == "zh"


def test_words_may_come_as_one_text(tmp_path: Path) -> None:
    data = change(write_sample(tmp_path), word_list="soft, 防水\uff0cwarm")
    assert next(data.records()).word_list == ("soft", "防水", "warm")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"history_titles": ["one"]}, "record 1: .*one length.* got 2 and 1"),
        ({"gt_title_cn": " <title_split> "}, "record 1: gt_title_cn"),
        ({"sku_title_cn": None}, "record 1: sku_title_cn"),
        ({"max_ratio": "wide"}, "record 1: max_ratio"),
        ({"max_ratio": 7}, "record 1: max_ratio"),
    ],
)
def test_a_record_that_does_not_fit_is_named(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    data = change(write_sample(tmp_path), **values)
    with pytest.raises(BadRecord, match=message):
        list(data.records())


@pytest.mark.parametrize("text", ["{", "[1]", "null", '[{"f_path": 1}]', "[" * 100_000, "3\n{}"])
def test_what_is_no_record_is_an_error_of_the_file(tmp_path: Path, text: str) -> None:
    data = write_sample(tmp_path)
    data.file.write_text(text)
    with pytest.raises(BadRecord, match=r"sample\.json"):
        list(data.records())


@pytest.mark.parametrize(
    "name",
    ["gone.png", "../sample.json", "/etc/hostname", "a/../../sample.json", "bad\0name", "link.png"],
)
def test_only_pictures_in_the_folder_are_opened(tmp_path: Path, name: str) -> None:
    data = write_sample(tmp_path)
    outside = tmp_path / "outside.png"
    Image.new("RGB", (4, 4)).save(outside)
    (data.pictures / "link.png").symlink_to(outside)
    with pytest.raises(BadRecord):
        data.picture(name)


def _png(width: int, height: int) -> bytes:
    """The head of a PNG that says it is that large, with next to nothing in it."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, format="PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a picture", "not a picture"),
        (b"", "not a picture"),
        (_png(7_100, 7_100), "too large"),
        (_png(60_000, 60_000), "not a picture|too large"),
        (_png(900, 900), "broken"),
    ],
)
def test_a_picture_that_is_broken_or_a_bomb_is_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    data = write_sample(tmp_path)
    assert MAX_PIXELS < 7_100**2
    (data.pictures / "odd.png").write_bytes(content)
    with pytest.raises(BadRecord, match=f"odd.png: .*({message})"):
        data.picture("odd.png")


def test_a_cut_off_picture_and_an_empty_cutout_are_named(tmp_path: Path) -> None:
    data = write_sample(tmp_path)
    record = next(data.records())
    history = data.pictures / record.history_images[1]
    history.write_bytes(history.read_bytes()[:1000])
    Image.new("RGBA", (8, 8)).save(data.pictures / list(data.records())[2].f_path_trans)
    broken, _, empty = encoded(data, tiny_generator())
    assert isinstance(broken, BadRecord)
    assert broken.reason == "broken picture"
    assert isinstance(empty, BadRecord)
    assert empty.reason == "empty cutout"


def test_a_list_is_read_without_its_end_and_lines_beyond_those_that_are_damaged(
    tmp_path: Path,
) -> None:
    data = write_sample(tmp_path)
    text = data.file.read_text()
    data.file.write_text("\ufeff" + text.rstrip("]") + ', {"f_path":')
    blocks = data.blocks(1)
    assert [len(list(next(blocks))) for _ in range(3)] == [1, 1, 1]
    with pytest.raises(DamagedJson, match=r"damaged after record 3"):
        next(blocks)
    lines = [json.dumps(record) for record in json.loads(text)]
    data.file.write_text("\n".join([lines[0], "{", "[" * 100_000, "\n", lines[1]]))
    [block] = data.blocks(10)
    reasons = [getattr(record, "reason", "") for _, record in block]
    assert reasons == ["", "no JSON", "no JSON", ""]
