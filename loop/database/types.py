"""Types of columns that mean the same on SQLite and on Postgres."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine


class Moment(TypeDecorator[datetime]):
    """An aware moment, read back in UTC: SQLite keeps no zone, Postgres answers in its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        read: datetime = value
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def name(length: int | None) -> TypeEngine[str]:
    """A text that is a key: in the order of its bytes, whatever language a Postgres speaks."""
    kind: type[Text] | type[String] = Text if length is None else String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")
