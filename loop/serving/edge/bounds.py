"""What one connection may cost."""

from __future__ import annotations

from dataclasses import dataclass

HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What tells how the server does, and nothing of shoppers: answered where others are refused."""


@dataclass(frozen=True)
class Bounds:
    """Limits of connections and of what comes before a body; bodies have their own."""

    connections: int = 512
    connections_for_health: int = 32  # beyond the others
    head_bytes: int = 32 << 10
    headers: int = 100
    target_bytes: int = 8 << 10
    head_seconds: float = 10.0  # from the connection, or the first moment a next request may come
    idle_seconds: float = 5.0
    unread_seconds: float = 30.0  # an answer that nobody reads
    pipelined: int = 16  # requests sent before the answers to those before them
