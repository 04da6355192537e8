"""What a version carries: a digest of its clicks, groups of judged clicks, a card of tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from adloom.loop.learning.cards.clicks import clicks_datasets, logged_clicks
from adloom.loop.learning.cards.groups import judgement_by_group
from adloom.loop.learning.cards.model_card import Lineage, model_card
from adloom.loop.learning.judgement import GateVerdict
from adloom.loop.learning.trial import GateFigures, JudgedAds, Trial, TrialAd
from adloom.models.brief import AdBrief, Example
from tests.loop.learning.judged_version import clicked, judgement

PICTURE = Image.new("RGB", (1, 1))
CUTOUT = Image.new("RGBA", (1, 1))


def judged(categories: list[str]) -> JudgedAds:
    """Clicked ads of these categories, a shopper each."""
    examples = [
        Example(
            AdBrief("tea", (), CUTOUT, category=category, language="de"),
            "tea",
            np.zeros(1, np.int16),
        )
        for category in categories
    ]
    return JudgedAds(examples, [f"shopper-{n}" for n in range(len(examples))])


def trial(scores: list[float], drawn: dict[int, float]) -> Trial:
    """A trial with these log-likelihoods, and ads with this PBS for some of the clicks."""
    ads = [
        TrialAd("tea", "tea", PICTURE, PICTURE, pbs, True, f"shopper-{place}", 0.0, 1, place)
        for place, pbs in drawn.items()
    ]
    return Trial(GateFigures(*[0.0] * 6), tuple(ads), np.array(scores))


def test_groups_hold_each_click_and_each_drawn_ad_once() -> None:
    ads = judged(["tea", "tea", "cup", ""])
    old = trial([-3.0, -4.0, -5.0, -6.0], {0: 0.1, 2: 0.3})
    new = trial([-2.0, -3.5, -5.5, -6.0], {0: 0.2, 2: 0.1})
    found = judgement_by_group(GateVerdict(answer="cannot_tell", findings=()), ads, old, new)
    groups = {(group.by, group.name): group for group in found.groups}
    assert list(groups) == [
        ("all", ""),
        ("category", "tea"),
        ("category", "cup"),
        ("category", "not known"),
        ("language", "de"),
    ]
    tea, cup = groups["category", "tea"], groups["category", "cup"]
    assert (tea.clicks, tea.shoppers, tea.heldout_loss.challenger.mean) == (2, 2, 2.75)
    assert tea.heldout_loss.difference.mean == -0.75
    assert tea.heldout_loss.difference.low < -0.75 < tea.heldout_loss.difference.high
    assert cup.pbs is not None
    assert cup.pbs.difference.mean == pytest.approx(-0.2)
    assert math.isinf(cup.pbs.difference.low)  # one shopper tells no interval
    assert groups["category", "not known"].pbs is None
    assert groups["all", ""].clicks == groups["language", "de"].clicks == 4


def test_many_categories_are_told_as_the_largest_and_the_others() -> None:
    ads = judged([f"category {n % 30}" for n in range(90)])
    scores = [-1.0] * 90
    verdict = GateVerdict(answer="better", findings=())
    found = judgement_by_group(verdict, ads, trial(scores, {}), trial(scores, {}))
    of_categories = [group for group in found.groups if group.by == "category"]
    assert len(of_categories) == 21
    assert sum(group.clicks for group in of_categories) == 90
    assert next(group.clicks for group in of_categories if group.name == "others") == 30


def test_a_digest_is_of_what_was_shown_and_clicked_in_any_order() -> None:
    def digest(shown: list[object]) -> str:
        [one] = clicks_datasets({"training clicks": shown})  # type: ignore[dict-item]
        return str(one.dataset.digest)

    clicks = clicked(5)
    assert digest([*clicks]) == digest([*reversed(clicks)])
    assert digest([*clicks]) != digest([*clicks[1:]])
    assert len(digest([*clicks])) <= 36


def test_a_dataset_that_somebody_else_logged_is_told_by_its_name() -> None:
    [one] = clicks_datasets({"training clicks": clicked(2)})
    one.dataset._profile = "[not a profile"  # as another program may write it
    [told] = logged_clicks([one])
    assert (told.name, told.num_rows) == ("training clicks", None)


def test_a_category_breaks_no_table_and_writes_no_html() -> None:
    card = model_card(Lineage(3, 2, "`base`", [], {"a|b": "1\n2"}), judgement())
    assert r"category: tea \| &lt;b>" in card
    assert r"| a\|b | 1 2 |" in card
    assert "`base`" in card
    rows = [line for line in card.splitlines() if line.startswith("| category")]
    assert [row.replace(r"\|", "").count("|") for row in rows] == [11]
