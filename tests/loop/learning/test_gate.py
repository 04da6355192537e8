"""The gate asks what clicks say beyond the showing, and says better, worse or cannot tell."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest, ttest_rel

from adloom.loop.learning.by_shopper import weighted_mean
from adloom.loop.learning.clicked_over_left import click_findings
from adloom.loop.learning.gate import judged, objections
from adloom.loop.learning.judgement import Finding, GateVerdict
from adloom.loop.learning.trial import GateFigures, JudgedAds, Trial, TrialAd, as_metrics, try_out
from adloom.loop.settings.learning import GateSettings
from adloom.models.brief import Example
from adloom.models.sampling import Sampling
from tests.tiny_model import TINY, examples, tiny_generator

SHOPPERS, LEFT = 24, 3
NAMES = [f"shopper-{number}" for number in range(SHOPPERS)]
SETTINGS = GateSettings()
GREY = Image.new("RGB", (8, 8))
AD = TrialAd("Boot", "A boot", GREY, GREY, 0.6, True, "", 0.5, 40, place=0)
NOT_LOOKED_AT: Any = SimpleNamespace(weight=1.0)


def ads(shoppers: int = SHOPPERS, left: int = LEFT) -> JudgedAds:
    """Every shopper clicked one ad and left some."""
    nothing: list[Example] = [NOT_LOOKED_AT] * shoppers
    names = NAMES[:shoppers]
    return JudgedAds(nothing, names, nothing * left, names * left)


def noise(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0, 0.01, SHOPPERS * (1 + LEFT))


def trial(*, clicked: float = 0.0, left: float = 0.0, seed: int = 1, **change: Any) -> Trial:
    """A version: how likely it finds clicked and left ads, and what it draws."""
    scores = np.repeat([clicked, left], [SHOPPERS, SHOPPERS * LEFT]) - 3 + noise(seed)
    jitter = np.random.default_rng(seed).normal(0, 0.01, (2, SHOPPERS))
    drawn = tuple(
        replace(AD, **{"pbs": 0.6 + a, "spread": 0.5 + b, "shopper": name} | change)
        for (a, b), name in zip(jitter.T, NAMES, strict=True)
    )
    figures = GateFigures(
        heldout_loss=-float(scores[:SHOPPERS].mean()),
        pbs=float(np.mean([ad.pbs for ad in drawn])),
        invalid_titles=1 - float(np.mean([ad.valid_title for ad in drawn])),
        diversity=float(np.mean([ad.spread for ad in drawn])),
        steps_an_ad=float(np.mean([ad.steps for ad in drawn])),
        seconds_an_ad=1.0,
    )
    return Trial(figures, drawn, scores)


CHAMPION = trial(seed=0)


def verdict(challenger: Trial, champion: Trial = CHAMPION, **given: Any) -> GateVerdict:
    return judged(ads(), champion, challenger, GateSettings(**given))


def finding(of: GateVerdict, name: str) -> Finding:
    return next(found for found in of.findings if found.name == name)


def test_a_version_that_tells_clicked_ads_from_left_ones_passes() -> None:
    found = verdict(trial(clicked=0.05))
    assert found.answer == "better"
    assert objections(found) == ()
    assert (found.clicks, found.shoppers) == (SHOPPERS, SHOPPERS)
    deciding = found.findings[0]
    assert deciding.name == "click_log_ratio"
    assert 0 < deciding.low < 0.05 < deciding.high
    assert finding(found, "click_auc").answer == "better"


def test_who_finds_all_ads_of_the_champion_likelier_has_shown_nothing() -> None:
    found = verdict(trial(clicked=0.05, left=0.05))
    assert finding(found, "heldout_loss").answer == "better"
    assert found.answer == "cannot_tell"
    (told,) = objections(found)
    assert "24 clicks of 24 shoppers cannot tell" in told


def test_an_interval_without_bounds_is_told_as_too_little() -> None:
    found = verdict(trial(clicked=0.05, left=0.05))
    [deciding, *rest] = found.findings
    nothing = deciding.model_copy(update={"low": -math.inf, "high": math.inf})
    one = found.model_copy(update={"findings": (nothing, *rest), "clicks": 2, "shoppers": 1})
    [told] = objections(one)
    assert told.startswith("2 clicks of 1 shopper cannot tell")
    assert "too little to tell how far" in told
    assert "inf" not in told


def test_a_gain_that_the_clicks_cannot_tell_says_how_many_could() -> None:
    shares = np.where(np.arange(SHOPPERS) % 2, 0.1, -0.08)  # half of the shoppers differ
    scores = np.concatenate([CHAMPION.scores[:SHOPPERS] + shares, CHAMPION.scores[SHOPPERS:]])
    found = judged(ads(), CHAMPION, Trial(CHAMPION.figures, (), scores), SETTINGS)
    assert found.answer == "cannot_tell"
    assert found.findings[0].difference == pytest.approx(0.01)
    assert re.search(r"about [0-9]{3,5} would tell a gain of this size", objections(found)[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"clicked": -0.05}, "clicked ads stand out less"),
        ({"clicked": -0.05, "left": -0.15}, "held-out loss 3.0"),
        ({"clicked": 0.05, "pbs": 0.4}, "PBS 0.400"),
        ({"clicked": 0.05, "valid_title": False}, "100% of its titles are invalid"),
        ({"clicked": 0.05, "spread": 0.1}, "its scenes are alike: spread 0.10"),
        ({"clicked": 0.05, "steps": 200}, "it is slow: 200 steps an ad, the champion takes 40"),
    ],
)
def test_each_thing_that_is_worse_is_told(change: dict[str, Any], told: str) -> None:
    found = verdict(trial(**change))
    assert found.answer == "worse"
    assert any(told in against for against in objections(found))


@pytest.mark.parametrize("change", [{"spread": 0.45}, {"steps": 100}])
def test_costs_within_what_is_allowed_are_none(change: dict[str, Any]) -> None:
    assert verdict(trial(clicked=0.05, **change)).answer == "better"


def test_a_busy_machine_is_nothing_against_a_version() -> None:
    busy = trial(clicked=0.05)
    busy = replace(busy, figures=replace(busy.figures, seconds_an_ad=9.0))
    assert verdict(busy).answer == "better"


def test_as_many_invalid_titles_as_the_champions_are_no_fall() -> None:
    champion = trial(seed=0, valid_title=False)
    assert verdict(trial(clicked=0.05, valid_title=False), champion).answer == "better"


def test_who_clicked_everything_or_nothing_tells_nothing() -> None:
    only_clicks = JudgedAds([NOT_LOOKED_AT] * 2, ["ann", "bob"])
    scores = Trial(GateFigures(*[1.0] * 6), (), np.array([-1.0, -2.0]))
    found = judged(only_clicks, scores, scores, SETTINGS)
    assert found.answer == "cannot_tell"
    assert "no judged shopper has both clicked and left" in objections(found)[0]


def test_late_clicks_are_held_against_nothing() -> None:
    assert replace(ads(2), late=frozenset({1})).compared.shoppers == ("shopper-0",)


def test_a_shopper_is_one_voice_however_many_ads() -> None:
    scores = np.array([0.0, 0.1, 0.2, 0.4])
    one_each = weighted_mean(scores, list("abcd"), 0.95)
    reference = ttest_rel(scores, np.zeros(4)).confidence_interval(0.95)
    assert (one_each.low, one_each.high) == pytest.approx(tuple(reference))
    again = weighted_mean(np.tile(scores, 5), list("abcd") * 5, 0.95)
    assert (again.low, again.high) == pytest.approx(tuple(reference))


def test_clicks_by_coin_pass_in_no_more_rounds_than_the_confidence_says() -> None:
    rounds = [
        click_findings(ads().compared, noise(2 * n), noise(2 * n + 1) + 0.05, 0.95)[0]
        for n in range(300)
    ]
    passed = sum(found.answer == "better" for found in rounds)
    assert binomtest(passed, len(rounds), 0.025).pvalue > 0.001


def test_a_verdict_is_read_as_it_was_written() -> None:
    unknown = Finding(
        name="pbs",
        champion=math.nan,
        challenger=0.5,
        difference=0.1,
        low=-math.inf,
        high=math.inf,
        answer="cannot_tell",
    )
    written = GateVerdict(answer="cannot_tell", findings=(unknown,)).model_dump_json()
    json.loads(written, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    (read,) = GateVerdict.model_validate_json(written).findings
    assert math.isnan(read.champion)
    assert (read.low, read.high) == (-math.inf, math.inf)


def test_the_settings_of_before_are_read() -> None:
    assert GateSettings.model_validate({"pbs_confidence": 0.9}).confidence == 0.9
    assert GateSettings.model_validate({"confidence": 0.9}).confidence == 0.9


def test_steps_are_counted_of_each_ad() -> None:
    generator, briefs = tiny_generator(), [example.brief for example in examples(3)]

    def steps(seed: int) -> list[int]:
        return [draft.steps for draft in generator.generate(briefs, seeds=[seed] * 3)]

    most = TINY.title_tokens + TINY.image_tokens  # a token a step, where no guess is right
    assert all(2 <= count <= most for count in steps(0))
    assert steps(0) == steps(0)


def of_tiny(clicked: int, left: int = 0) -> JudgedAds:
    made = examples(clicked + left)
    names = [f"shopper-{number}" for number in range(clicked)]
    return JudgedAds(made[:clicked], names, made[clicked:], names[:left])


def tried(judged_ads: JudgedAds, drawn: int) -> Trial:
    generator = tiny_generator()
    [trial] = try_out(generator, [None], judged_ads, sampling=Sampling(), ads=drawn, batch_size=4)
    return trial


def test_the_same_version_measures_the_same() -> None:
    first, second = (tried(of_tiny(3, 2), 2) for _ in range(2))
    assert [ad.title for ad in first.ads] == [ad.title for ad in second.ads]
    assert first.scores.shape == (5,)
    assert (first.scores == second.scores).all()
    figures = replace(first.figures, seconds_an_ad=0.0)
    assert figures == replace(second.figures, seconds_an_ad=0.0)
    assert figures.heldout_loss == pytest.approx(-first.scores[:3].mean())
    assert -1 <= figures.pbs <= 1
    assert 0 <= figures.invalid_titles <= 1
    assert figures.diversity >= -1e-6
    assert as_metrics(figures, figures)["challenger_pbs"] == figures.pbs
    assert judged(of_tiny(3, 2), first, second, SETTINGS).answer == "cannot_tell"


def test_the_ads_that_are_compared_come_from_all_of_the_judged_clicks() -> None:
    clicks = of_tiny(5)
    names = [clicks.clicked[place].brief.product_name for place in (0, 2, 4)]
    assert [ad.product_name for ad in tried(clicks, 3).ads] == names


def test_without_judged_clicks_nothing_passes() -> None:
    none = of_tiny(0)
    unknown = tried(none, 4)
    assert objections(judged(none, unknown, unknown, SETTINGS))
