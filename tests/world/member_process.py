"""A consumer in a process of its own, which can be killed as a machine that fails would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.synchronize import Event as Signal
from pathlib import Path
from typing import Any

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.forking import processes

_START_SECONDS = 180.0


class MemberProcess:
    """Joins the group at once and consumes until it is killed; trouble with Kafka ends it not."""

    def __init__(self, kafka: KafkaSettings, features: FeatureStoreSettings, home: Path) -> None:
        self._writes = processes.Event()
        arguments = (kafka, features, home, self._writes)
        self._process = processes.Process(target=_consume, args=arguments, daemon=True)
        self._process.start()

    def wait_until_it_writes(self) -> None:
        """Until it has a batch in its hands."""
        assert self._writes.wait(_START_SECONDS)

    @property
    def runs(self) -> bool:
        """Whether the process has neither ended nor been killed."""
        return self._process.is_alive()

    def kill(self) -> None:
        """kill -9: it neither leaves the group nor finishes its batch."""
        self._process.kill()
        self._process.join()


def _consume(
    kafka: KafkaSettings, settings: FeatureStoreSettings, home: Path, writes: Signal
) -> None:
    with FeatureStore.open(settings, home) as store:
        apply: Callable[..., Any] = store.apply

        def tell_and_apply(*args: Any, **named: Any) -> Any:
            writes.set()
            return apply(*args, **named)

        setattr(store, "apply", tell_and_apply)  # noqa: B010
        with EventConsumer(kafka, store) as consumer, suppress(KeyboardInterrupt):
            consumer.run(threading.Event())
