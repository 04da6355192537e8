"""Settings of the stream: where Kafka is, how to log in, names and batch sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class KafkaSettings(BaseModel):
    """A Kafka cluster and adloom's place in it; without servers, a local broker is started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    group_id: str = Field(default="adloom-features", min_length=1)
    partitions: int = Field(
        default=8, ge=1, le=1024, description="of each topic; the most consumers that can share"
    )
    max_batch: int = Field(
        default=20_000, ge=1, description="events of one micro-batch, while so many wait"
    )
    poll_seconds: float = Field(default=0.2, gt=0, description="longest wait for a micro-batch")
    session_seconds: float = Field(
        default=10.0, ge=1, description="a consumer silent for this long loses its partitions"
    )

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
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
            "ssl_cafile": self.ssl_cafile and str(self.ssl_cafile),
            "ssl_certfile": self.ssl_certfile and str(self.ssl_certfile),
            "ssl_keyfile": self.ssl_keyfile and str(self.ssl_keyfile),
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password and self.sasl_password.get_secret_value(),
        }
        return {name: value for name, value in options.items() if value is not None}
