"""Settings of the stream: where Kafka is, how to log in, names and batch sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

_SERVER = re.compile(r"(\w+://)?(\[[0-9A-Fa-f:.%]+\]|[^\s,:/\[\]]+)(:[0-9]{1,5})?")

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class TopicNames(BaseModel):
    """`[kafka.topics]`: topics with names of their own; the others have the prefix.

    Impressions, clicks, exposures and outcomes may share a topic where `[events.kind]` tells them
    apart. Outcomes are read, and taken by `POST /v1/events`, where their topic is named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    impressions: TopicName | None = None
    clicks: TopicName | None = None
    exposures: TopicName | None = None
    outcomes: TopicName | None = Field(
        default=None, description="such as adloom.outcomes; none = there are no outcomes"
    )
    deadletter: TopicName | None = None
    products: TopicName | None = None


class RegistrySettings(BaseModel):
    """`[kafka.registry]`: a schema registry that speaks as Confluent's does."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: AnyHttpUrl | None = Field(default=None, description="none = payloads are plain JSON")
    username: str | None = None
    password: SecretStr | None = Field(
        default=None, description="keep it in the environment: ADLOOM_KAFKA__REGISTRY__PASSWORD"
    )
    ssl_cafile: Path | None = None
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)

    @model_validator(mode="after")
    def _secrets_are_no_part_of_the_url(self) -> Self:
        if self.url is not None and (self.url.username or self.url.password):
            raise ValueError("keep the login out of url: set username and password")
        if (self.username is None) != (self.password is None):
            raise ValueError("set both username and password, or none of them")
        return self


class KafkaSettings(BaseModel):
    """A Kafka cluster and adloom's place in it; without servers, a local broker is started."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: str | None = Field(
        default=None, description="host:port[,host:port...]; none = a local broker"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    sasl_mechanism: str | None = Field(default=None, description="PLAIN, SCRAM-SHA-256, ...")
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    topic_prefix: str = Field(default="adloom", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    topics: TopicNames = TopicNames()
    registry: RegistrySettings = RegistrySettings()
    group_id: str = Field(default="adloom-features", min_length=1)
    partitions: int = Field(
        default=8, ge=1, le=1024, description="of each topic; the most consumers that can share"
    )
    max_batch: int = Field(
        default=20_000, ge=1, description="events of one micro-batch, while so many wait"
    )
    poll_seconds: float = Field(default=0.2, gt=0, description="longest wait for a micro-batch")
    session_seconds: float = Field(
        default=10.0,
        ge=1,
        description="a consumer silent for this long loses its partitions; clusters take 6 s to "
        "30 min, unless theirs say otherwise",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _servers_are_addresses(cls, servers: str | None) -> str | None:
        for server in [] if servers is None else servers.split(","):
            if not _SERVER.fullmatch(server.strip()):
                raise ValueError(f"{server.strip()!r} is not host:port")
        return servers

    @model_validator(mode="after")
    def _logins_are_whole(self) -> Self:
        if not self.security_protocol.startswith("SASL_"):
            return self
        if self.sasl_mechanism is None:
            raise ValueError(
                f"sasl_mechanism: is not set, and security_protocol = {self.security_protocol} "
                "needs one: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 ..."
            )
        by_name = self.sasl_mechanism == "PLAIN" or self.sasl_mechanism.startswith("SCRAM-")
        if by_name and None in (self.sasl_username, self.sasl_password):
            raise ValueError(
                f"sasl_username, sasl_password: set both for logins by {self.sasl_mechanism}"
            )
        return self

    @model_validator(mode="after")
    def _topics_do_not_clash(self) -> Self:
        """Events may share a topic: whether they can be told apart is not known here."""
        events = {"impressions", "clicks", "exposures"}
        if self.topics.outcomes is not None:
            events.add("outcomes")
        names = {key: self.topic(key) for key in TopicNames.model_fields}
        for key in ("deadletter", "products"):
            for other in sorted(events | {"deadletter", "products"} - {key}):
                if names[key] == names[other]:
                    raise ValueError(
                        f"topics.{key}: {names[key]!r} is the topic of {other} already"
                    )
        return self

    def topic(self, key: str) -> str:
        """The name of a topic by its key in `[kafka.topics]`."""
        own: str | None = getattr(self.topics, key)
        return f"{self.topic_prefix}.{key}" if own is None else own

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments that every kafka-python client of this cluster takes.

        Raises ValueError when no servers are set: `adloom.stream.broker.running_broker` fills
        them in.
        """
        if self.bootstrap_servers is None:
            raise ValueError(
                "kafka.bootstrap_servers is not set; use running_broker() for a local broker"
            )
        options: dict[str, Any] = {
            "bootstrap_servers": [name.strip() for name in self.bootstrap_servers.split(",")],
            "security_protocol": self.security_protocol,
            "ssl_cafile": self.ssl_cafile and str(self.ssl_cafile),
            "ssl_certfile": self.ssl_certfile and str(self.ssl_certfile),
            "ssl_keyfile": self.ssl_keyfile and str(self.ssl_keyfile),
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password and self.sasl_password.get_secret_value(),
        }
        return {name: value for name, value in options.items() if value is not None}
