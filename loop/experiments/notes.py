"""How to read the figures of an experiment, a sentence each: table, page and studio tell them."""

from __future__ import annotations

from adloom.loop.experiments.judgement import ArmResult, Judgement
from adloom.loop.settings.experiments import Experiment

_TOLD = 1e-3  # relative difference of a rate from clicks over ads


def notes(judgement: Judgement, experiment: Experiment) -> list[str]:
    """In the order to read them."""
    found = [
        "A 95 % interval is for one look at a time fixed before: who looks daily for one or two "
        "months and stops at the first that leaves 0 out is wrong in 28 to 34 of 100 experiments "
        "without any effect. Always-valid ones may be looked at as often as you like."
    ]
    weighted = [name for name, arm in judgement.arms.items() if _is_weighted(arm)]
    if weighted:
        found.append(_weights(weighted, judgement, experiment))
    if len(experiment.arms) > 2:
        found.append(_several_arms(len(experiment.arms), experiment.alpha))
    return found


def _is_weighted(arm: ArmResult) -> bool:
    if not (arm.chances_moved or arm.limited_users):
        return False
    plain = arm.clicks / arm.impressions if arm.impressions else 0.0
    return abs(arm.rate - plain) > _TOLD * plain


def _weights(arms: list[str], judgement: Judgement, experiment: Experiment) -> str:
    plain = ", ".join(
        f"{judgement.arms[name].clicks / judgement.arms[name].impressions:.2%} in {name}"
        for name in arms
    )
    told, why = [judgement.arms[name] for name in arms], []
    if any(arm.chances_moved for arm in told):
        why.append("an ad weighs one over the chance with which its arm was dealt, since it moved")
    if limited := sum(arm.limited_users for arm in told):
        most = experiment.max_user_exposures
        users = "1 user weighs" if limited == 1 else f"{limited:,} users weigh"
        why.append(f"{users} as much as with {most} ads (max_user_exposures)")
    return f"The rate is weighted, which clicks over ads ({plain}) are not: {'; '.join(why)}."


def _several_arms(arms: int, alpha: float) -> str:
    others = arms - 1
    return (
        f"{arms} arms are {others} comparisons with the control: always-valid intervals share the "
        f"{alpha:.1%} chance of a false verdict ({alpha / others:.1%} each, after Bonferroni); "
        "95 % intervals do not, and one of several leaves 0 out by chance more often."
    )
