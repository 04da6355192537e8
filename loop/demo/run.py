"""What a demo run has done, and its summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from adloom.loop.demo.parts import FROZEN, LEARNING, DemoPlan
from adloom.loop.demo.reading import ReadAd
from adloom.loop.experiments.report import ExperimentReport
from adloom.loop.learning.rounds.kept import RoundOutcome
from adloom.stream.events import Exposure


class Drawn(BaseModel):
    """An ad that was drawn for a visit of a shopper.

    Attributes:
        round_number: of the visit.
        file: name of its card under ``ads/``.
        title: what it says.
        picture: its name in the picture store.
        version: number of the version that drew it.
        exposure: tells that it was shown; its moment is known once it is.
        read: what the generator read of the shopper's clicks, in that order.
        all_clicks: how many clicks these were chosen from.
    """

    model_config = ConfigDict(frozen=True)

    round_number: int
    file: str
    title: str
    picture: str
    version: int
    exposure: Exposure
    read: tuple[ReadAd, ...] = ()
    all_clicks: int = 0

    @property
    def arm(self) -> str:
        """Of the run's experiment."""
        return self.exposure.variant or ""


class Shown(Drawn):
    """An ad that its shopper saw, and whether it was clicked.

    ``chance`` is how likely that was, ``best_chance`` how likely it would have been for the ad of
    an oracle that knows the shopper's taste, ``ideal_chance`` for that of an ideal reader of the
    clicks before: all are the simulator's, the loop never sees them.
    """

    clicked: bool
    chance: float
    best_chance: float
    ideal_chance: float | None = None


class BeforeAfter(BaseModel):
    """The same shopper, product and seed, drawn by the base and by what was learnt last.

    Pictures are names in the picture store; chances of a click are the simulator's.
    """

    model_config = ConfigDict(frozen=True)

    user_id: str
    product_id: str
    read: tuple[ReadAd, ...]
    titles: tuple[str, str]
    pictures: tuple[str, str]
    chances: tuple[float, float]
    version: int


class DemoRun(BaseModel):
    """What a demo run has done so far.

    Attributes:
        plan: of the run that goes on with it.
        started: when it began.
        done: the stages that are over.
        moments: when each stage began first; a stage that was cut off is run again as of then.
        drawn: ads of the round under way that nobody has seen yet.
        warm_up: ads of the shop that were seen before adloom, and how many were clicked.
        browsed_until: until then shoppers have looked around the shop.
        pairs: what learning changed.
        seconds_by_step: of every step by its name.
        seconds: of all processes that ran it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    plan: DemoPlan = DemoPlan()
    started: datetime = Field(default_factory=lambda: datetime.now(UTC))
    done: list[str] = []
    moments: dict[str, datetime] = {}
    drift_from: int | None = None
    drawn: list[Drawn] = []
    shown: list[Shown] = []
    warm_up: tuple[int, int] = (0, 0)
    browsed_until: datetime | None = None
    outcomes: list[RoundOutcome] = []
    pairs: list[BeforeAfter] = []
    experiment: ExperimentReport | None = Field(default=None, exclude=True)
    produced: int = 0
    consumed: int = 0
    dead_letters: dict[str, int] = {}
    features_written: int = 0
    seconds_by_step: dict[str, float] = {}
    seconds: float = 0.0

    def moment(self, stage: str) -> datetime:
        """When a stage began first: now, where it was not cut off."""
        return self.moments.setdefault(stage, datetime.now(UTC))

    def summary(self) -> dict[str, object]:
        """The content of `summary.json`."""
        by_version: dict[str, list[Shown]] = {}
        for shown in self.shown:
            by_version.setdefault(f"version-{shown.version}", []).append(shown)
        return {
            "events_produced": self.produced,
            "events_consumed": self.consumed,
            "dead_letters": sum(self.dead_letters.values()),
            "dead_letters_by_reason": dict(self.dead_letters),
            "features_written": self.features_written,
            "ads_served": len(self.shown),
            "clicks": sum(s.clicked for s in self.shown),
            "rounds": [
                {
                    "version": o.version,
                    "train_clicks": o.train_clicks,
                    "heldout_clicks": o.heldout_clicks,
                    "heldout_loss_before": o.heldout_before,
                    "heldout_loss_after": o.heldout_after,
                    "trend_items": o.trend_items,
                    "promoted": o.passed,
                    "objections": o.objections,
                    "seconds": round(o.seconds, 1),
                }
                for o in self.outcomes
            ],
            "ctr_by_round": self.by_round(LEARNING, click_rate),
            "ctr_by_variant": {
                arm: click_rate([s for s in self.shown if s.arm == arm])
                for arm in (FROZEN, LEARNING)
            },
            "ctr_by_version": {name: click_rate(shown) for name, shown in by_version.items()},
            "drift": {
                "from_round": self.drift_from,
                "ctr_by_round": {arm: self.by_round(arm, click_rate) for arm in (FROZEN, LEARNING)},
                "expected_ctr_by_round": {
                    FROZEN: self.by_round(FROZEN, expected_rate),
                    LEARNING: self.by_round(LEARNING, expected_rate),
                    "ideal": self.by_round(None, ideal_rate),
                    "oracle": self.by_round(None, oracle_rate),
                },
                "recovered": self.recovered,
                "recovered_of_ideal": self.recovered_of_ideal,
            },
            "experiment": None if self.experiment is None else self.experiment.as_json(),
            "seconds": round(self.seconds, 1),
            "seconds_by_step": {n: round(s, 2) for n, s in self.seconds_by_step.items()},
        }

    @property
    def round_numbers(self) -> list[int]:
        """Rounds in which ads were served."""
        return sorted({s.round_number for s in self.shown})

    def by_round(self, arm: str | None, rate: Callable[[Sequence[Shown]], float]) -> list[float]:
        """A rate of each round's ads of an arm; None is both arms together."""
        return [rate(self.of(arm, number)) for number in self.round_numbers]

    def of(self, arm: str | None, round_number: int) -> list[Shown]:
        """The ads of a round and arm."""
        return [s for s in self.shown if s.round_number == round_number and arm in (None, s.arm)]

    @property
    def recovered(self) -> float | None:
        """Share of the gap between frozen arm and oracle that learning closed, in the last round.

        From click chances; None where nothing was learned after a drift. Each arm is held
        against the oracle on its own visits, so that who came does not matter.
        """
        return self._recovered_of(1.0)

    @property
    def recovered_of_ideal(self) -> float | None:
        """The same of the gap to a reader that knows the fashion, but tastes by clicks alone."""
        last = self.of(None, max(self.round_numbers, default=0))
        told = [s for s in last if s.ideal_chance is not None]
        return self._recovered_of(ideal_rate(told) / oracle_rate(told)) if told else None

    def _recovered_of(self, reach: float) -> float | None:
        """Where all would be recovered with so much of the oracle's rate."""
        last = max(self.round_numbers, default=0)
        if self.drift_from is None or last <= self.drift_from:
            return None
        frozen, learning = (_reach(self.of(arm, last)) for arm in (FROZEN, LEARNING))
        return (learning - frozen) / (reach - frozen)


def click_rate(shown: Sequence[Shown]) -> float:
    """Share of the ads that were clicked; 0 where there are none."""
    return sum(s.clicked for s in shown) / len(shown) if shown else 0.0


def expected_rate(shown: Sequence[Shown]) -> float:
    """Mean chance of a click; 0 where there are no ads."""
    return sum(s.chance for s in shown) / len(shown) if shown else 0.0


def oracle_rate(shown: Sequence[Shown]) -> float:
    """Mean chance of a click on the ads of the oracle; 0 where there are no ads."""
    return sum(s.best_chance for s in shown) / len(shown) if shown else 0.0


def ideal_rate(shown: Sequence[Shown]) -> float:
    """The same of an ideal reader of the clicks before; of runs that told it."""
    told = [s.ideal_chance for s in shown if s.ideal_chance is not None]
    return sum(told) / len(told) if told else 0.0


def _reach(shown: Sequence[Shown]) -> float:
    return expected_rate(shown) / oracle_rate(shown) if shown else 0.0
