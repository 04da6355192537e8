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

from limits import parse as parse_rate
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from feature_store.settings import FeatureStoreSettings
from loop.experiments.settings import ArmName, Experiment, refuse_overlaps
from models.settings import FineTuneSettings, GeneratorSettings
from stream.settings import KafkaSettings

PREFIX = "ADLOOM_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_FILE = Path("adloom.toml")


ApiKey = Annotated[SecretStr, Field(min_length=16, max_length=256)]


def _rate(text: str) -> str:
    parse_rate(text)
    return text


class SettingsError(ValueError):
    """A setting is unknown or wrong; the message is one line and names the key."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class MlflowSettings(_Section):
    """Where runs and versions are kept."""

    tracking_uri: str | None = Field(
        default=None, description="MLflow tracking server; none = SQLite under home/mlflow"
    )
    experiment: str = Field(default="adloom", min_length=1)
    model_name: str = Field(default="adloom-ad-generator", pattern=r"^[^'/:]+$")


class ConsumeSettings(_Section):
    """Where `adloom consume` serves /metrics, /healthz and /readyz."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65_535, description="none = nowhere")


class ServeSettings(_Section):
    """The ad server."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    follow_seconds: float = Field(
        default=2.0, gt=0, le=60, description="how often the champion alias is looked at"
    )
    max_batch: int = Field(default=16, ge=1, le=256, description="requests drawn together")
    max_waiting: int = Field(
        default=256, ge=1, description="requests in the queue before new ones are turned away"
    )
    timeout_seconds: float = Field(
        default=60.0, gt=0, description="an ad that is not drawn by then is given up"
    )
    api_keys: tuple[ApiKey, ...] = Field(
        default=(),
        description="one of them is asked for in X-API-Key; none = nobody is asked, on loopback "
        "only; keep them in the environment: ADLOOM_SERVE__API_KEYS as a JSON list",
    )
    rate_limit: Annotated[str, AfterValidator(_rate)] = Field(
        default="6000/minute", description="of one key, or one address where no key is needed"
    )


class RaySettings(_Section):
    """`adloom serve --ray`: as many replicas of the ad server as the load asks for."""

    address: str | None = Field(
        default=None, description="of a Ray cluster, or auto; none = Ray is started here"
    )
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int | None = Field(
        default=None, ge=1, description="none = as many as Ray has room for at the start"
    )
    target_ongoing_requests: float = Field(
        default=8.0, gt=0, description="of one replica on average; beyond it there are more of them"
    )
    cpus: float = Field(default=1.0, gt=0, description="of one replica, and its threads")
    gpus: float = Field(
        default=0.0, ge=0, description="of one replica, 0.5 is half of one; with 0 it sees none"
    )

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas is less than min_replicas")
        return self


class RoundSettings(_Section):
    """What a fine-tune round learns from."""

    min_clicks: int = Field(
        default=16, ge=2, description="fewer new clicked ads than this wait for the next round"
    )
    max_examples: int = Field(default=2_000, ge=2, description="the newest clicked ads are used")
    heldout_share: float = Field(
        default=0.25, gt=0, lt=1, description="share of the new clicked ads kept for the gate"
    )
    max_heldout: int = Field(default=64, ge=1, description="held-out ads beyond this are not used")
    max_replay: int = Field(
        default=256, ge=0, description="the newest clicked ads from before are mixed in"
    )
    max_pairs: int = Field(
        default=64, ge=0, description="the newest pairs of a clicked and an unclicked ad are used"
    )
    max_wait_hours: float | None = Field(
        default=24.0,
        gt=0,
        description="`train-round --watch` learns from what there is after this time; none = never",
    )
    watch_seconds: float = Field(
        default=30.0, gt=0, description="how often `train-round --watch` looks at the clicks"
    )
    attribution_hours: float = Field(
        default=24.0, gt=0, description="a click later than this after its exposure counts nothing"
    )


class GateSettings(_Section):
    """What the challenger may cost at most, beside the champion on the same held-out clicks."""

    ads: int = Field(default=24, ge=2, le=256, description="ads each of the two draws")
    min_loss_gain: float = Field(default=0.0, description="held-out loss, nats a token")
    pbs_confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="how sure it must be that PBS fell"
    )
    max_invalid_titles: float = Field(
        default=0.1, ge=0, le=1, description="share that may lack product or selling point"
    )
    min_diversity: float = Field(
        default=0.7, ge=0, description="spread of the scenes as a share of the champion's"
    )
    max_slowdown: float = Field(default=3.0, ge=1, description="time an ad over the champion's")


class Settings(BaseSettings):
    """Everything that can be set; each part is documented where it is defined."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        toml_file=DEFAULT_FILE,
        extra="forbid",
        frozen=True,
    )

    home: Path = Path(".adloom")
    kafka: KafkaSettings = KafkaSettings()
    features: FeatureStoreSettings = FeatureStoreSettings()
    generator: GeneratorSettings = GeneratorSettings()
    fine_tune: FineTuneSettings = FineTuneSettings()
    mlflow: MlflowSettings = MlflowSettings()
    consume: ConsumeSettings = ConsumeSettings()
    serve: ServeSettings = ServeSettings()
    ray: RaySettings = RaySettings()
    rounds: RoundSettings = RoundSettings()
    gate: GateSettings = GateSettings()
    experiments: Annotated[dict[ArmName, Experiment], AfterValidator(refuse_overlaps)] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


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
        raise SettingsError(_one_line(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: not valid TOML: {error}") from error
    except SourceError as error:
        raise SettingsError(f"environment: {error}") from error


def _refuse_unknown_variables() -> None:
    """pydantic-settings reads the variables it knows and passes over a misspelt one."""
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        field = name.removeprefix(PREFIX).split("__")[0].lower()
        if field not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise SettingsError(f"{name}: no such setting (there are: {known})")


def _one_line(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        unknown = problem["type"] == "extra_forbidden"
        lines.append(f"{key}: " + ("no such setting" if unknown else problem["msg"]))
    return "; ".join(lines)
