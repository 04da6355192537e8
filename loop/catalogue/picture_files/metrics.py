"""What Prometheus sees of an object store."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS = Histogram(
    "adloom_picture_store_seconds",
    "How long the object store of the pictures took to answer: read, write, look",
    ["call"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
FAILED = Counter(
    "adloom_picture_store_failed", "Calls that the object store of the pictures failed", ["call"]
)
WAITING = Gauge(
    "adloom_pictures_waiting", "Pictures on this machine that the object store has not taken yet"
)
