"""Requests that are sent again, since their answer was lost: they get the ad they got first."""

from __future__ import annotations

import hashlib
import random
import uuid
from typing import Any

from fastapi import Header
from sqlalchemy import Engine, select, union_all

from adloom.loop.database.tables import answers, creatives
from adloom.loop.serving.http.bodies import AdWanted

_SEEDS = 2**31
_OF_KEY = len("xxxxxxxx-xxxx-xxxx-")  # what ads of one key have in common

IDEMPOTENCY_KEY: Any = Header(
    alias="Idempotency-Key",
    min_length=8,
    max_length=128,
    pattern=r"^[!-~]+$",
    description="one a request, kept when it is sent again: then it gets the same ad; 422 where "
    "it came with another shopper, product, seed or arm before",
)


def named_by(key: str | None, wanted: AdWanted) -> tuple[int, str | None]:
    """The seed of an ad, and its id where a key names it.

    The id begins with what the key makes, and ends with what this shopper, product and seed make,
    and who draws it: so ads of one key stand side by side in the index of their ids.
    """
    if key is None:
        return random.randrange(_SEEDS) if wanted.seed is None else wanted.seed, None
    asked = "\n".join((key, wanted.user_id, wanted.product_id, str(wanted.seed), *_by(wanted)))
    digest = _digest(asked)
    drawn = int.from_bytes(digest[:4]) % _SEEDS
    ad_id = uuid.UUID(bytes=_digest(key)[:8] + digest[8:16], version=5)
    return drawn if wanted.seed is None else wanted.seed, str(ad_id)


def came_for_another(engine: Engine, ad_id: str) -> bool:
    """Whether the key that this id is of was sent with another request, and that was answered."""
    of_key = ad_id[:_OF_KEY]
    # Whole ids as ends: so it is a range of the index in whatever order a Postgres has texts.
    first, last = f"{of_key}0000-{'0' * 12}", f"{of_key}ffff-{'f' * 12}"
    columns = creatives.c.ad_id, answers.c.name
    found = union_all(
        *(
            # Not BETWEEN: beside a collation Postgres does not read what SQLAlchemy writes of it.
            select(one).where(one >= first, one <= last, one != ad_id).limit(1).subquery().select()
            for one in columns
        )
    )
    with engine.connect() as connection:
        return connection.execute(found).first() is not None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _by(wanted: AdWanted) -> list[str]:
    assigned = wanted.assignment
    arm = [] if assigned is None else [assigned.experiment, assigned.variant]
    return [*arm, *([] if wanted.personalise else ["anyone"])]
