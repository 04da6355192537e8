"""What is kept of a payload that is not an event, so that someone can find out why."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import BaseModel, ConfigDict

from adloom.stream.events import InvalidEvent, Reason
from adloom.stream.headers import MARK, SCHEMA_HEADER, Headers

# As JSON text a byte can take six characters, and Kafka takes 1 MiB.
_KEPT_BYTES = 128 * 1024
_KEPT_HEADERS = frozenset((MARK, SCHEMA_HEADER))
_HEADER_BYTES = 64


class DeadLetter(BaseModel):
    """Where the payload was, why it was refused, and its beginning.

    `headers` are those that say how it is read, in base64.

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
    headers: dict[str, str] = {}

    @classmethod
    def of(
        cls,
        error: InvalidEvent,
        topic: str,
        partition: int,
        offset: int,
        payload: bytes,
        headers: Headers = (),
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
            headers={
                name: base64.b64encode(value).decode()
                for name, value in headers
                if name in _KEPT_HEADERS and value is not None and len(value) <= _HEADER_BYTES
            },
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

    @property
    def kept_headers(self) -> list[tuple[str, bytes]]:
        """The headers that say how the payload is to be read."""
        return [(name, base64.b64decode(value)) for name, value in self.headers.items()]

    def encode(self) -> bytes:
        """JSON, UTF-8."""
        return self.model_dump_json().encode()


def _as_text(payload: bytes) -> tuple[str, Literal["utf-8", "base64"]]:
    try:
        return payload.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode(), "base64"
