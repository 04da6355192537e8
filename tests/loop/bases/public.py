"""A small base in the public file format, and a data set in PAd1M's, for tests of all rooms."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from adloom.loop.bases.build import build_base
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.models.compose import cutout_layer
from adloom.models.datasets.pad1m import Pad1M
from adloom.models.placement import Placement
from tests.models.public_janus import public_checkpoint, small_dinov2

_SIDE = 96
_ZH = {
    "name": ["保温杯", "跑步鞋", "电饭煲", "羊毛围巾", "蓝牙耳机", "登山背包"],
    "edition": ["新款", "经典", "家用", "户外", "轻便", "加厚"],
    "words": ["防水", "轻便", "保暖", "耐用", "静音", "大容量"],
    "said": ["限时好物，{words}{name}", "{name}：{words}，每天都用得上", "送礼首选{name}"],
}
_EN = {
    "name": ["Travel Mug", "Running Shoes", "Rice Cooker", "Wool Scarf", "Earbuds", "Backpack"],
    "edition": ["New", "Classic", "Home", "Outdoor", "Light", "Padded"],
    "words": ["waterproof", "light", "warm", "durable", "quiet", "roomy"],
    "said": ["{words} {name}, for a while", "{name}: {words}, every day", "Give them {name}"],
}


def public_base(folder: Path) -> Path:
    """A base that `adloom base build` made of small checkpoints in the public format."""
    janus, dinov2 = public_checkpoint(folder / "janus"), small_dinov2(folder / "dinov2")
    build_base(str(janus), str(dinov2), folder / "base")
    return folder / "base"


def pad1m_sample(
    folder: Path, n: int, language: Literal["zh", "en"] = "zh", *, lines: bool = False
) -> Pad1M:
    """``n`` records of 36 products as PAd1M has them, each with a history of up to six ads.

    Each language has products and pictures of its own; of the first record nobody has a history.
    """
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    ads = [_ad(folder / "pictures", number, language, rng) for number in range(n)]
    for record in ads:
        past = rng.sample(ads, rng.randint(0 if record is ads[0] else 1, min(6, n)))
        record["history_images"] = [one["f_path"] for one in past]
        record["history_titles"] = [one["gt_title_cn"].split("<")[0] for one in past]
        record["text_similarity"] = [round(rng.random(), 3) for _ in past]
    ads[0] |= {"history_images": [], "history_titles": [], "text_similarity": []}
    file = folder / f"{language}.json{'l' if lines else ''}"
    told = [json.dumps(record, ensure_ascii=False) for record in ads]
    file.write_text("\n".join(told) if lines else f"[{', '.join(told)}]", encoding="utf-8")
    return Pad1M(file, folder / "pictures")


def _ad(pictures: Path, number: int, language: str, rng: random.Random) -> dict[str, Any]:
    text = _ZH if language == "zh" else _EN
    space = "" if language == "zh" else " "
    kind, edition = number % 6, number // 6 % 6
    name = f"{text['edition'][edition]}{space}{text['name'][kind]}"
    words = rng.sample(text["words"], 2)
    said = [each.format(name=name, words=words[0]) for each in rng.sample(text["said"], 2)]
    placement = Placement(rng.uniform(0.4, 0.6), rng.uniform(0.7, 0.9), 0.4, rng.uniform(0.4, 0.6))
    product = list(load_catalog().values())[kind].cutout()
    layer = cutout_layer(product, _SIDE, placement)
    ground = Image.new("RGBA", layer.size, (*(rng.randint(60, 230) for _ in range(3)), 255))
    Image.alpha_composite(ground, layer).convert("RGB").save(
        pictures / f"{language}-{number}.jpg", quality=80
    )
    layer.save(pictures / f"{language}-{number}.png", compress_level=1)
    record = {
        "f_path": f"{language}-{number}.jpg",
        "f_path_trans": f"{language}-{number}.png",
        "sku_title_cn": name,
        "gt_title_cn": "<title_split>".join(said),
        "word_list": words,
        "max_ratio": max(placement.width, placement.height),
    }
    return record if language == "zh" else record | {"language": language}
