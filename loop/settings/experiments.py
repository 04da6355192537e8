"""What an experiment is: arms, shares, when it runs, and what it must not harm."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from adloom.loop.settings.metrics import Metric, MetricName
from adloom.models.settings import GeneratorSettings
from adloom.stream.events import Moment

ArmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
VersionName = Annotated[
    Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)],
    BeforeValidator(lambda name: _version_name(name)),
]
LEAST_SHARE = 1e-4
"""Below it no arm is dealt: each of its ads would outweigh ten thousand others."""
_SHARED_BY_ALL_ARMS = ("path", "device", "batch_size", "int8")


class Arm(GeneratorSettings):
    """A version of the model and settings of `[generator]` that it draws with instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: VersionName = Field(
        default="champion", description="number or alias of a registered version"
    )
    weight: float = Field(default=1.0, gt=0, le=1e6, description="share, beside the other arms'")

    @field_validator(*_SHARED_BY_ALL_ARMS)
    @classmethod
    def _refused(cls, value: object) -> object:
        raise ValueError("all arms draw with one base model: set it under [generator]")

    def applied_to(self, settings: GeneratorSettings) -> GeneratorSettings:
        """`settings` with what this arm sets itself."""
        own = self.model_fields_set & GeneratorSettings.model_fields.keys()
        return settings.model_copy(update={name: getattr(self, name) for name in own})


class Experiment(BaseModel):
    """Arms that are compared. The first one is the control unless `control` names another.

    ``allocation``: with ``fixed`` a user stays in one arm for ever, chosen by the weights. With
    ``thompson`` the weights are where it begins: every ``refresh_minutes`` the shares become the
    probabilities that an arm has the highest click-through rate, given the clicks so far, mixed
    with ``explore`` of even shares; a user stays in one arm in between.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    arms: dict[ArmName, Arm] = Field(min_length=2, max_length=16)
    start: Moment
    end: Moment | None = None
    control: ArmName | None = None
    assigned_by: Literal["adloom", "caller"] = Field(
        default="adloom",
        description="caller: each request names its arm (`assignment`), the weights are the split "
        "that the caller aims at, and nobody else is in the experiment",
    )
    salt: str | None = Field(
        default=None, min_length=1, description="another salt, another split; none = the name"
    )
    allocation: Literal["fixed", "thompson"] = "fixed"
    refresh_minutes: float = Field(default=60.0, gt=0, description="thompson: time between shares")
    explore: float = Field(default=0.1, gt=0, le=1, description="thompson: part split evenly")
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="chance of a false verdict, however often looked"
    )
    expected_lift: float = Field(
        default=0.1, gt=0, le=1, description="lift that is to be found soonest"
    )
    goal: Literal["superiority", "non_inferiority"] = Field(
        default="superiority",
        description="what ships an arm: more clicks than the control's, or none lost but `margin`",
    )
    margin: float = Field(
        default=0.05, gt=0, lt=1, description="non_inferiority: relative loss that is put up with"
    )
    holdout: ArmName | None = Field(
        default=None,
        description="one of two arms: its users see nothing of other experiments, which all the "
        "others take part in, and are what it is compared with",
    )
    max_user_exposures: int | None = Field(
        default=100,
        ge=1,
        description="a user who is shown more ads of an arm weighs as much as this many; "
        "none = no limit",
    )
    metrics: dict[MetricName, Metric] = Field(
        default={},
        max_length=20,
        description="what decides instead of the click-through rate, and further guardrails",
    )
    max_slowdown: float = Field(
        default=0.25, ge=0, description="guardrail: relative rise of the time to draw an ad"
    )
    max_invalid_titles: float = Field(
        default=0.02, ge=0, le=1, description="guardrail: rise of the share of invalid titles"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.control is not None and self.control not in self.arms:
            raise ValueError(f"control: no arm {self.control!r} (arms: {', '.join(self.arms)})")
        small = [name for name, share in self.shares.items() if share < LEAST_SHARE]
        if small:
            raise ValueError(f"arms.{small[0]}.weight: an arm has {LEAST_SHARE:.2%} at least")
        if self.allocation == "thompson" and self.explore / len(self.arms) < LEAST_SHARE:
            raise ValueError(f"explore: each arm keeps {LEAST_SHARE:.2%} of the users at least")
        if self.end is not None and self.end <= self.start:
            raise ValueError("end: must be later than start")
        if self.holdout is not None:
            self._holds_out(self.holdout)
        if self.assigned_by == "caller":
            self._leaves_dealing_to_the_caller()
        if self.metrics and self.allocation != "fixed":
            raise ValueError("metrics: users must stay in their arm: allocation must be fixed")
        return self

    def _leaves_dealing_to_the_caller(self) -> None:
        for name in ("salt", "holdout"):
            if getattr(self, name) is not None:
                raise ValueError(f'{name}: adloom deals by it: leave it, or assigned_by = "adloom"')
        if self.allocation != "fixed":
            raise ValueError('allocation: thompson deals itself: assigned_by must be "adloom"')

    def _holds_out(self, arm: str) -> None:
        if arm not in self.arms or len(self.arms) != 2:
            raise ValueError(f"holdout: {arm!r} must be one of two arms; the other is all the rest")
        if self.control_arm != arm:
            raise ValueError(f"control: all else is compared with the holdout: leave it or {arm!r}")
        if self.allocation != "fixed":
            raise ValueError("holdout: its share stays: allocation must be fixed")

    @property
    def control_arm(self) -> str:
        """Name of the arm that the others are compared with."""
        return self.control or self.holdout or next(iter(self.arms))

    @property
    def tolerated_loss(self) -> float:
        """The relative loss of clicks with which an arm still ships."""
        return self.margin if self.goal == "non_inferiority" else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """The weights, as shares that add up to 1."""
        total = sum(arm.weight for arm in self.arms.values())
        return {name: arm.weight / total for name, arm in self.arms.items()}

    def runs_at(self, moment: datetime) -> bool:
        return self.start <= moment and (self.end is None or moment < self.end)


def refuse_overlaps(experiments: dict[str, Experiment]) -> dict[str, Experiment]:
    """An ad comes from one arm, so experiments run one after another.

    A holdout runs beside them, one at a time: they share the users that it does not hold out. So
    does what callers assign, for each request names its own.

    Raises ValueError, naming the two that would run at the same time.
    """
    dealt = [e for e in experiments.items() if e[1].assigned_by == "adloom"]
    for held in (True, False):
        alike = [e for e in dealt if (e[1].holdout is not None) == held]
        ordered = sorted(alike, key=lambda named: named[1].start)
        for (earlier, first), (later, second) in pairwise(ordered):
            if first.runs_at(second.start):
                raise ValueError(
                    f"{later}.start: {earlier} still runs then; "
                    f"set {earlier}.end to that time at most"
                )
    return experiments


def refuse_unread_outcomes(experiments: dict[str, Experiment]) -> None:
    """Raises ValueError where a metric counts outcomes, which nobody reads."""
    for name, experiment in experiments.items():
        for of, metric in experiment.metrics.items():
            if metric.event is not None:
                raise ValueError(
                    f"experiments.{name}.metrics.{of}.event: outcomes are not read: name their "
                    "topic, kafka.topics.outcomes, such as adloom.outcomes"
                )


def _version_name(name: object) -> object:
    """Aliases are written `@champion` as well; from the environment a number comes as text."""
    if isinstance(name, str):
        name = int(name) if name.isdecimal() else name.removeprefix("@")
    if not name or isinstance(name, bool) or not isinstance(name, int | str) or name == 0:
        raise ValueError('must be the number of a version, from 1 on, or an alias: "@challenger"')
    return name
