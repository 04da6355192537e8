"""What the loop knows as a data set: no record knows its future, and no split the other."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop import home
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.commands.app import app
from adloom.loop.datasets.clicks import ExportedClicks
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.loop.settings import load_settings
from adloom.models.compose import cutout_layer
from adloom.models.datasets.pad1m import Pad1M, PadRecord
from adloom.models.datasets.shards import read_shard, shard_files
from tests.stocked import stocked, stocked_catalogue
from tests.tiny_model import tiny_model

DAY = datetime(2026, 1, 2, tzinfo=UTC)
CLICKS, USERS, ADS = 120, 8, 12


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LoggedEvent]]:
    """A home with ads, and clicks over three days, some at the same moment, some on no ad."""
    folder = tmp_path_factory.mktemp("home")
    settings = load_settings(home=stocked(folder))
    creatives, nothing = home.open_creatives(settings), np.zeros(16, dtype=np.int16)
    ads = seed_creatives(ADS, seed=0)
    for n, ad in enumerate(ads):
        kept, title = creatives.put_picture(ad.picture(64)), f"{ad.title} {n}"
        codes = nothing, nothing
        of = ad.product.product_id
        creatives.add([Creative(ad.ad_id, of, title, kept, *codes, "shop", "", 0, DAY)])
    creatives.close()
    rng = random.Random(0)
    events = []
    for n in range(CLICKS):
        ad = rng.choice(ads)
        ts = DAY + timedelta(hours=rng.randrange(72))
        user, item = f"user {rng.randrange(USERS)}", ad.product.product_id
        known = None if rng.random() < 0.2 else ad.ad_id
        events.append(LoggedEvent("click", f"{n:03}", ts, user, item, "c", 0, n, ad_id=known))
    with home.open_features(settings) as features:
        features.log.append(events)
    return folder, sorted(events, key=lambda event: (event.ts, event.event_id))


def export(folder: Path, out: Path, *more: str, **env: str) -> Result:
    words = ["dataset", "export", "--out", str(out), *more]
    return CliRunner().invoke(app, words, env={"ADLOOM_HOME": str(folder), **env})


def encode(folder: Path) -> Result:
    """An export in ``folder/data``, by ``folder/base``."""
    given = {
        "data": "data/data.jsonl",
        "pictures": "data/pictures",
        "base": "base",
        "out": "shards",
    }
    words = [word for name, path in given.items() for word in (f"--{name}", str(folder / path))]
    return CliRunner().invoke(app, ["base", "encode", *words, "--device", "cpu", "--json"])


def records(out: Path) -> list[PadRecord]:
    return list(Pad1M(out / "data.jsonl", out / "pictures").records())


def test_no_record_knows_its_future(log: tuple[Path, list[LoggedEvent]], tmp_path: Path) -> None:
    folder, events = log
    made = export(folder, tmp_path / "all", "--heldout", "0", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["records"] == {"train": sum(event.ad_id is not None for event in events)}
    assert told["left_out"] == {"click on no ad": sum(event.ad_id is None for event in events)}
    names = {
        p.product_id: p.name
        for p in stocked_catalogue(folder).find(e.item_id for e in events).values()
    }
    creatives = home.open_creatives(load_settings(home=folder))
    titles = {
        name: ad.title for name, ad in creatives.get_many([e.ad_id or "" for e in events]).items()
    }
    for record in records(tmp_path / "all"):
        click = events[int(record.record_id) - 1]
        assert record.gt_title_cn == (titles[click.ad_id or ""],)
        before = [e for e in events if e.user_id == click.user_id and e.ts < click.ts]
        expected = [titles[e.ad_id] if e.ad_id else names[e.item_id] for e in before]
        assert sorted(record.history_titles) == sorted(expected)
        assert len(record.text_similarity) == len(expected)


def test_histories_are_those_of_the_store_and_the_log_is_read_once(
    log: tuple[Path, list[LoggedEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = log
    read, times = EventLog.read, list[str]()

    def counted(*args: Any, **named: Any) -> Any:
        times.append("read")
        return read(*args, **named)

    monkeypatch.setattr(EventLog, "read", counted)
    with home.open_features(load_settings(home=folder, features={"history_length": 5})) as features:
        found = list(ExportedClicks.of(features, DAY + timedelta(days=1), None).with_histories())
        assert times == ["read"]
        moments = [(click.user_id, click.ts) for click, _ in found]
        assert [history for _, history in found] == features.history_at(moments)
    assert 0 < len(found) < CLICKS
    assert max(len(history) for _, history in found) == 5


def test_a_window_holds_its_clicks_and_histories_from_before_it(
    log: tuple[Path, list[LoggedEvent]], tmp_path: Path
) -> None:
    folder, events = log
    made = export(
        folder, tmp_path / "one", "--heldout", "0", "--since", "2026-01-03", "--until", "2026-01-04"
    )
    assert made.exit_code == 0, made.output
    day = [e for e in events if e.ad_id and e.ts.day == 3]
    assert len(records(tmp_path / "one")) == len(day)
    assert all(record.history_titles for record in records(tmp_path / "one"))
    again = export(folder, tmp_path / "one")
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)


def test_splits_share_no_user_and_no_product_and_users_are_hashed(
    log: tuple[Path, list[LoggedEvent]], tmp_path: Path
) -> None:
    folder, _ = log
    salted = ("--heldout", "0.4", "--salt-from", "SALT")
    for name in ("a", "b"):
        assert export(folder, tmp_path / name, *salted, SALT="secret").exit_code == 0
    text = (tmp_path / "a" / "data.jsonl").read_text()
    assert text == (tmp_path / "b" / "data.jsonl").read_text()
    assert "user " not in text
    told = [json.loads(line) for line in text.splitlines()]
    for key in ("user", "sku_title_cn"):
        by_split = {
            s: {one[key] for one in told if one["split"] == s} for s in ("train", "heldout")
        }
        assert all(by_split.values())
        assert not by_split["train"] & by_split["heldout"]
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert sum(card["records"].values()) + sum(card["left_out"].values()) == CLICKS
    assert card["left_out"]["user and product of different splits"] > 0
    missing = export(folder, tmp_path / "c", "--salt-from", "NO_SUCH_SALT")
    assert (missing.exit_code, "no such variable" in missing.stderr) == (2, True)


def test_an_export_is_encoded_with_products_where_their_ads_have_them(
    log: tuple[Path, list[LoggedEvent]], tmp_path: Path
) -> None:
    folder, events = log
    assert export(folder, tmp_path / "data", "--heldout", "0").exit_code == 0
    tiny_model().save_pretrained(tmp_path / "base")
    made = encode(tmp_path)
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["left_out"] == {}
    encoded = [one for file in shard_files(tmp_path / "shards") for one in read_shard(file)]
    assert len(encoded) == len(records(tmp_path / "data"))
    sold = stocked_catalogue(folder).find(event.item_id for event in events)
    products = {product.name: product for product in sold.values()}
    for one in encoded:
        left, top, right, bottom = (
            cutout_layer(products[one.name].cutout(), 512).getbbox() or (0,) * 4
        )
        assert one.placement is not None
        box = (left, top, right - left, bottom - top)
        assert one.placement.box(512) == pytest.approx(box, abs=1)
