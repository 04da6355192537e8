"""What a consumer waits for, and for how long: broker or store away, or not as they should be."""

from __future__ import annotations

import random

from kafka.errors import KafkaError

from adloom.feature_store.backend import StoreUnfit
from adloom.feature_store.store import (
    ContendedPartition,
    FeaturesLost,
    ProgressMoved,
    StoreUnavailable,
)
from adloom.stream.cluster.partitions import TooFewShards, UnevenTopics
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused
from adloom.stream.producer import DeliveryFailed

OF_THE_STREAM = (
    ContendedPartition,
    ProgressMoved,
    BrokerUnavailable,
    DeliveryFailed,
    UnevenTopics,
    TooFewShards,
    KafkaRefused,
    KafkaError,
)
"""In the way of reading: what is read can be applied."""
OUTAGES = (*OF_THE_STREAM, StoreUnavailable, StoreUnfit, FeaturesLost, OSError)
"""What time may heal, or somebody, without a restart. Everything else is a mistake in a program."""

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0


class Pauses:
    """Pauses between tries that fail one after the other.

    They grow, and each is a random share of the longest allowed, so that many consumers do not
    come back all at once.
    """

    def __init__(self) -> None:
        self.failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        longest = min(_FIRST_PAUSE_SECONDS * 2.0**self.failures, _LONGEST_PAUSE_SECONDS)
        self.failures += 1
        return longest * random.uniform(0.5, 1.0)

    def end(self) -> None:
        """A try went well."""
        self.failures = 0
