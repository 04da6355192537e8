"""The gate's error rates: crowds without news keep what is shown, and rounds are counted right."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.gate_errors import KINDS, figures
from tests.benchmarks.no_news import by_coin, swapped

ANSWERS = {f"shopper-{n}": [n % 2 == 0, n % 3 == 0] for n in range(9)}


def test_swapped_shoppers_keep_the_clicks_of_the_day_and_none_their_own() -> None:
    dealt = swapped(0)({name: [n == i for i in range(9)] for n, name in enumerate(ANSWERS)})
    assert sorted(row.index(True) for row in dealt.values()) == list(range(9))
    assert all(row.index(True) != n for n, row in enumerate(dealt[name] for name in ANSWERS))


def test_a_coin_falls_for_every_ad_and_knows_none() -> None:
    many = {name: [True] * 500 for name in ANSWERS}
    dealt = by_coin(0)(many)
    assert {name: len(row) for name, row in dealt.items()} == dict.fromkeys(ANSWERS, 500)
    heads = sum(map(sum, dealt.values()))
    assert 2_000 < heads < 2_500


def outcome(answer: str) -> dict[str, Any]:
    judgement = {"answer": answer, "clicks": 9, "findings": [{"difference": 0.1}]}
    return {"passed": answer == "better", "judgement": judgement, "seconds": 1.0}


def test_rounds_are_counted_by_kind() -> None:
    seeds = [
        {kind: outcome("better" if kind == "drift" else "cannot_tell") for kind in KINDS}
        for _ in range(20)
    ]
    found = figures(seeds)
    assert found["holds"]
    assert (found["drift"]["share"], found["coin"]["share"]) == (1.0, 0.0)
    assert found["coin"]["answers"] == {"cannot_tell": 20}
    seeds[0]["swapped"] = seeds[1]["swapped"] = outcome("better")
    assert not figures(seeds)["holds"]
