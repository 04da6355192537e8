"""What Prometheus sees of the stream."""

from prometheus_client import Counter, Gauge, Histogram

CONSUMED = Counter(
    "adloom_stream_events_consumed", "Valid events applied, duplicates too", ["kind"]
)
DEAD_LETTERS = Counter("adloom_stream_dead_letters", "Payloads refused", ["reason"])
FEATURES_WRITTEN = Counter("adloom_stream_features_written", "Rows written to the online store")
FAILED_BATCHES = Counter("adloom_stream_failed_batches", "Batches that will be tried again")
LAG = Gauge("adloom_stream_lag_events", "Events in Kafka that the group has not committed")
BATCH_SECONDS = Histogram("adloom_stream_batch_seconds", "From the poll to the commit of a batch")
FRESHNESS_SECONDS = Histogram(
    "adloom_stream_freshness_seconds",
    "From the arrival of an event in Kafka to its place in the features",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
