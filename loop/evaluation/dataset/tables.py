"""The figures of an evaluation as tables that read like the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Column, Table

from adloom.loop.evaluation.dataset.tally import BASELINE, Figures, Group, Report
from adloom.loop.evaluation.intervals import Figure

_HEADS = {"pbs": "PBS", "bleu": "BLEU", "rouge_l": "ROUGE-L", "true_title": "true title"}
_PAPER = ("pbs", "bleu", "rouge_l")
_SHOWN_GROUPS = 20


def report_tables(report: Report) -> Iterator[Table]:
    """All records; what each arm adds to no history; by language and by category."""
    yield _overall(report)
    yield _table(f"Difference to {BASELINE}", report.overall.differences, signed=True)
    for kind, groups in (("language", report.by_language), ("category", report.by_category)):
        if len(groups) > 1:
            yield _by(kind, groups)


def _overall(report: Report) -> Table:
    table = _metrics_table(_metrics(report.overall.arms))
    table.title = f"{report.overall.records:,} held-out records"
    marks = "" if report.distances_of == "inception" else " (PBS)"
    for head in (f"FID{marks}", f"KID{marks}"):
        table.add_column(head, justify="right")
    for arm, figures in report.overall.arms.items():
        distances = f"{report.fid[arm]:.3f}", _cell(report.kid[arm])
        table.add_row(arm, *map(_cell, figures.values()), *distances)
    return table


def _table(title: str, arms: Figures, *, signed: bool) -> Table:
    table = _metrics_table(_metrics(arms))
    table.title = title
    for arm, figures in arms.items():
        table.add_row(arm, *(_cell(figure, signed=signed) for figure in figures.values()))
    return table


def _by(kind: str, groups: Mapping[str, Group]) -> Table:
    """The paper's three metrics of each arm, a group after the other."""
    heads = (_figures(_HEADS[name]) for name in _PAPER)
    table = Table(kind, "records", "", *heads, box=None)
    table.title = f"By {kind}"
    for name, group in list(groups.items())[:_SHOWN_GROUPS]:
        for n, (arm, figures) in enumerate(group.arms.items()):
            first = (name, f"{group.records:,}") if n == 0 else ("", "")
            table.add_row(*first, arm, *(_cell(figures[metric]) for metric in _PAPER))
    return table


def _metrics_table(metrics: list[str]) -> Table:
    heads = (_figures(_HEADS.get(name, name.replace("_", " "))) for name in metrics)
    return Table("", *heads, box=None)


def _figures(head: str) -> Column:
    return Column(head, justify="right")


def _metrics(arms: Figures) -> list[str]:
    return list(next(iter(arms.values())))


def _cell(figure: Figure, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    mean, low, high = (f"{value:{sign}.3f}" for value in (figure.mean, figure.low, figure.high))
    return f"{mean} [dim]{low}…{high}[/]"
