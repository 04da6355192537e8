"""What Prometheus sees of the stream."""

from functools import cache
from threading import Lock

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from adloom.stream.freshness import FreshnessHistogram

disable_created_metrics()  # a moment for every series, which nobody asks

CONSUMING = CollectorRegistry()
"""What only a consumer sets: a process without one would tell noughts that mean nothing."""

CONSUMED = Counter(
    "adloom_stream_events_consumed",
    "Valid events applied, duplicates too",
    ["kind"],
    registry=CONSUMING,
)
DEAD_LETTERS = Counter(
    "adloom_stream_dead_letters", "Payloads refused", ["reason"], registry=CONSUMING
)
DROPPED = Counter(
    "adloom_events_dropped", "Events left out by the settings, from Kafka and over HTTP", ["rule"]
)
FEATURES_WRITTEN = Counter(
    "adloom_stream_features_written", "Rows written to the online store", registry=CONSUMING
)
FAILURES = Counter(
    "adloom_stream_failures",
    "Failures of broker or store; what failed is tried again",
    ["error"],
    registry=CONSUMING,
)
GAP_EVENTS = Counter(
    "adloom_stream_gap_events",
    "Offsets that Kafka deleted before they were read, and that the event log has not got",
    ["topic"],
    registry=CONSUMING,
)
CROSSED_EVENTS = Counter(
    "adloom_stream_crossed_events",
    "Events of users that came in another partition before",
    registry=CONSUMING,
)
PROGRESS_MOVED = Counter(
    "adloom_stream_progress_moved",
    "How often the online store was found older than what was read: all is read anew from there",
    registry=CONSUMING,
)
READY = Gauge(
    "adloom_stream_ready", "Whether broker and store answered the last time", registry=CONSUMING
)
LAG = Gauge(
    "adloom_stream_lag_events",
    "Events of this member's partitions not in features yet",
    registry=CONSUMING,
)
BATCH_SECONDS = Histogram(
    "adloom_stream_batch_seconds", "From the poll to the end of a batch", registry=CONSUMING
)
BATCH_EVENTS = Histogram(
    "adloom_stream_batch_events",
    "Valid events of a batch",
    buckets=(1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000),
    registry=CONSUMING,
)
FRESHNESS = FreshnessHistogram(
    "adloom_stream_freshness_seconds", "From the moment of an event to its place in the features"
)
CONSUMING.register(FRESHNESS)


_lock = Lock()


def show_consuming() -> None:
    """From now on the metrics of a consumer are among those of this process."""
    with _lock:
        _registered()


@cache
def _registered() -> None:
    REGISTRY.register(CONSUMING)
