"""Settings of the database that all servers and trainers of a shop share."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from adloom.loop.settings.section import Section


def _postgres(url: str) -> str:
    """Raises ValueError; what was given is not told, since it may hold a password."""
    parts = urlsplit(url)
    if parts.scheme != "postgresql" or not parts.path.strip("/"):
        raise ValueError("not the address of a Postgres database: postgresql://user@host:5432/name")
    if parts.password is not None:
        raise ValueError("keep the password out of it: ADLOOM_DATABASE__PASSWORD")
    return url


class DatabaseSettings(Section):
    """`[database]`: where products, creatives and the turn to run a round are kept."""

    url: Annotated[str, AfterValidator(_postgres)] | None = Field(
        default=None,
        description="Postgres that machines share, postgresql://user@host:5432/name; none = SQLite "
        "under home",
    )
    password: SecretStr | None = Field(
        default=None, description="keep it in the environment: ADLOOM_DATABASE__PASSWORD"
    )
