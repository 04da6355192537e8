"""What a version is, in a sentence and on a page of Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adloom.loop.learning.cards.clicks import LoggedClicks
from adloom.loop.learning.cards.judgement import Compared, Judgement, Measured
from adloom.loop.learning.clicks_of import clicks_of
from adloom.loop.learning.judgement import Finding, GateVerdict

_ANSWERS = {"better": "better", "worse": "worse", "cannot_tell": "cannot tell"}
_UNITS = {"click_log_ratio": " nats a token", "heldout_loss": " nats a token"}
_SENTENCES = {
    "better": "the gate finds it better than the champion",
    "worse": "the gate finds it worse than the champion",
    "cannot_tell": "the gate cannot tell it from the champion",
}


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from.

    Attributes:
        round: the number of the round that made it.
        parent: the version that it learned from, the champion then.
        base: name of the base model; empty where it is not known.
        clicks: what it learned from and was judged by.
        params: settings of the training.
    """

    round: int
    parent: int
    base: str
    clicks: Sequence[LoggedClicks]
    params: Mapping[str, object]


def description(lineage: Lineage, verdict: GateVerdict) -> str:
    """A sentence for lists of versions."""
    learned = next((one for one in lineage.clicks if one.name == "training clicks"), None)
    told = f"Round {lineage.round}, from version {lineage.parent}: learned from "
    if learned is None:
        told += "clicks"
    else:
        told += f"{clicks_of(learned.num_rows or 0, learned.shoppers or 0)} ({_window(learned)})"
    told += f"; {_SENTENCES[verdict.answer]}"
    if verdict.findings and math.isfinite(verdict.findings[0].difference):
        told += f", {_deciding(verdict)}"
    return f"{told}."


def model_card(lineage: Lineage, judgement: Judgement) -> str:
    """The whole page."""
    return "\n\n".join(
        (
            f"# Ad generator, round {lineage.round}",
            description(lineage, judgement),
            "Draws an ad (title and picture) for a shopper and a product: an adapter (LoRA and the "
            f"modules that read product and history) on the base model {_code(lineage.base)}. "
            "It is for the shop whose clicks it learned from.",
            "## Clicks",
            _table(
                ("clicks", "for", "rows", "shoppers", "products", "shown", "digest"),
                [
                    (
                        one.name,
                        one.context,
                        one.num_rows,
                        one.shoppers,
                        one.products,
                        _window(one),
                        _code(one.digest[:12]),
                    )
                    for one in lineage.clicks
                ],
            ),
            "What judges was neither trained on nor used to choose the best step. The Kafka "
            "offsets of the events that were read are in `data.json`; no shopper is named in this "
            "run.",
            "## Judgement",
            f"Differences to the champion (version {lineage.parent}) on "
            f"{clicks_of(judgement.clicks, judgement.shoppers)}, with "
            f"{judgement.confidence:.0%} intervals by "
            "shopper; the first figure decides, any that is worse stops it.",
            _findings(judgement.findings),
            "## By category and language",
            "For reading, not for deciding: among twenty groups that are alike, about one differs "
            "by chance. Loss in nats a token, less is better; PBS of the ads drawn for some of "
            "these clicks, more is better.",
            _groups(judgement),
            "## Samples",
            "`samples.png` shows ads that were clicked beside what the champion and this version "
            "drew for the same shoppers; `evaluation.json` has all of them as a table.",
            "## Settings of the training",
            _table(("setting", "value"), sorted(lineage.params.items())),
            "## Limits",
            "It was judged on ads that were shown by the versions before it, and by few shoppers "
            "where the intervals are wide: an A/B experiment tells what it is worth. Titles are "
            "held to the product's own words only where `constrain_titles` is set.",
        )
    )


def _deciding(verdict: GateVerdict) -> str:
    first = verdict.findings[0]
    return (
        f"{first.name} {first.difference:+.3f}{_UNITS.get(first.name, '')} "
        f"({_number(first.low, '+')} to {_number(first.high, '+')}) on "
        f"{clicks_of(verdict.clicks, verdict.shoppers)}"
    )


def _findings(findings: Iterable[Finding]) -> str:
    return _table(
        ("figure", "champion", "this version", "difference", "interval", "answer"),
        [
            (
                one.name,
                _number(one.champion),
                _number(one.challenger),
                _number(one.difference, "+"),
                f"{_number(one.low, '+')} to {_number(one.high, '+')}",
                _ANSWERS[one.answer],
            )
            for one in findings
        ],
    )


def _groups(judgement: Judgement) -> str:
    return _table(
        (
            "group",
            "clicks",
            "shoppers",
            "loss, champion",
            "loss, this version",
            "difference",
            "ads drawn",
            "PBS, champion",
            "PBS, this version",
            "difference",
        ),
        [
            (
                f"{one.by}: {one.name}" if one.name else one.by,
                one.clicks,
                one.shoppers,
                *_compared(one.heldout_loss),
                0 if one.pbs is None else one.pbs.n,
                *(("", "", "") if one.pbs is None else _compared(one.pbs)),
            )
            for one in judgement.groups
        ],
    )


def _compared(of: Compared) -> tuple[str, str, str]:
    return _measured(of.champion), _measured(of.challenger), _measured(of.difference, "+")


def _measured(of: Measured, sign: str = "") -> str:
    if not math.isfinite(of.low):
        return _number(of.mean, sign)
    return f"{_number(of.mean, sign)} ({_number(of.low, sign)} to {_number(of.high, sign)})"


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" if math.isfinite(value) else "not known"


def _window(clicks: LoggedClicks) -> str:
    if clicks.shown_from is None or clicks.shown_until is None:
        return ""
    return f"{clicks.shown_from:%Y-%m-%d %H:%M} to {clicks.shown_until:%Y-%m-%d %H:%M} UTC"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    """As text of one line that ends no cell and begins no HTML: shops name their categories."""
    text = " ".join(str(value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`" if text else "(not known)"
