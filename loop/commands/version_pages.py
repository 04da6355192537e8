"""What `adloom versions show` and `diff` print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.printing import print_fields, print_table
from adloom.loop.learning.cards.clicks import LoggedClicks
from adloom.loop.learning.cards.details import CARD_FILE, Figure, VersionDetails
from adloom.loop.learning.cards.difference import VersionDifference
from adloom.loop.learning.cards.judgement import Group, Measured
from adloom.loop.learning.clicks_of import clicks_of
from adloom.loop.learning.registry_errors import without_login

_NOT_KNOWN = "not known"


def print_version(console: Console, told: VersionDetails, model: str, tracking_uri: str) -> None:
    """All that is known of a version; what is not known is said."""
    version, run = told.version, told.run
    fields = {
        "version": version.number,
        "aliases": [f"@{alias}" for alias in version.aliases] or "none",
        "registered": f"{version.created:%Y-%m-%d %H:%M} UTC",
        "description": version.description or "none",
        "from version": _parent(told),
        "clicks": _window(told),
        "gate": version.tags.get("gate", _NOT_KNOWN),
    }
    if objections := version.tags.get("gate_objections"):
        fields["why"] = objections
    if version.is_base:
        of_base = ("version", "aliases", "registered", "description")
        fields = {name: fields[name] for name in of_base}
    fields["run"] = (
        "none, or deleted" if run is None else f"{run.run_id} (experiment {run.experiment_id})"
    )
    if run is not None:
        fields["artifacts"] = run.artifact_uri
        fields["files"] = sorted(run.files) or "none"
        if CARD_FILE in run.files:
            fields["model card"] = f"mlflow artifacts download -u runs:/{run.run_id}/{CARD_FILE}"
        if tracking_uri.startswith(("http://", "https://")):
            server = without_login(tracking_uri).rstrip("/")
            fields["page"] = f"{server}/#/models/{model}/versions/{version.number}"
    print_fields(console, fields)
    _print_clicks(console, told.clicks)
    if told.figures:
        title = "Judgement"
        if told.judgement is not None:
            title += (
                f" ({clicks_of(told.judgement.clicks, told.judgement.shoppers)}, "
                f"{told.judgement.confidence:.0%} intervals)"
            )
        _print(
            console,
            title,
            ("Figure", "Champion", "This version", "Difference", "Interval", "Answer"),
            [_figure_row(figure) for figure in told.figures],
        )
    if told.judgement is not None:
        _print_groups(console, told.judgement.groups)
    _print(console, "Settings", ("Setting", "Value"), sorted(told.params.items()))


def print_difference(console: Console, told: VersionDifference) -> None:
    """What differs; what is the same is left out."""
    a, b = f"Version {told.a.version.number}", f"Version {told.b.version.number}"
    sides = told.a, told.b
    _print(
        console,
        "",
        ("", a, b),
        [
            ("description", *(side.version.description or "none" for side in sides)),
            ("from version", *map(_parent, sides)),
            ("clicks", *map(_window, sides)),
            ("gate", *(_told(side.version.tags.get("gate")) for side in sides)),
        ],
    )
    _print_datasets(console, told, a, b)
    _print(
        console,
        _judged(told),
        ("Figure", a, "against its champion", b, "against its champion"),
        [(name, *_against(one), *_against(other)) for name, (one, other) in told.figures.items()],
    )
    settings = [(name, *map(_told, pair)) for name, pair in told.params.items()]
    _print(console, "Settings", ("Setting", a, b), settings)
    metrics = [(name, *map(_number, pair)) for name, pair in told.metrics.items()]
    _print(console, "Metrics of the runs", ("Metric", a, b), metrics)
    if told.modules is None:
        console.print(
            "\nAdapters: not both are here; --weights fetches and compares them", soft_wrap=True
        )
        return
    _print(
        console,
        "What the adapters change (Frobenius norms)",
        ("Module", a, b, "Difference"),
        [(m.module, *map(_number, (m.one, m.other, m.difference))) for m in told.modules],
    )


def _judged(told: VersionDifference) -> str:
    if told.relation == "b judged against a":
        return "Judgement (the first is the champion that the second was held against)"
    if told.relation == "a judged against b":
        return "Judgement (the second is the champion that the first was held against)"
    return "Judgement (on different clicks: only differences to each one's champion compare)"


def _print_clicks(console: Console, clicks: Sequence[LoggedClicks]) -> None:
    rows = [
        (
            one.name,
            one.context,
            _told(one.num_rows),
            _told(one.shoppers),
            _told(one.products),
            _shown(one),
            one.digest[:12],
        )
        for one in clicks
    ]
    head = ("Clicks", "For", "Rows", "Shoppers", "Products", "Shown (UTC)", "Digest")
    _print(console, "", head, rows)


def _print_datasets(console: Console, told: VersionDifference, a: str, b: str) -> None:
    of_a, of_b = ({one.name: one for one in side.clicks} for side in (told.a, told.b))
    rows = []
    for name in dict.fromkeys([*of_a, *of_b]):
        one, other = of_a.get(name), of_b.get(name)
        same = one is not None and other is not None and one.digest == other.digest
        rows.append((name, _dataset(one), "the same" if same else _dataset(other)))
    _print(console, "", ("Clicks", a, b), rows)


def _print_groups(console: Console, groups: Sequence[Group]) -> None:
    head = ("Group", "Clicks", "Shoppers", "Loss difference", "Ads", "PBS difference")
    rows = [
        (
            f"{group.by}: {group.name}" if group.name else group.by,
            str(group.clicks),
            str(group.shoppers),
            _measured(group.heldout_loss.difference),
            "0" if group.pbs is None else str(group.pbs.n),
            "" if group.pbs is None else _measured(group.pbs.difference),
        )
        for group in groups
    ]
    _print(console, "By group (for reading: some differ by chance)", head, rows)


def _figure_row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        _number(figure.champion),
        _number(figure.challenger),
        _number(figure.difference, "+"),
        _interval(figure.low, figure.high),
        figure.answer.replace("_", " "),
    )


def _against(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "", ""
    interval = _interval(figure.low, figure.high)
    told = _number(figure.difference, "+") + (f" ({interval})" if interval else "")
    return _number(figure.challenger), told


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:+.4g} to {high:+.4g}"


def _measured(of: Measured) -> str:
    finite = all(abs(end) < float("inf") for end in (of.low, of.high))
    told = f"{of.mean:+.4g}" if of.mean == of.mean else _NOT_KNOWN
    return f"{told} ({of.low:+.4g} to {of.high:+.4g})" if finite else told


def _parent(told: VersionDetails) -> str:
    return "none" if told.version.is_base else _told(told.parent)


def _window(told: VersionDetails) -> str:
    if told.version.is_base:
        return "none"
    tags: Mapping[str, str] = told.version.tags
    if "clicks_from" not in tags or "clicks_until" not in tags:
        return _NOT_KNOWN
    return f"{tags['clicks_from'][:16]} to {tags['clicks_until'][:16]}"


def _shown(one: LoggedClicks) -> str:
    if one.shown_from is None or one.shown_until is None:
        return ""
    return f"{one.shown_from:%Y-%m-%d %H:%M} to {one.shown_until:%Y-%m-%d %H:%M}"


def _dataset(one: LoggedClicks | None) -> str:
    return "" if one is None else f"{_told(one.num_rows)}, {_shown(one)}"


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.4g}"


def _told(value: object) -> str:
    return _NOT_KNOWN if value is None else str(value)


def _print(
    console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """A table, if it has rows; whoever may write in MLflow may have written what stands there."""
    if not rows:
        return
    table = Table(*head, box=None)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print()
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    print_table(console, table)
