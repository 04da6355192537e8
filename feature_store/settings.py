"""Settings of the feature store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Secret,
    SecretStr,
    model_validator,
)

from adloom.feature_store.naming_features import (
    FeastName,
    FeastNames,
    FeatureName,
    KeyName,
    ViewName,
)

_BUCKET = re.compile(r"s3://[^/@:?#\s]+(/[^?#\s]*)?")
_NODE = re.compile(r"[^\s:/=@]+:[0-9]{1,5}")
_OPTION = re.compile(r"[a-z_]+=.*")
_STORE = r"^[A-Za-z_][A-Za-z0-9_.]*$"
_NOTHING: Secret[dict[str, Any]] = Secret({})


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

    online: str = Field(
        default="sqlite",
        pattern=_STORE,
        description="sqlite and redis are written by adloom itself; any other online store of "
        "Feast by Feast: its type, such as postgres, or the name of its class",
    )
    online_config: Secret[dict[str, Any]] = Field(
        default=_NOTHING,
        description="of another store, as Feast has it in feature_store.yaml; keep what is secret "
        "in the environment: ADLOOM_FEATURES__ONLINE_CONFIG__PASSWORD",
    )
    redis_url: Annotated[SecretStr, AfterValidator(_feasts_form)] | None = Field(
        default=None,
        description="Feast's form: host:port[,host:port][,ssl=true][,db=0]; several hosts are "
        "nodes of a cluster, or Sentinels",
    )
    redis_mode: Literal["single", "cluster", "sentinel"] = "single"
    sentinel_master: str | None = Field(default=None, min_length=1)
    sentinel_password: SecretStr | None = Field(
        default=None,
        description="of the Sentinels themselves; keep it in the environment: "
        "ADLOOM_FEATURES__SENTINEL_PASSWORD",
    )
    redis_username: str | None = Field(default=None, min_length=1, description="of Redis' ACL")
    redis_password: SecretStr | None = Field(
        default=None, description="keep it in the environment: ADLOOM_FEATURES__REDIS_PASSWORD"
    )
    redis_ca_file: Path | None = Field(
        default=None, description="authority that signed the servers' certificates: TLS is used"
    )
    offline: str = Field(
        default="dask",
        pattern=_STORE,
        description="offline store of Feast that joins histories to moments: dask, ray, duckdb",
    )
    offline_config: Secret[dict[str, Any]] = Field(
        default=_NOTHING, description="of the offline store, as Feast has it"
    )
    project: FeastName = Field(default="adloom", description="of Feast")
    registry: Secret[dict[str, Any]] | None = Field(
        default=None,
        description="Feast's registry that others share, as Feast has it in feature_store.yaml: "
        "registry_type, path; none = a file under home",
    )
    user_entity: FeastName = Field(default="user", description="name of the entity in Feast")
    item_entity: FeastName = Field(default="item", description="name of the entity in Feast")
    user_key: FeastName = Field(default="user_id", description="its join key")
    item_key: FeastName = Field(default="item_id", description="its join key")
    names: dict[ViewName | FeatureName | KeyName, FeastName] = Field(
        default={}, description="what views and features are called in Feast, by adloom's names"
    )
    history_length: int = Field(default=256, ge=1, le=4096, description="newest clicks kept")
    impressions_length: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="newest ads kept that a user looked at, clicked or not; 0 = none, as where "
        "impressions are sent whether or not anybody looked",
    )
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
        if self.online != "redis":
            return self
        if self.redis_url is None:
            raise ValueError("online = 'redis' needs redis_url, such as localhost:6379")
        parts = self.redis_url.get_secret_value().split(",")
        if self.redis_mode == "single" and sum("=" not in part for part in parts) > 1:
            raise ValueError(
                "redis_url names several hosts: set redis_mode = 'cluster' where they are nodes of "
                "a cluster, or 'sentinel' and sentinel_master where they are Sentinels"
            )
        if self.redis_mode == "cluster" and any(re.fullmatch(r"db=[^0].*", one) for one in parts):
            raise ValueError("a Redis cluster has no other database than 0: leave db out")
        return self

    @model_validator(mode="after")
    def _sentinels_watch_a_master(self) -> Self:
        if (self.redis_mode == "sentinel") != (self.sentinel_master is not None):
            raise ValueError("redis_mode = 'sentinel' and sentinel_master go together")
        if self.sentinel_password is not None and self.sentinel_master is None:
            raise ValueError("sentinel_password is for redis_mode = 'sentinel'")
        for name in ("redis_password", "sentinel_password"):
            secret: SecretStr | None = getattr(self, name)
            if secret is not None and "," in secret.get_secret_value():
                raise ValueError(f"{name} has a comma, which Feast takes for its end")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        self.feast_names()
        return self

    @model_validator(mode="after")
    def _others_config_is_for_others(self) -> Self:
        if self.online in ("sqlite", "redis") and self.online_config.get_secret_value():
            raise ValueError(
                f"online_config is of other stores than {self.online}, which adloom sets up itself"
            )
        return self

    def feast_names(self) -> FeastNames:
        """What all is called in Feast. Raises ValueError where two have the same name."""
        return FeastNames(
            user=self.user_entity,
            item=self.item_entity,
            user_key=self.user_key,
            item_key=self.item_key,
            others=self.names,
        )
