"""Settings of the feature store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

_BUCKET = re.compile(r"s3://[^/@:?#\s]+(/[^?#\s]*)?")
_NODE = re.compile(r"[^\s:/=@]+:[0-9]{1,5}")
_OPTION = re.compile(r"[a-z_]+=.*")


def _feasts_form(address: SecretStr) -> SecretStr:
    """The parts are never told: one may be a password."""
    parts = address.get_secret_value().split(",")
    if not (_NODE.fullmatch(parts[0]) and all(map(_is_part, parts))):
        raise ValueError(
            "write it as Feast does, host:port[,host:port][,ssl=true][,db=0][,password=...], "
            "and not as redis://..."
        )
    return address


def _is_part(part: str) -> bool:
    return bool(_NODE.fullmatch(part) or _OPTION.fullmatch(part))


def _folder_or_bucket(url: str) -> str:
    """Raises ValueError; what was given is not told, since it may hold a key."""
    if "://" in url and not _BUCKET.fullmatch(url):
        raise ValueError("a folder, or s3://bucket/path; keys come from the environment alone")
    return url


class LogSettings(BaseModel):
    """`[log]`: where the event log lies, and how often the stream adds to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[str, AfterValidator(_folder_or_bucket)] | None = Field(
        default=None,
        description="folder, or s3://bucket/path with what the storage asks for in the environment "
        "(AWS_ACCESS_KEY_ID, ...), that machines share; none = under home",
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^@?#\s]+$",
        description="of another object store than Amazon's, such as http://minio:9000",
    )
    commit_seconds: float = Field(
        default=2.0, ge=0, le=300, description="between commits of one that consumes"
    )

    def place(self, home: Path) -> Path | str:
        """Where it lies: `home` is the home of the feature store."""
        if self.url is None:
            return home / "events"
        return self.url if "://" in self.url else Path(self.url)


class FeatureStoreSettings(BaseModel):
    """Which online store, how long a history is kept, how click-through rates are smoothed.

    A smoothed rate is `(clicks + prior_clicks) / (impressions + prior_impressions)`: an item
    nobody saw yet has the rate `prior_clicks / prior_impressions`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    online: Literal["sqlite", "redis"] = "sqlite"
    redis_url: Annotated[SecretStr, AfterValidator(_feasts_form)] | None = Field(
        default=None, description="Feast's form: host:port[,host:port][,db=0][,password=...]"
    )
    history_length: int = Field(default=256, ge=1, le=4096, description="newest clicks kept")
    open_rows: int = Field(
        default=50_000,
        ge=0,
        description="rows of each view that a consumer keeps in memory; a long history takes 6 KB",
    )
    item_shards: int = Field(
        default=8, ge=1, le=1024, description="at least the partitions of an event topic"
    )
    prior_clicks: float = Field(default=1.0, ge=0)
    prior_impressions: float = Field(default=20.0, gt=0)

    @model_validator(mode="after")
    def _redis_has_an_address(self) -> Self:
        if self.online == "redis" and self.redis_url is None:
            raise ValueError("online = 'redis' needs redis_url, such as localhost:6379")
        return self
