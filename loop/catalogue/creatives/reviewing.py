"""Who approved or banned which ad, and why; what that changes is seen by the next request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from sqlalchemy import Connection, Engine, select

from adloom.loop.catalogue.creatives.banned_pictures import (
    let_pictures_go,
    note_banned_pictures,
)
from adloom.loop.catalogue.creatives.fingerprint import Fingerprint, fingerprint
from adloom.loop.catalogue.creatives.store import CreativeStore, State, UnknownAd
from adloom.loop.database.statements import parts
from adloom.loop.database.tables import creative_revisions, creatives, reviews

_REVISION = select(creative_revisions.c.number)  # made once: each request looks


@dataclass(frozen=True)
class Review:
    """What was done to an ad: its state from then on, why, by whom; ``at`` is aware, UTC."""

    ad_id: str
    at: datetime
    state: State
    why: str
    by: str


def ban(creatives_kept: CreativeStore, ad_ids: Collection[str], *, why: str, by: str) -> set[str]:
    """Ban ads for what they are: what looks the same is not shown either; those there are.

    Raises PicturesAway.
    """
    looks: dict[str, Fingerprint] = {}
    for ad_id, creative in creatives_kept.get_many(sorted(ad_ids)).items():
        with suppress(UnknownAd):  # its picture is lost: nobody can hold anything against it
            looks[ad_id] = fingerprint(creatives_kept.picture(creative.picture))
    return judge(creatives_kept.engine, ad_ids, "banned", why=why, by=by, looks=looks)


def judge(
    engine: Engine,
    ad_ids: Collection[str],
    state: State,
    *,
    why: str,
    by: str,
    looks: Mapping[str, Fingerprint] = MappingProxyType({}),
) -> set[str]:
    """Give ads a state; those that the store has, also where they had it: it is noted again.

    ``looks`` is what ads look like that are banned for that, by ad id.
    """
    found: set[str] = set()
    now = datetime.now(UTC)
    with engine.begin() as connection:
        let_pictures_go(connection, ad_ids)
        note_banned_pictures(connection, looks)
        for some in parts(sorted(ad_ids)):
            these = creatives.c.ad_id.in_(some)
            known = connection.execute(select(creatives.c.ad_id).where(these)).scalars().all()
            connection.execute(creatives.update().where(these).values(state=state))
            rows = [
                {"ad_id": ad_id, "at": now, "state": state, "why": why, "by": by}
                for ad_id in sorted(known)
            ]
            if rows:
                connection.execute(reviews.insert(), rows)
            found.update(known)
        if found:
            next_revision(connection)
    return found


def note(
    connection: Connection, ad_id: str, state: State, reasons: Sequence[str], *, by: str
) -> None:
    """Write down a judgement of an ad in the transaction that stores it."""
    row = {"ad_id": ad_id, "at": datetime.now(UTC), "state": state, "by": by}
    connection.execute(reviews.insert(), [{**row, "why": "; ".join(reasons)}])


def reviews_of(engine: Engine, ad_ids: Sequence[str]) -> Mapping[str, list[Review]]:
    """What was done to each ad, the latest last; an ad that nobody judged is left out."""
    columns = [reviews.c[name] for name in ("ad_id", "at", "state", "why", "by")]
    found: dict[str, list[Review]] = {}
    with engine.connect() as connection:
        for some in parts(list(dict.fromkeys(ad_ids))):
            query = select(*columns).where(reviews.c.ad_id.in_(some))
            for row in connection.execute(query.order_by(reviews.c.ad_id, reviews.c.number)):
                found.setdefault(row.ad_id, []).append(Review(*row))
    return found


def revision(engine: Engine) -> int:
    """Grows when ads are judged or erased."""
    with engine.connect() as connection:
        return int(connection.execute(_REVISION).scalar_one())


def next_revision(connection: Connection) -> None:
    """Let whoever keeps ads in memory read them anew."""
    grown = creative_revisions.update().values(number=creative_revisions.c.number + 1)
    connection.execute(grown)
