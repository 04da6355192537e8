"""Kept exposures of who is forgotten, and those that are too old, go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Engine, delete, func, select

from adloom.loop.database.statements import parts
from adloom.loop.database.tables import kept_exposures as rows


def ads_of(engine: Engine, users: Sequence[str]) -> dict[str, list[str]]:
    """The ads whose exposures are kept, of each of these users."""
    found: dict[str, list[str]] = {user: [] for user in users}
    with engine.connect() as connection:
        for some in parts([user.encode() for user in users]):
            query = select(rows.c.user_id, rows.c.ad_id).where(rows.c.user_id.in_(some))
            for row in connection.execute(query):
                found[row.user_id.decode()].append(row.ad_id)
    return found


def others_of_ads(engine: Engine, ads: Collection[str], users: Collection[str]) -> set[str]:
    """Those ads whose exposures to others than these users are kept."""
    theirs = {user.encode() for user in users}
    found: set[str] = set()
    with engine.connect() as connection:
        for some in parts(sorted(ads)):
            query = select(rows.c.user_id, rows.c.ad_id).where(rows.c.ad_id.in_(some))
            found |= {row.ad_id for row in connection.execute(query) if row.user_id not in theirs}
    return found


def erase_users(engine: Engine, users: Sequence[str]) -> None:
    """Nothing of these users is kept any more."""
    with engine.begin() as connection:
        for some in parts([user.encode() for user in users]):
            connection.execute(delete(rows).where(rows.c.user_id.in_(some)))


def erase_before(engine: Engine, moment: datetime) -> int:
    """Those of ads that were made before a moment go; how many they were."""
    with engine.begin() as connection:
        return connection.execute(delete(rows).where(rows.c.made_at < moment)).rowcount


def count_before(engine: Engine, moment: datetime) -> int:
    """How many that would be."""
    query = select(func.count()).select_from(rows).where(rows.c.made_at < moment)
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())
