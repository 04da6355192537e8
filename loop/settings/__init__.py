"""All settings of adloom: defaults that work embedded, a file, the environment.

Order, strongest first: environment variables (`ADLOOM_HOME`, `ADLOOM_KAFKA__BOOTSTRAP_SERVERS`:
two underscores go one level down), then the file `adloom.toml`, then the defaults. A name that no
setting has, or a value that does not fit, stops the program at start with the name of the key.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from adloom.feature_store.settings import FeatureStoreSettings, LogSettings
from adloom.loop.settings.cards import CardSettings
from adloom.loop.settings.catalogue import CatalogSettings, CreativesSettings
from adloom.loop.settings.database import DatabaseSettings
from adloom.loop.settings.experiments import (
    ArmName,
    Experiment,
    refuse_overlaps,
    refuse_unread_outcomes,
)
from adloom.loop.settings.home import Home
from adloom.loop.settings.learning import GateSettings, MlflowSettings, RoundSettings
from adloom.loop.settings.pictures import PicturesSettings
from adloom.loop.settings.pool import PoolSettings
from adloom.loop.settings.privacy import PrivacySettings
from adloom.loop.settings.replay import ReplaySettings
from adloom.loop.settings.review import ReviewSettings
from adloom.loop.settings.serving import ConsumeSettings, RaySettings, ServeSettings
from adloom.loop.settings.titles import TitleSettings
from adloom.loop.settings.undecided import refuse_undecided_for_many
from adloom.loop.settings.words import not_json, not_toml, told
from adloom.models.settings import FineTuneSettings, GeneratorSettings
from adloom.stream.event_settings import EventSettings
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import refuse_untold_kinds, takes_outcomes

PREFIX = "ADLOOM_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_FILE = Path("adloom.toml")


class SettingsError(ValueError):
    """A setting is unknown or wrong; the message is one line and names the key."""


class _SettingsFile(TomlConfigSettingsSource):
    """The file. A home that it names lies beside it, so that both may be moved and copied."""

    def __call__(self) -> dict[str, Any]:
        told = super().__call__()
        if isinstance(home := told.get("home"), str):
            folder = Path(str(self.config["toml_file"])).parent
            return {**told, "home": str(folder / home)}
        return told


class Settings(BaseSettings):
    """Everything that can be set; each part is documented where it is defined."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        toml_file=DEFAULT_FILE,
        extra="forbid",
        frozen=True,
    )

    home: Home = Path(".adloom")
    database: DatabaseSettings = DatabaseSettings()
    pictures: PicturesSettings = PicturesSettings()
    catalog: CatalogSettings = CatalogSettings()
    creatives: CreativesSettings = CreativesSettings()
    titles: TitleSettings = TitleSettings()
    cards: CardSettings = CardSettings()
    review: ReviewSettings = ReviewSettings()
    kafka: KafkaSettings = KafkaSettings()
    events: EventSettings = EventSettings()
    features: FeatureStoreSettings = FeatureStoreSettings()
    log: LogSettings = LogSettings()
    generator: GeneratorSettings = GeneratorSettings()
    fine_tune: FineTuneSettings = FineTuneSettings()
    mlflow: MlflowSettings = MlflowSettings()
    consume: ConsumeSettings = ConsumeSettings()
    serve: ServeSettings = ServeSettings()
    pool: PoolSettings = PoolSettings()
    ray: RaySettings = RaySettings()
    replay: ReplaySettings = ReplaySettings()
    privacy: PrivacySettings = PrivacySettings()
    rounds: RoundSettings = RoundSettings()
    gate: GateSettings = GateSettings()
    experiments: Annotated[dict[ArmName, Experiment], AfterValidator(refuse_overlaps)] = {}

    @model_validator(mode="after")
    def _undecided_is_for_few(self) -> Self:
        refuse_undecided_for_many(self.experiments, self.gate)
        return self

    @model_validator(mode="after")
    def _kinds_can_be_told_apart(self) -> Self:
        refuse_untold_kinds(self.kafka, self.events)
        return self

    @model_validator(mode="after")
    def _outcomes_have_a_way_in(self) -> Self:
        told = self.events.kind is not None and self.events.kind.outcome
        if not told and not takes_outcomes(self.kafka):
            refuse_unread_outcomes(self.experiments)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SettingsFile(settings_cls)


def load_settings(file: Path | None = None, **given: Any) -> Settings:
    """Reads the settings; `given` values win over every source.

    Args:
        file: the TOML file, which must then exist; None takes `adloom.toml` if there is one.

    Raises SettingsError.
    """
    if file is not None and not file.is_file():
        raise SettingsError(f"{file}: no such settings file")
    source = file or DEFAULT_FILE
    _refuse_unknown_variables()

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=source)

    try:
        return FromFile(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(map(told, error.errors()))) from error
    except tomllib.TOMLDecodeError as error:
        wrong = not_toml(error, source.read_text("utf-8", errors="replace"))
        raise SettingsError(f"{source}: {wrong}") from error
    except SourceError as error:
        raise SettingsError(f"environment: {not_json(error)}") from error


def _refuse_unknown_variables() -> None:
    """pydantic-settings reads the variables it knows and passes over a misspelt one."""
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        field = name.removeprefix(PREFIX).split("__")[0].lower()
        if field not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise SettingsError(f"{name}: no such setting (there are: {known})")
