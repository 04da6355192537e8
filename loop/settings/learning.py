"""Settings of learning: rounds, the gate, and where versions are kept."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field

from adloom.loop.settings.section import Section

MAX_USER_SHARE = 0.1
"""What one shopper may have of the clicks of a round, where nothing is set."""


_SERVERS = {"http", "https"}
_OTHERS = {"databricks", "mssql", "mysql", "postgresql", "sqlite"}


def _tracking_uri(text: str) -> str:
    """Raises ValueError for what MLflow keeps no versions in: it would say so by a traceback."""
    told = "the address of an MLflow server (http://host:port) or database (sqlite:///file)"
    parts = urlsplit(text)
    kind = parts.scheme.partition("+")[0]  # postgresql+psycopg: the driver stands behind it
    if kind in _SERVERS:
        if not parts.hostname or parts.port == 0:  # `port` raises ValueError for what is none
            raise ValueError(f"not {told}")
    elif text != "databricks" and (
        kind not in _OTHERS or not text.startswith(f"{parts.scheme}://")
    ):
        raise ValueError(f"not {told}")
    return text


class MlflowSettings(Section):
    """Where runs and versions are kept."""

    tracking_uri: Annotated[str, AfterValidator(_tracking_uri)] | None = Field(
        default=None, description="MLflow tracking server; none = SQLite under home/mlflow"
    )
    experiment: str = Field(default="adloom", min_length=1)
    model_name: str = Field(default="adloom-ad-generator", pattern=r"^[^'/:]+$")
    keep: int = Field(
        default=20,
        ge=2,
        description="versions, the newest, that keep their adapters; older ones lose theirs after "
        "a round, but for those with an alias, served here, champion before, or of an experiment",
    )


class RoundSettings(Section):
    """What a fine-tune round learns from."""

    min_clicks: int = Field(
        default=16, ge=2, description="fewer new clicked ads than this wait for the next round"
    )
    max_examples: int = Field(default=2_000, ge=2, description="the newest clicked ads are used")
    heldout_share: float = Field(
        default=0.35, gt=0, lt=1, description="share of the new clicked ads that is not trained on"
    )
    max_heldout: int = Field(default=96, ge=1, description="held-out ads beyond this are not used")
    choose_share: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="share of the held-out ads, the older ones, that choose the best step; the "
        "gate alone reads the rest",
    )
    max_left: int = Field(
        default=8,
        ge=1,
        le=64,
        description="ads a shopper left that are judged beside each one clicked, at most",
    )
    max_replay: int = Field(
        default=256, ge=0, description="the newest clicked ads from before are mixed in"
    )
    max_pairs: int = Field(
        default=64, ge=0, description="the newest pairs of a clicked and an unclicked ad are used"
    )
    max_user_share: float = Field(
        default=MAX_USER_SHARE,
        gt=0,
        le=1,
        description="what one shopper may have of a round's clicks, of the held-out ones and of a "
        "trend; with few shoppers 1.5 times an even share, in small rounds four clicks; 1 = all",
    )
    max_position_weight: float | None = Field(
        default=10.0,
        ge=1,
        description="how many times as much as one at the top a click may say for standing where "
        "fewer people look; 1 or none = all alike",
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


class GateSettings(Section):
    """What a new version has to show beside the champion, on clicks that the gate alone reads."""

    ads: int = Field(default=24, ge=2, le=256, description="ads each of the two draws")
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        # What it was called while it was PBS's alone.
        validation_alias=AliasChoices("confidence", "pbs_confidence"),
        description="of the intervals that say better, worse or cannot tell",
    )
    min_loss_gain: float = Field(
        default=0.0, description="held-out loss, nats a token: worse where less is shown"
    )
    max_invalid_titles: float = Field(
        default=0.1, ge=0, le=1, description="share that may lack product or selling point"
    )
    min_diversity: float = Field(
        default=0.7, ge=0, description="spread of the scenes as a share of the champion's"
    )
    max_slowdown: float = Field(
        default=3.0, ge=1, description="steps of drawing an ad over the champion's"
    )
    undecided: Literal["wait", "test"] = Field(
        default="wait",
        description="what becomes of a version of which the clicks cannot tell: it waits, or is "
        "@undecided, which an arm of an experiment may serve to a small share",
    )
    test_share: float = Field(
        default=0.05,
        gt=0,
        le=0.2,
        description="the most of an experiment's shoppers that an arm with @undecided may have",
    )
