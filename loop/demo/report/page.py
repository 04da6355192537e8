"""The page that shows what a run of the loop did: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from scipy.stats import binomtest

from adloom.loop.demo.report.charts import RateLine, RatePoint, loss_chart, rate_chart

_HISTORY_PIXELS = 112
_AD_PIXELS = 420


@dataclass(frozen=True)
class HistoryPicture:
    """Something the shopper clicked before."""

    title: str
    picture: Image.Image


@dataclass(frozen=True)
class AdStory:
    """One ad beside what its shopper had clicked."""

    user_id: str
    product_name: str
    title: str
    card: Image.Image
    file: str
    version: int
    round_number: int
    clicked: bool
    history: tuple[HistoryPicture, ...]


@dataclass(frozen=True)
class RoundClicks:
    """How a batch of shown ads did."""

    label: str
    made_by: str
    shown: int
    clicks: int

    @property
    def rate(self) -> float:
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
class Comparison:
    """What learning is worth.

    Attributes:
        frozen: click-through rate of the base that never learns, one a row of the report's clicks.
        oracle: expected one of who knows every taste, same order.
        drift_from: the round in which fashion moves, if it does.
        recovered: share of the gap between the two that learning closed.
        arms: of the run's experiment.
        verdict: what it proved.
    """

    frozen: Sequence[float | None]
    oracle: Sequence[float | None]
    drift_from: int | None
    recovered: float | None
    arms: Sequence[ArmShown]
    verdict: str


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
    """All that the page tells."""

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


def write_report(report: RunReport, path: Path) -> None:
    """Writes the page; pictures, styles and charts are inside it, it asks the network nothing."""
    environment = Environment(
        loader=PackageLoader("adloom.loop.demo.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thumbnail"] = lambda p: inline_picture(p, _HISTORY_PIXELS)
    environment.filters["ad"] = lambda p: inline_picture(p, _AD_PIXELS)
    environment.filters["losses"] = lambda losses: Markup(loss_chart(losses))
    points = [RatePoint(c.label, c.made_by, c.rate, *c.interval()) for c in report.clicks]
    beside = [
        RateLine("The base, frozen", "frozen", report.beside.frozen),
        RateLine("An oracle that knows every taste", "oracle", report.beside.oracle),
    ]
    page = environment.get_template("report.html.j2").render(
        report=report, ctr_chart=Markup(rate_chart(points, beside)), minutes=report.seconds / 60
    )
    path.write_text(page, encoding="utf-8")


def inline_picture(picture: Image.Image, width: int) -> str:
    """The picture, shrunk to `width`, as a data address."""
    height = round(picture.height * width / picture.width)
    small = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=84)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
