"""Where the parts of the loop keep their things: all of it under ``settings.home``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from adloom.loop.settings import Settings

# What a command does not open it need not import: torch, Feast and MLflow take their seconds.
if TYPE_CHECKING:
    from sqlalchemy import Engine

    from adloom.feature_store.event_log import EventLog
    from adloom.feature_store.store import FeatureStore
    from adloom.loop.catalogue.creatives.store import CreativeStore
    from adloom.loop.catalogue.histories.past_ads import PastAds
    from adloom.loop.catalogue.intake.importing import Advice
    from adloom.loop.catalogue.neighbours import Neighbours
    from adloom.loop.catalogue.pictures.store import PictureStore
    from adloom.loop.catalogue.product import Product
    from adloom.loop.catalogue.store import Catalogue
    from adloom.loop.catalogue.words.titles import TitleWords
    from adloom.loop.learning.last_served import LastServed
    from adloom.loop.learning.registry import AdRegistry
    from adloom.loop.learning.rounds.ground import TrainingGround
    from adloom.loop.privacy.reading import Reader
    from adloom.models.ad_generator import AdGenerator
    from adloom.models.generates import Generates
    from adloom.models.titles.rules import TitleRules

_FEATURES = "features"
ROUNDS_FOLDER = "rounds"


def open_features(settings: Settings) -> FeatureStore:
    """The Feast repo and its stores."""
    from adloom.feature_store.store import FeatureStore

    return FeatureStore.open(settings.features, settings.home / _FEATURES, settings.log)


def open_log(settings: Settings) -> EventLog:
    """The event log of the features: enough to read what happened. Raises OldLog."""
    from adloom.feature_store.event_log import EventLog
    from adloom.feature_store.old_log import refuse_old_log

    folder = (settings.home / _FEATURES).absolute()
    refuse_old_log(folder)
    return EventLog.under(settings.log, folder)


def take_over_log(settings: Settings, on_rows: Callable[[int, int], None]) -> int:
    """The event log of an earlier release comes into the table; how many records it had.

    Args:
        on_rows: told how many are taken over, and of how many in all, again and again.
    """
    from adloom.feature_store.old_log import take_over_log

    folder = (settings.home / _FEATURES).absolute()
    return take_over_log(folder, settings.log, on_rows)


def open_pictures(settings: Settings, *, keep_waiting: bool = False) -> PictureStore:
    """Pictures of products and ads; ``keep_waiting``: see `opening.open_pictures`."""
    from adloom.loop.catalogue.opening import open_pictures

    return open_pictures(settings.home, settings.pictures, keep_waiting=keep_waiting)


def open_creatives(settings: Settings, pictures: PictureStore | None = None) -> CreativeStore:
    """Every ad that was made, with such pictures or those of the settings."""
    from adloom.loop.catalogue.opening import open_creatives

    shown = pictures or open_pictures(settings)
    return open_creatives(settings.home, settings.database, shown)


@contextmanager
def shared_database(settings: Settings) -> Iterator[Engine | None]:
    """The database where machines share one; None where all is of this home."""
    from adloom.loop.database.opening import open_database

    if settings.database.url is None:
        yield None
        return
    engine = open_database(settings.home, settings.database)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def who_is_forgotten(settings: Settings, doing: str) -> Iterator[Reader]:
    """Whose events count no more, for a process that takes events in.

    ``doing`` says what it does, for people. Raises StoreUnavailable, DatabaseUnusable, OldHome.
    """
    from adloom.loop.database.opening import open_database
    from adloom.loop.privacy.reading import Reader

    engine = open_database(settings.home, settings.database)
    reader = Reader(engine, doing, settings.privacy.retention_days)
    try:
        reader.look()
        yield reader
    finally:
        reader.close()


def open_catalogue(settings: Settings, pictures: PictureStore | None = None) -> Catalogue:
    """The products of the shop, with such pictures or those of the settings."""
    from adloom.loop.catalogue.opening import open_catalogue

    shown = pictures or open_pictures(settings)
    return open_catalogue(settings.home, settings.catalog.text_encoder, settings.database, shown)


def open_neighbours(settings: Settings, catalogue: Catalogue) -> Neighbours:
    """Search over all products."""
    from adloom.loop.catalogue.opening import open_neighbours

    return open_neighbours(settings.home, catalogue)


def past_ads(catalogue: Catalogue, creatives: CreativeStore, generator: Generates) -> PastAds:
    """What histories are read through.

    Raises OtherTextEncoder where the products' vectors are not those of the settings' encoder.
    """
    from adloom.loop.catalogue.histories.past_ads import PastAds
    from adloom.loop.catalogue.histories.picture_codes import PictureCodes
    from adloom.loop.catalogue.histories.reading import HistoryReader

    catalogue.vectors.verify()
    codes = PictureCodes(
        catalogue.engine, generator.history_codebook_name, generator.encode_history
    )
    reader = HistoryReader(generator.code_vectors, catalogue.vectors.encoder.embed)
    return PastAds(catalogue, creatives, codes, reader)


def title_words(settings: Settings, catalogue: Catalogue) -> TitleWords:
    """What the titles of each product may say: what is set, or what the shop's own ads say."""
    from adloom.loop.catalogue.words.banned import BannedWords
    from adloom.loop.catalogue.words.learnt import LearntWords
    from adloom.loop.catalogue.words.titles import TitleWords

    banned = BannedWords(catalogue.engine)
    return TitleWords(settings.titles, LearntWords(catalogue).of, banned.of)


def title_advice(settings: Settings, generator: Generates | None = None) -> Advice:
    """What is told of products' names when they are imported.

    ``generator`` is the one that writes their titles; where none is loaded, its texts are.
    """
    from adloom.loop.catalogue.words.advice import TitleAdvice
    from adloom.loop.catalogue.words.titles import TitleWords
    from adloom.models.title_room import TitleRoom

    if generator is None:
        room = TitleRoom.of_saved(settings.generator.path)
    else:
        room = TitleRoom.of(generator.tokenizer, generator.config)
    # Names are held against banned words alone: those of style need not be known.
    banned = TitleWords(settings.titles, lambda language: ())
    return TitleAdvice(room, banned)


def open_registry(settings: Settings) -> AdRegistry:
    """The model registry, to read and to mend; nothing is made where there is none yet."""
    from adloom.loop.learning.registry import AdRegistry

    return AdRegistry(settings.mlflow, settings.home / "mlflow", last_served(settings))


def registry_with_base(settings: Settings, generator: Generates | None = None) -> AdRegistry:
    """The model registry, for what serves or learns: the base model is version 1 of a new one.

    Raises OtherBase where its versions go back to another base than ``generator``; without one
    this is not looked at.
    """
    from adloom.loop.learning.lineage import base_tags, refuse_other_base
    from adloom.loop.learning.model_config import model_config

    registry, folder = open_registry(settings), settings.generator.path
    tags = {} if generator is None else base_tags(generator, folder)
    registry.register_base(model_config(settings.generator), **tags)
    if generator is not None:
        refuse_other_base(registry, generator, folder)
    return registry


def registry_to_serve_from(settings: Settings, generator: Generates | None = None) -> AdRegistry:
    """The same; one that cannot be asked, or may only be read, is left as it is."""
    from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable

    with suppress(RegistryUnavailable, RegistryRefused):
        return registry_with_base(settings, generator)
    return open_registry(settings)


def last_served(settings: Settings) -> LastServed:
    """What servers of this home served last."""
    from adloom.loop.learning.last_served import LastServed

    tracked = settings.mlflow
    registry = f"{tracked.tracking_uri} {tracked.model_name}"
    return LastServed(settings.home / "serving" / "last_served.json", registry)


def training_ground(
    settings: Settings,
    generator: AdGenerator,
    features: FeatureStore,
    past_ads: PastAds,
    registry: AdRegistry,
    titles: Callable[[Product], TitleRules],
) -> TrainingGround:
    """Where rounds learn, with their settings."""
    from adloom.loop.learning.rounds.ground import TrainingGround
    from adloom.loop.learning.target_codes import TargetCodes

    return TrainingGround(
        settings.home / ROUNDS_FOLDER,
        generator,
        features,
        past_ads,
        TargetCodes.of_base(generator, past_ads.catalogue.engine, past_ads.creatives),
        registry,
        titles,
        settings.rounds,
        settings.fine_tune,
        settings.gate,
        settings.generator,
        needed_versions=needed_versions(settings),
    )


def needed_versions(settings: Settings) -> frozenset[int]:
    """Those that experiments ask for by number."""
    arms = (arm for one in settings.experiments.values() for arm in one.arms.values())
    return frozenset(arm.version for arm in arms if isinstance(arm.version, int))


def load_generator(settings: Settings) -> AdGenerator:
    """The base model, without adapters."""
    from adloom.models.ad_generator import AdGenerator

    given = settings.generator
    return AdGenerator.from_pretrained(
        given.path, given.device, rows=given.batch_size, int8=given.int8
    )
