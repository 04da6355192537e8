"""What the report page shows, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from PIL import Image
from scipy.stats import binomtest


@dataclass(frozen=True)
class HistoryPicture:
    """Something the shopper clicked before.

    Attributes:
        title: what it said.
        picture: what it showed.
        kept: by rows of cells, "1" where the generator used the picture; none: all of it.
        likeness: of its product to the one that is sold, -1..1.
        shared: in words, what the new ad has in common with it.
        everybodys: it is what everybody clicks of late, not the shopper's own click.
    """

    title: str
    picture: Image.Image
    kept: tuple[str, ...] = ()
    likeness: float | None = None
    shared: tuple[str, ...] = ()
    everybodys: bool = False


@dataclass(frozen=True)
class Trait:
    """Something of an ad's look in words, and how many of the ads that were read have it."""

    words: str
    read: int


@dataclass(frozen=True)
class AdStory:
    """One ad beside what its shopper had clicked.

    ``all_clicks`` is how many clicks ``history`` was chosen from; ``clicked`` is None while nobody
    has seen the ad.
    """

    user_id: str
    product_name: str
    title: str
    card: Image.Image
    file: str
    version: int
    round_number: int
    clicked: bool | None
    history: tuple[HistoryPicture, ...]
    traits: tuple[Trait, ...] = ()
    all_clicks: int = 0


@dataclass(frozen=True)
class FormatShown:
    """An ad in one of the formats that it is placed in, and what is told of it."""

    name: str
    told: str
    picture: Image.Image


@dataclass(frozen=True)
class Change:
    """The same shopper, product and seed, drawn by the base and by a version that learnt."""

    user_id: str
    product_name: str
    history: tuple[HistoryPicture, ...]
    before: Image.Image
    after: Image.Image
    titles: tuple[str, str]
    looks: tuple[tuple[str, ...], tuple[str, ...]]
    chances: tuple[float, float]
    version: int


@dataclass(frozen=True)
class RoundClicks:
    """How a batch of shown ads did."""

    label: str
    made_by: str
    shown: int
    clicks: int

    @property
    def rate(self) -> float:
        """Share that was clicked."""
        return self.clicks / self.shown if self.shown else 0.0

    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the click-through rate."""
        if not self.shown:
            return 0.0, 1.0
        found = binomtest(self.clicks, self.shown).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class ArmShown:
    """How an arm of the run's experiment did."""

    name: str
    shown: int
    clicks: int
    rate: float
    low: float
    high: float
    lift: str


@dataclass(frozen=True)
class Expected:
    """Mean chance of a click by round, as the simulator knows it, with 95 % intervals."""

    rates: Sequence[float] = ()
    intervals: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Comparison:
    """What learning is worth.

    Attributes:
        frozen: click-through rate of the base that never learns, one a row of the report's clicks.
        oracle: expected one of who knows every taste, same order.
        drift_from: the round in which fashion moves, if it does.
        recovered: share of the gap between the two that learning closed.
        arms: of the run's experiment.
        verdict: what it proved.
        expected: of each arm, by its name; of the rounds in which ads were served.
    """

    frozen: Sequence[float | None]
    oracle: Sequence[float | None]
    drift_from: int | None
    recovered: float | None
    arms: Sequence[ArmShown]
    verdict: str
    expected: Mapping[str, Expected] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundTraining:
    """What one fine-tune round did."""

    number: int
    version: int | None
    train_clicks: int
    heldout_clicks: int
    heldout_before: float
    heldout_after: float
    promoted: bool
    objections: tuple[str, ...]
    losses: tuple[float, ...]
    seconds: float
    trend_items: int = 0


@dataclass(frozen=True)
class VersionRow:
    """A registered version as the table shows it."""

    number: int
    parent: str
    gate: str
    aliases: tuple[str, ...]
    created: datetime
    window: str


@dataclass(frozen=True)
class RunReport:
    """All that the page tells; ``to_come`` is what a run that goes on has yet to do."""

    made_at: datetime
    seconds: float
    events_produced: int
    events_consumed: int
    dead_letters: Mapping[str, int]
    ads_served: int
    stories: Sequence[AdStory]
    clicks: Sequence[RoundClicks]
    beside: Comparison
    trainings: Sequence[RoundTraining]
    versions: Sequence[VersionRow]
    next_commands: Sequence[tuple[str, str]]
    formats: Sequence[FormatShown] = ()
    changes: Sequence[Change] = ()
    seconds_by_step: Mapping[str, float] = field(default_factory=dict)
    to_come: Sequence[str] = ()
