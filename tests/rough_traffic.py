"""Traffic as bad as it comes, and what must be known in the end, worked out without adloom."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adloom.feature_store.store import FeatureStore
from adloom.stream.events import Event, encode, kind_of
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import event_topics, topic_of
from tests.folded import Features, Identity, features_in, fold, identity_of, logged_in
from tests.sample_events import click, exposure, impression

_POISON = [b"", b"\xff\xfe", b"{}", b'{"event_id": 7}', b"[" * 1_000]
_LATEST_DUPLICATES = 50


@dataclass
class RoughTraffic:
    """Among `users` users and 50 items, with poison in it.

    Events come twice, late, and with the id that an event of another user has; a share of them,
    `astray`, in any partition and not in their user's.
    """

    seed: int
    users: int = 200
    astray: float = 0.0
    poison: int = 0
    sent: dict[Identity, Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._recent: list[Event] = []

    def send(self, kafka: KafkaSettings, count: int) -> None:
        """All are acknowledged on return."""
        with EventProducer(kafka) as producer:
            for _ in range(count):
                if self._rng.random() < 0.02:
                    topic = self._rng.choice(list(event_topics(kafka)))
                    producer.send_payload(topic, b"k", self._rng.choice(_POISON))
                    self.poison += 1
                    continue
                event = self._next()
                key = event.user_id.encode() if self._rng.random() >= self.astray else None
                producer.send_payload(topic_of(kafka, kind_of(event)), key, encode(event))

    def expected(self) -> Features:
        """Of the distinct events sent."""
        return fold(self.sent.values(), self._user_ids(), self._item_ids())

    def found(self, store: FeatureStore) -> Features:
        """As the feature store knows them."""
        return features_in(store, self._user_ids(), self._item_ids())

    def logged_once(self, store: FeatureStore) -> bool:
        """Whether the log has every event sent, and no other."""
        return logged_in(store) == sorted(self.sent)

    def _next(self) -> Event:
        if self._recent and self._rng.random() < 0.1:
            return self._rng.choice(self._recent)
        number = len(self.sent)
        if self._recent and self._rng.random() < 0.05:  # an id that is another user's already
            number = self._rng.randrange(number)
        makers: list[Callable[..., Any]] = [impression, impression, click, exposure]
        event: Event = self._rng.choice(makers)(
            f"event-{number}",
            number - self._rng.choice([0, 0, 0, 1, 30, 3_000]),
            user_id=self._rng.choice(self._user_ids()),
            item_id=self._rng.choice(self._item_ids()),
            ad_id=self._rng.choice([None, "ad-1", "ad-2"]),
        )
        event = self.sent.setdefault(identity_of(event), event)
        self._recent = [*self._recent, event][-_LATEST_DUPLICATES:]
        return event

    def _user_ids(self) -> list[str]:
        return [f"user-{number}" for number in range(self.users)]

    def _item_ids(self) -> list[str]:
        return [f"item-{number}" for number in range(50)]
