"""What an experiment is judged by beside or instead of its click-through rate."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

_OF_OUTCOMES = ("value", "per", "cap")


class Metric(BaseModel):
    """`[experiments.NAME.metrics.METRIC]`: a sum over the users of an arm, over another sum.

    A user counts in the arm of the first ad that was shown to them, whatever they saw later, for
    ``window_hours`` from then on; whose window is open does not count yet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["outcomes", "clicks_per_user", "ads_per_user", "click_through_rate"] = "outcomes"
    event: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="kind outcomes: what outcomes are called that count, such as purchase",
    )
    value: Literal["sum", "count"] = Field(
        default="sum", description="kind outcomes: their values are added up, or they are counted"
    )
    per: Literal["user", "ad", "click"] = Field(
        default="user", description="kind outcomes: what their sum is divided by"
    )
    cap: float | None = Field(
        default=None,
        gt=0,
        description="kind outcomes: a user's sum counts as this at most; none = no limit",
    )
    window_hours: float | None = Field(
        default=None,
        gt=0,
        le=24 * 90,
        description="how long a user counts, from the first ad on; none = attribution_hours",
    )
    goal: Literal["increase", "decrease"] = Field(
        default="increase",
        description="which way is good; a guardrail of outcomes has to say it: a sale that falls "
        "does harm, a return that rises does",
    )
    role: Literal["decision", "guardrail"] = Field(
        default="decision", description="decision: what ships an arm; guardrail: what stops one"
    )
    margin: float = Field(
        default=0.05, gt=0, lt=1, description="guardrail: relative change for the worse it may take"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kind == "outcomes" and self.event is None:
            raise ValueError(
                "event: name the outcomes to count, or a kind: clicks_per_user, ads_per_user, "
                "click_through_rate"
            )
        if self.kind != "outcomes":
            taken = [n for n in ("event", *_OF_OUTCOMES) if n in self.model_fields_set]
            if taken:
                raise ValueError(f"{taken[0]}: goes with kind outcomes alone")
        elif self.role == "guardrail" and "goal" not in self.model_fields_set:
            raise ValueError(
                f'goal: say which way is good for {self.event}: goal = "increase" where a fall '
                'does harm (purchases), goal = "decrease" where a rise does (returns)'
            )
        return self

    @property
    def per_user(self) -> bool:
        """Whether it is of users, whatever number of ads they see."""
        return self.kind not in ("outcomes", "click_through_rate") or (
            self.kind == "outcomes" and self.per == "user"
        )

    @property
    def counts_clicks(self) -> bool:
        """Whether a click, which may come late, is part of it."""
        return self.kind in ("clicks_per_user", "click_through_rate") or self.per == "click"
