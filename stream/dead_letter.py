"""What is kept of a payload that is not an event, so that someone can find out why."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import BaseModel, ConfigDict

from adloom.stream.events import InvalidEvent, Reason

# As JSON text a byte can take six characters, and Kafka takes 1 MiB.
_KEPT_BYTES = 128 * 1024


class DeadLetter(BaseModel):
    """Where the payload was, why it was refused, and its beginning.

    A crash between writing dead letters and committing offsets writes them twice: topic,
    partition and offset, which are also the key of the record, tell.
    """

    model_config = ConfigDict(frozen=True)

    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    payload: str
    encoding: Literal["utf-8", "base64"]
    payload_bytes: int

    @classmethod
    def of(
        cls, error: InvalidEvent, topic: str, partition: int, offset: int, payload: bytes
    ) -> DeadLetter:
        """The record of a refused payload; at most its first 128 KiB are kept."""
        text, encoding = _as_text(payload[:_KEPT_BYTES])
        return cls(
            reason=error.reason,
            detail=error.detail,
            topic=topic,
            partition=partition,
            offset=offset,
            payload=text,
            encoding=encoding,
            payload_bytes=len(payload),
        )

    @property
    def key(self) -> bytes:
        """The same for the same payload, however often it is written."""
        return f"{self.topic}/{self.partition}/{self.offset}".encode()

    @property
    def kept(self) -> bytes:
        """The payload as it was, or its beginning: `payload_bytes` tells."""
        if self.encoding == "base64":
            return base64.b64decode(self.payload)
        return self.payload.encode()

    def encode(self) -> bytes:
        """JSON, UTF-8."""
        return self.model_dump_json().encode()


def _as_text(payload: bytes) -> tuple[str, Literal["utf-8", "base64"]]:
    try:
        return payload.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode(), "base64"
