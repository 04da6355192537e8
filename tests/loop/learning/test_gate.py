"""The gate lets better versions through and says what it has against the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.learning.gate import GateFigures, as_metrics, objections, try_out
from adloom.loop.settings.learning import GateSettings
from adloom.models.sampling import Sampling
from tests.tiny_model import TINY, examples, tiny_generator

CHAMPION = GateFigures(
    heldout_loss=3.0,
    pbs=0.6,
    invalid_titles=0.0,
    diversity=0.5,
    steps_an_ad=40.0,
    seconds_an_ad=1.0,
    pbs_by_ad=(0.5, 0.7, 0.6, 0.6),
)
BETTER = replace(CHAMPION, heldout_loss=2.9, pbs=0.65, pbs_by_ad=(0.6, 0.7, 0.65, 0.65))
SETTINGS = GateSettings()


def test_better_at_what_was_clicked_and_no_worse_otherwise_passes() -> None:
    assert objections(CHAMPION, BETTER, SETTINGS) == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"heldout_loss": 3.0}, "held-out loss 3.000, the champion's is 3.000"),
        ({"heldout_loss": float("nan")}, "held-out loss nan"),
        ({"pbs": 0.5, "pbs_by_ad": (0.4, 0.61, 0.5, 0.49)}, "PBS 0.500"),
        ({"invalid_titles": 0.25}, "25% of its titles are invalid"),
        ({"diversity": 0.1}, "its scenes are alike"),
        ({"steps_an_ad": 200.0}, "it is slow: 200 steps an ad, the champion takes 40"),
    ],
)
def test_each_thing_that_falls_is_told(change: dict[str, Any], told: str) -> None:
    (against,) = objections(CHAMPION, replace(BETTER, **change), SETTINGS)
    assert told in against


def test_a_lower_pbs_within_the_noise_of_a_few_ads_is_no_fall() -> None:
    noisy = replace(BETTER, pbs=0.55, pbs_by_ad=(0.9, 0.2, 0.8, 0.3))
    assert objections(CHAMPION, noisy, SETTINGS) == ()


def test_a_busy_machine_is_nothing_against_a_version() -> None:
    champion = replace(CHAMPION, seconds_an_ad=1.46)
    drawn_while_others_computed = replace(BETTER, seconds_an_ad=5.14)
    assert objections(champion, drawn_while_others_computed, SETTINGS) == ()


def test_steps_are_counted_of_each_ad() -> None:
    generator, briefs = tiny_generator(), [example.brief for example in examples(3)]

    def steps(seed: int) -> list[int]:
        return [draft.steps for draft in generator.generate(briefs, seeds=[seed] * 3)]

    most = TINY.title_tokens + TINY.image_tokens  # a token a step, where no guess is right
    assert all(2 <= count <= most for count in steps(0))
    assert steps(0) == steps(0)


@given(st.floats(0, 1))
def test_as_many_invalid_titles_as_the_champions_are_no_fall(share: float) -> None:
    champion = replace(CHAMPION, invalid_titles=share)
    assert objections(champion, replace(BETTER, invalid_titles=share), SETTINGS) == ()


def test_the_same_version_measures_the_same() -> None:
    generator = tiny_generator()
    trials = [
        try_out(generator, None, examples(3), 2.5, sampling=Sampling(), ads=2) for _ in range(2)
    ]
    first, second = (trial.figures for trial in trials)
    assert [ad.title for ad in trials[0].ads] == [ad.title for ad in trials[1].ads]
    assert first.pbs == pytest.approx(sum(ad.pbs for ad in trials[0].ads) / 2, abs=1e-6)
    assert replace(first, seconds_an_ad=0.0) == replace(second, seconds_an_ad=0.0)
    assert first.heldout_loss == 2.5
    assert -1 <= first.pbs <= 1
    assert 0 <= first.invalid_titles <= 1
    assert first.diversity >= -1e-6
    assert as_metrics(first, second)["challenger_pbs"] == first.pbs


def test_the_ads_that_are_compared_come_from_all_of_the_heldout_clicks() -> None:
    heldout = examples(5)
    trial = try_out(tiny_generator(), None, heldout, 2.5, sampling=Sampling(), ads=3)
    names = [heldout[place].brief.product_name for place in (0, 2, 4)]
    assert [ad.product_name for ad in trial.ads] == names


def test_without_heldout_clicks_nothing_passes() -> None:
    unknown = try_out(tiny_generator(), None, [], float("nan"), sampling=Sampling(), ads=4).figures
    assert objections(unknown, unknown, SETTINGS)
