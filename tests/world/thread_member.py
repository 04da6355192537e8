"""A consumer in a thread of the test, which can be held up, and made to crash between two steps."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.membership.condition import ConsumerState
from adloom.stream.settings import KafkaSettings

_END_SECONDS = 20.0

Step = tuple[Literal["before", "after"], Literal["apply", "append", "settle"]]
"""Of a batch: into the features, into the log, and that all of it is done."""


class Crash(Exception):
    """Stands for the end of the process."""


class ThreadMember:
    """Consumes as `adloom consume` does, until it is stopped or crashes.

    Attributes:
        error: what else it ended by, with its trace.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        features: FeatureStoreSettings,
        home: Path,
        gate: threading.Event,
    ) -> None:
        """While the gate is closed it writes no features."""
        self.error = ""
        self._gate = gate
        self._crash: Step | None = None
        self._store = FeatureStore.open(features, home)
        self._watch(self._store, "apply")
        self._watch(self._store, "settle")
        self._watch(self._store.log, "append")
        self._consumer = EventConsumer(kafka, self._store)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def state(self) -> ConsumerState:
        """Ready or not, and what it has to say."""
        return self._consumer.state

    @property
    def lag(self) -> int:
        """What it has not read yet, as it says."""
        return self._consumer.lag

    @property
    def runs(self) -> bool:
        """Whether it has neither crashed nor ended."""
        return self._thread.is_alive()

    def crash(self, step: Step) -> None:
        """It crashes when it comes to that step."""
        self._crash = step

    def stop(self) -> None:
        """It ends in order. Whoever spins does not."""
        self._stop.set()
        self._thread.join(_END_SECONDS)
        assert not self.runs, "a member did not end when it was told to"

    def _run(self) -> None:
        try:
            self._consumer.run(self._stop)
        except Crash:
            pass
        except BaseException:
            self.error = traceback.format_exc()
        finally:
            self._crash = None
            self._consumer.close()
            self._store.close()

    def _watch(self, owner: object, name: Any) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **named: Any) -> Any:
            if name == "apply":
                self._gate.wait()
            if self._crash == ("before", name):
                raise Crash
            result = real(*args, **named)
            if self._crash == ("after", name):
                raise Crash
            return result

        setattr(owner, name, watched)
