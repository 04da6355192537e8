"""Four commands from public files to ads of a shop of one's own, served over HTTP.

Sizes of pictures, grid and codebook are those of Janus-Pro; its layers are few, narrow, untrained.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.settings import load_settings
from adloom.models.adapters import AdaptedModel
from adloom.models.generator import AdModel
from tests.loop.bases.public import pad1m_sample
from tests.loop.serving.in_chromium import serving
from tests.models.public_janus import public_checkpoint, small_dinov2

pytestmark = pytest.mark.slow
PRODUCTS = """id,title,image_link,product_highlight,language,product_type
zh-1,新款保温杯 大容量 户外,zh-0.png,防水,zh,杯
en-1,New Travel Mug,en-0.png,waterproof,en,Mugs
"""
QUICK = ["--batch", "2", "--heldout", "2", "--samples", "1", "--precision", "float32"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Public files as they are on disk, and a feed."""
    folder = tmp_path_factory.mktemp("shop")
    public_checkpoint(folder / "janus", 384, 16_384)
    small_dinov2(folder / "dinov2")
    records: list[Any] = []
    for language in ("zh", "en"):
        sample = pad1m_sample(folder, 6, language)
        records += json.loads(sample.file.read_text())
    for number, record in enumerate(records):
        record["split"] = "heldout" if number % 3 == 0 else "train"
    (folder / "data.json").write_text(json.dumps(records, ensure_ascii=False))
    (folder / "pictures" / "feed.csv").write_text(PRODUCTS)
    (folder / "adloom.toml").write_text(f'home = "{folder / "home"}"\n')
    return folder


def adloom(shop: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(
        app, ["--config", str(shop / "adloom.toml"), *arguments, "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def base(shop: Path) -> Path:
    """Built, and trained in both stages."""
    data = str(shop / "data.json")
    built, shards = str(shop / "built"), str(shop / "shards")
    janus, dinov2 = str(shop / "janus"), str(shop / "dinov2")
    told = adloom(shop, "base", "build", "--janus", janus, "--dinov2", dinov2, "--out", built)
    assert (told["picture_size"], told["image_tokens"], told["codebook"]) == (384, 576, 16_384)
    assert told["history_picture_tokens"] == 64
    pictures = str(shop / "pictures")
    where = ["--base", built, "--out", shards]
    encoded = adloom(shop, "base", "encode", "--data", data, "--pictures", pictures, *where)
    assert encoded["records"] == {"train": 8, "heldout": 4}
    assert encoded["languages"] == {"zh": 6, "en": 6}
    begun = built
    for stage in ("general", "personal"):
        out = str(shop / stage)
        stages = ["--stage", stage, "--base", begun, "--out", out, "--steps", "2"]
        adloom(shop, "base", "train", "--data", shards, *stages, *QUICK)
        begun = out
    return Path(begun)


def test_the_table_is_that_of_the_base_and_of_an_adapter_on_it(shop: Path, base: Path) -> None:
    adapted = AdaptedModel(AdModel.from_pretrained(base))
    adapted.new_adapter("own", rank=2, alpha=4)
    adapted.save_adapter("own", shop / "own")
    judged = ["evaluate", "--data", str(shop / "shards"), "--base", str(base)]
    judged += ["--records", "2", "--sheet", str(shop / "sheet.png")]
    for more in ([], ["--adapter", str(shop / "own")]):
        report = adloom(shop, *judged, *more)
        arms = report["overall"]["arms"]
        assert {"no_history", "random_history", "full"} <= set(arms)
        for arm in arms.values():
            assert {"pbs", "bleu", "rouge_l"} <= set(arm)
    with Image.open(shop / "sheet.png") as sheet:
        assert sheet.width > sheet.height / 4


@pytest.fixture(scope="module")
def address(shop: Path, base: Path) -> Iterator[str]:
    (shop / "adloom.toml").write_text(
        f'home = "{shop / "home"}"\n[generator]\npath = "{base}"\n[catalog]\nplacement = "photo"\n'
    )
    adloom(shop, "catalog", "import", str(shop / "pictures" / "feed.csv"))
    settings = load_settings(shop / "adloom.toml")
    with serving(settings) as address:
        yield address


@pytest.mark.parametrize("product", ["zh-1", "en-1"])
def test_an_ad_of_an_own_product_comes_over_http(address: str, product: str) -> None:
    asked = {"user_id": "ann", "product_id": product, "seed": 1, "inline_picture": True}
    answer = httpx.post(f"{address}/v1/ads", json=asked, timeout=120)
    assert answer.status_code == 200, answer.text
    ad = answer.json()
    assert ad["title"].strip()
    word = "防水" if product == "zh-1" else "waterproof"
    assert word in ad["title"].casefold()  # what PAd1M's titles say of a product are its words
    with Image.open(io.BytesIO(base64.b64decode(ad["picture_png"]))) as picture:
        assert picture.size[0] == picture.size[1]
