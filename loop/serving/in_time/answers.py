"""Which ad a request got that has a name of its own: when it comes again it gets the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, select, update

from adloom.loop.database.statements import insert_new
from adloom.loop.database.tables import answers
from adloom.loop.serving.in_time.chosen import Source

_KEPT = timedelta(days=1)
_TIDIED_EVERY = 256


@dataclass(frozen=True)
class Answer:
    """An ad that was answered, and where it came from."""

    ad_id: str
    source: Source


class Answers:
    """By name of the request, for a day; for all servers of a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._put = 0

    def get(self, name: str) -> Answer | None:
        """What was answered before."""
        query = select(answers.c.ad_id, answers.c.source).where(answers.c.name == name)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else Answer(row.ad_id, row.source)

    def replace(self, name: str, former: Answer, answer: Answer) -> None:
        """Answer this from now on where ``former`` may be shown no more."""
        same = (answers.c.name == name) & (answers.c.ad_id == former.ad_id)
        values = {"ad_id": answer.ad_id, "source": answer.source}
        with self._engine.begin() as connection:
            connection.execute(update(answers).where(same).values(values))

    def settle(self, name: str, answer: Answer) -> Answer:
        """What is answered: this, or what another server answered meanwhile."""
        now = datetime.now(UTC)
        row = {"name": name, "ad_id": answer.ad_id, "source": answer.source, "at": now}
        self._put += 1
        with self._engine.begin() as connection:
            connection.execute(insert_new(answers, self._engine), [row])
            if self._put % _TIDIED_EVERY == 0:
                connection.execute(delete(answers).where(answers.c.at < now - _KEPT))
        return self.get(name) or answer
