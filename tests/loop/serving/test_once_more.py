"""A key that came before with another request is known by the ads of both kinds of answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adloom.loop.catalogue.creatives.store import NO_CODES, Creative
from adloom.loop.catalogue.opening import open_creatives
from adloom.loop.serving.http.bodies import AdWanted
from adloom.loop.serving.http.once_more import came_for_another, named_by
from adloom.loop.serving.in_time.answers import Answer, Answers
from adloom.loop.settings.database import DatabaseSettings

KEY, OTHER_KEY = "a-key-of-a-request", "a-key-of-another"


def name_of(key: str, user: str) -> str:
    _, ad_id = named_by(key, AdWanted(user_id=user, product_id="mug"))
    assert ad_id is not None
    return ad_id


@pytest.mark.parametrize("answered", ["drawn", "pool"])
def test_a_key_that_came_for_another_shopper_is_known(
    tmp_path: Path, database: DatabaseSettings, answered: str
) -> None:
    creatives = open_creatives(tmp_path, database)
    ann, bob, others = name_of(KEY, "ann"), name_of(KEY, "bob"), name_of(OTHER_KEY, "bob")
    assert not came_for_another(creatives.engine, ann)
    if answered == "drawn":
        made = Creative(
            ad_id=ann,
            product_id="mug",
            title="Mug",
            picture="0" * 64,
            codes=NO_CODES,
            background_codes=np.zeros(4, np.int16),
            variant="champion",
            version="1",
            seed=1,
            served_at=datetime.now(UTC),
        )
        creatives.add([made])
    else:
        Answers(creatives.engine).settle(ann, Answer("an-ad", "pool"))
    assert not came_for_another(creatives.engine, ann)
    assert came_for_another(creatives.engine, bob)
    assert not came_for_another(creatives.engine, others)
    creatives.close()
