"""The page that shows what a run of the loop did: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adloom.loop.demo.report.charts import RateLine, RatePoint, loss_chart, rate_chart
from adloom.loop.demo.report.parts import (
    AdStory,
    ArmShown,
    Change,
    Comparison,
    Expected,
    FormatShown,
    HistoryPicture,
    RoundClicks,
    RoundTraining,
    RunReport,
    Trait,
    VersionRow,
)
from adloom.loop.demo.report.pictures import inline_img, out_of_focus, shrunk

__all__ = [
    "AdStory",
    "ArmShown",
    "Change",
    "Comparison",
    "Expected",
    "FormatShown",
    "HistoryPicture",
    "RoundClicks",
    "RoundTraining",
    "RunReport",
    "Trait",
    "VersionRow",
    "write_report",
]

_HISTORY_PIXELS = 112
_AD_PIXELS = 420
_READ_AGAIN_SECONDS = 10
_SLOWEST_STEPS = 12


def write_report(report: RunReport, path: Path) -> None:
    """Writes the page, whole or not at all; it asks the network nothing.

    That of a run that goes on loads itself again every few seconds.
    """
    environment = Environment(
        loader=PackageLoader("adloom.loop.demo.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thumbnail"] = _thumbnail
    environment.filters["ad"] = lambda picture, alt: inline_img(picture, _AD_PIXELS, alt)
    environment.filters["losses"] = lambda losses: Markup(loss_chart(losses))
    slowest = sorted(report.seconds_by_step.items(), key=lambda step: -step[1])
    page = environment.get_template("report.html.j2").render(
        report=report,
        ctr_chart=Markup(_clicked(report)),
        expected_chart=Markup(_expected(report)),
        minutes=report.seconds / 60,
        slowest=slowest[:_SLOWEST_STEPS],
        read_again=_READ_AGAIN_SECONDS,
    )
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def _thumbnail(clicked: HistoryPicture) -> Markup:
    small = out_of_focus(shrunk(clicked.picture, _HISTORY_PIXELS), clicked.kept)
    return inline_img(small, _HISTORY_PIXELS, clicked.title)


def _clicked(report: RunReport) -> str:
    points = [RatePoint(c.label, c.made_by, c.rate, *c.interval()) for c in report.clicks]
    beside = [
        RateLine("The base, frozen", "frozen", report.beside.frozen),
        RateLine("An oracle that knows every taste", "oracle", report.beside.oracle),
    ]
    return rate_chart(points, beside)


_LINES = {
    "frozen": "Expected of the base, frozen",
    "ideal": "Expected of an ideal reader of the clicks before",
    "oracle": "Expected of the oracle",
}


def _expected(report: RunReport) -> str:
    """The same without the luck of clicks: what the simulator knows."""
    expected = report.beside.expected
    if "learning" not in expected:
        return ""
    learning = expected["learning"]
    points = [
        RatePoint(f"Round {number}", "", rate, *interval)
        for number, (rate, interval) in enumerate(
            zip(learning.rates, learning.intervals, strict=True), start=1
        )
    ]
    beside = [
        RateLine(told, arm, expected[arm].rates, expected[arm].intervals)
        for arm, told in _LINES.items()
        if arm in expected
    ]
    return rate_chart(points, beside, name="Expected click-through rate by round")
