"""All places where something of users is kept, opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.rounds.shared import SharedRounds
from adloom.loop.settings import Settings
from adloom.stream.settings import KafkaSettings


@dataclass(frozen=True)
class Kept:
    """Where something of users is kept.

    Attributes:
        rounds: folder of all rounds.
        kafka: the cluster; None where topics are in the memory of a server, and end with it.
    """

    features: FeatureStore
    database: Engine
    pictures: PictureStore
    registry: AdRegistry
    rounds: Path
    kafka: KafkaSettings | None

    @property
    def shared_rounds(self) -> SharedRounds:
        """The rounds of all machines that share the database."""
        return SharedRounds(self.rounds, self.database)


@contextmanager
def opened(settings: Settings) -> Iterator[Kept]:
    """All of it, by the settings. Raises as what opens each part does."""
    with ExitStack() as parts:
        pictures = home.open_pictures(settings, keep_waiting=True)
        catalogue = home.open_catalogue(settings, pictures)
        parts.callback(catalogue.close)
        yield Kept(
            parts.enter_context(home.open_features(settings)),
            catalogue.engine,
            pictures,
            home.open_registry(settings),
            settings.home / home.ROUNDS_FOLDER,
            settings.kafka if settings.kafka.bootstrap_servers is not None else None,
        )
