"""What the banned ads of a product look like: nothing that looks the same is shown again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from sqlalchemy import Connection, Engine, delete, select

from adloom.loop.catalogue.creatives.fingerprint import PIXELS, Fingerprint
from adloom.loop.database.review_tables import banned_pictures
from adloom.loop.database.statements import parts
from adloom.loop.database.tables import creatives

_MOST = 1_000  # of one product that a picture is held against


def banned_pictures_of(engine: Engine, product_id: str) -> Fingerprint:
    """Fingerprints of a product's banned ads: int8, shape (n, 256, 3)."""
    columns = banned_pictures.c
    query = select(columns.fingerprint).where(columns.product_id == product_id).limit(_MOST)
    with engine.connect() as connection:
        found = connection.execute(query).scalars().all()
    return np.frombuffer(b"".join(found), np.int8).reshape(len(found), PIXELS, 3)


def note_banned_pictures(connection: Connection, looks: Mapping[str, Fingerprint]) -> None:
    """Keep what ads look like that are banned now, by ad id."""
    for some in parts(sorted(looks)):
        columns = creatives.c.ad_id, creatives.c.product_id
        rows = connection.execute(select(*columns).where(creatives.c.ad_id.in_(some))).all()
        kept = [
            {**row._mapping, "fingerprint": np.ascontiguousarray(looks[row.ad_id]).tobytes()}
            for row in rows
        ]
        if kept:
            connection.execute(banned_pictures.insert(), kept)


def let_pictures_go(connection: Connection, ad_ids: Collection[str]) -> None:
    """Of ads that are banned no more, or gone."""
    for some in parts(sorted(ad_ids)):
        connection.execute(delete(banned_pictures).where(banned_pictures.c.ad_id.in_(some)))
