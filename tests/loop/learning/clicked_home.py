"""A home whose log has clicks, on the tiny base, for commands that learn from them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adloom.feature_store.logged import EventKind, LoggedEvent
from adloom.loop import home
from adloom.loop.settings import Settings
from tests.loop_parts import keep_shop_ads, tiny_settings

_SETTINGS = """
home = "{home}"
generator = {{ path = "{base}", device = "cpu" }}
fine_tune = {{ max_steps = 3, batch_size = 4, rank = 2, checkpoint_every = 1, trend.max_steps = 3 }}
rounds = {{ min_clicks = 4, watch_seconds = 0.2 }}
gate.ads = 2
"""

_SHOWN_AND_CLICKED: tuple[tuple[EventKind, timedelta], ...] = (
    ("exposure", timedelta()),
    ("click", timedelta(milliseconds=500)),
)


def clicked_home(folder: Path) -> tuple[Settings, Path]:
    """The settings of such a home, and a file of them."""
    settings = tiny_settings(folder)
    with closing(home.open_creatives(settings)) as creatives:
        keep_shop_ads(creatives, 6)
    click(settings, ("ann", "bob", "cem", "dan"), timedelta(hours=2))
    file = folder / "adloom.toml"
    file.write_text(_SETTINGS.format(home=settings.home, base=settings.generator.path))
    return settings, file


def click(settings: Settings, users: Sequence[str], ago: timedelta) -> None:
    """Each of them is shown each ad of the home, and clicks it."""
    with closing(home.open_creatives(settings)) as creatives:
        ads = creatives.page()
    shown = datetime.now(UTC) - ago
    rows = [
        LoggedEvent(
            kind,
            str(uuid.uuid4()),
            shown + timedelta(milliseconds=10 * number) + late,
            user,
            ad.product_id,
            f"adloom.{kind}s",
            0,
            number,
            ad_id=ad.ad_id,
            variant="shop",
        )
        for number, ad in enumerate(ads)
        for user in users
        for kind, late in _SHOWN_AND_CLICKED
    ]
    with home.open_features(settings) as features:
        features.log.append(rows)
