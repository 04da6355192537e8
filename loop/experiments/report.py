"""`adloom experiment report`: from the event log to figures, a verdict, and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.crossed import FEW, crossed_users
from adloom.loop.experiments.happened import Happened, happened
from adloom.loop.experiments.heavy_users import HeavyUser, heavy_users
from adloom.loop.experiments.judgement import ArmResult, Judgement, judge
from adloom.loop.experiments.lifts import lift_json
from adloom.loop.experiments.metric_verdict import with_metrics
from adloom.loop.experiments.metric_words import metric_json, unseen_events
from adloom.loop.experiments.metrics import MetricResult, metric_results
from adloom.loop.experiments.notes import notes
from adloom.loop.experiments.outcomes import Outcomes, experiment_outcomes
from adloom.loop.experiments.shown import Shown, mostly_the_shops, shown_by_arm
from adloom.loop.settings.experiments import LEAST_SHARE, Experiment
from adloom.loop.statistics.off_policy import (
    LoggedRewards,
    PolicyValue,
    fitted_rates,
    fold_of,
    policy_values,
)


class NoExperiment(LookupError):
    """The settings define no such experiment."""


@dataclass(frozen=True)
class ExperimentReport:
    """All that is known of an experiment.

    Attributes:
        judgement: what the verdict rests on.
        policies: by arm, what showing everybody that arm would have earned: clicks an exposure.
        versions: by arm, the model versions that drew its ads.
        users: distinct users.
        crossed_users: those seen in more than one arm.
        open: exposures whose attribution window is open: they are not judged yet.
        closes_at: when the last of these windows closes; None where none is open.
        heavy_users: who has a large part of an arm's exposures.
        until: the moment up to which events count, aware, UTC.
        metrics: those of the settings, by name.
        outcomes_seen: what outcomes of its users are called, the most frequent first.
        unservable: a sentence for each arm whose version is not registered (any more).
        shown: by arm, shares of ads drawn for the shopper, before for another, or the shop's own.
        impossible: exposures that are left out, since no arm is dealt with the chance they say.
    """

    name: str
    experiment: Experiment
    judgement: Judgement
    policies: dict[str, dict[str, PolicyValue]]
    versions: dict[str, list[int]]
    users: int
    crossed_users: int
    open: int
    closes_at: datetime | None
    heavy_users: list[HeavyUser]
    until: datetime
    metrics: dict[str, MetricResult]
    shown: dict[str, Shown]
    outcomes_seen: tuple[str, ...] = ()
    unservable: tuple[str, ...] = ()
    impossible: int = 0

    @property
    def warnings(self) -> list[str]:
        """What makes the figures harder to read."""
        found = [*self.unservable]
        if self.impossible:
            ads = "1 ad is" if self.impossible == 1 else f"{self.impossible:,} ads are"
            found.append(
                f"{ads} left out: by their events the arm was dealt with a chance (propensity) "
                f"below {LEAST_SHARE:.2%}, which none is"
            )
        found += [
            f"{arm} was drawn by versions {', '.join(map(str, numbers))}: its alias moved"
            for arm, numbers in self.versions.items()
            if len(numbers) > 1
        ]
        if self.crossed_users and self.experiment.allocation == "fixed":
            share = self.crossed_users / self.users
            found.append(
                f"{self.crossed_users} users ({share:.1%}) were in more than one arm: weights or "
                "salt were changed while it ran; each is judged by the first arm"
                + (", and lifts come out smaller for it" if share > FEW else "")
            )
        found += mostly_the_shops(self.shown)
        found += unseen_events(self.metrics, self.outcomes_seen)
        found += [
            f"{heavy.user} saw {heavy.share:.0%} of the ads of {heavy.arm} ({heavy.exposures}), "
            f"and weighs {heavy.weight:.0%} of its rate (max_user_exposures)"
            for heavy in self.heavy_users
        ]
        return found

    @property
    def notes(self) -> list[str]:
        """How to read the figures."""
        return [*self._open, *notes(self.judgement, self.experiment)]

    @property
    def _open(self) -> list[str]:
        if self.closes_at is None:
            return []
        ads = "1 ad can still be clicked and is" if self.open == 1 else f"{self.open:,} ads can "
        ads += "" if self.open == 1 else "still be clicked and are"
        closes = f"{self.closes_at:%Y-%m-%d %H:%M} UTC"
        return [f"{ads} not judged yet; the last window closes at {closes}."]

    def as_json(self) -> dict[str, Any]:
        """Figures by name; what is not known or has no bound is null."""
        judged, experiment = self.judgement, self.experiment
        content = {
            "experiment": self.name,
            "control": self.experiment.control_arm,
            "allocation": self.experiment.allocation,
            "until": self.until.isoformat(),
            "users": self.users,
            "crossed_users": self.crossed_users,
            "crossed_users_judged_by": "first_arm" if experiment.allocation == "fixed" else "arm",
            "open": self.open,
            "closes_at": self.closes_at and self.closes_at.isoformat(),
            "heavy_users": [asdict(heavy) for heavy in self.heavy_users],
            "arms": {
                name: _arm_json(arm)
                | {
                    "versions": self.versions[name],
                    "shown": dict(self.shown[name]),
                    "off_policy": {k: asdict(v) for k, v in self.policies[name].items()},
                }
                for name, arm in judged.arms.items()
            },
            "srm_p_value": judged.split_p_value,
            "split": asdict(judged.split),
            "split_sentence": judged.split_sentence,
            "guardrails": {
                arm: {
                    name: asdict(guardrail) | {"broken": guardrail.broken}
                    for name, guardrail in held.items()
                }
                for arm, held in judged.guardrails.items()
            },
            "metrics": {
                name: metric_json(name, found, experiment) for name, found in self.metrics.items()
            },
            "verdict": judged.verdict,
            "winner": judged.winner,
            "reason": judged.reason,
            "warnings": self.warnings,
            "notes": self.notes,
        }
        return {key: plain(value) for key, value in content.items()}


def choose_experiment(
    experiments: Mapping[str, Experiment], name: str | None, now: datetime
) -> str:
    """The one asked for; without a name the one that runs, or else the one that ran last.

    Raises NoExperiment, saying what to do.
    """
    if not experiments:
        raise NoExperiment(
            "no experiment is defined: add [experiments.NAME] with start and "
            "[experiments.NAME.arms.ARM] to adloom.toml"
        )
    if name is not None:
        if name not in experiments:
            raise NoExperiment(
                f"no experiment {name!r} in the settings (there are: {', '.join(experiments)})"
            )
        return name
    begun = {key: e for key, e in experiments.items() if e.start <= now} or experiments
    return max(begun, key=lambda key: begun[key].start)


def report_experiment(
    log: EventLog,
    name: str,
    experiment: Experiment,
    *,
    attribution: timedelta,
    until: datetime | None = None,
) -> ExperimentReport:
    """Reads the log and judges the experiment.

    Args:
        attribution: a click later than this after its exposure counts nothing; an exposure is
            judged from then on.
        until: as of when; none = now. A later moment says that nothing more will happen.
    """
    until = until or datetime.now(UTC)
    outcomes = experiment_outcomes(log, name, experiment, attribution=attribution, until=until)
    done = happened(log, outcomes, experiment, until=until)
    return report_outcomes(outcomes, name, experiment, until, done)


def report_outcomes(
    outcomes: Outcomes,
    name: str,
    experiment: Experiment,
    until: datetime,
    done: Happened | None = None,
    unservable: Sequence[str] = (),
) -> ExperimentReport:
    """Judges the experiment by what was read of it up to `until`.

    Args:
        done: outcomes, such as purchases; None = there were none.
        unservable: what to say of arms whose version is not registered.
    """
    done = done or Happened()
    metrics = metric_results(outcomes, done, experiment, until=until.timestamp())
    return ExperimentReport(
        name=name,
        experiment=experiment,
        judgement=with_metrics(judge(outcomes, experiment), experiment, metrics),
        policies={arm: arm_policy(outcomes.judged, n) for n, arm in enumerate(outcomes.arms)},
        versions={
            arm: [int(v) for v in np.unique(outcomes.version[outcomes.arm == n]) if v >= 0]
            for n, arm in enumerate(outcomes.arms)
        },
        users=len(np.unique(outcomes.user)),
        crossed_users=crossed_users(outcomes),
        open=int((~outcomes.closed).sum()),
        closes_at=outcomes.closes_at,
        heavy_users=heavy_users(outcomes, experiment),
        until=until,
        metrics=metrics,
        shown=shown_by_arm(outcomes),
        outcomes_seen=done.seen,
        unservable=tuple(unservable),
        impossible=outcomes.impossible,
    )


def arm_policy(outcomes: Outcomes, arm: int) -> dict[str, PolicyValue]:
    """The value of showing everybody `arm`; empty without exposures.

    The reward model of DR is the click-through rate by arm and item.
    """
    if not len(outcomes):
        return {}
    reward = outcomes.clicked.astype(np.float64)
    items = int(outcomes.item.max()) + 1
    actions = len(outcomes.arms) * items
    logged, fold = outcomes.arm * items + outcomes.item, fold_of(outcomes.user)
    model = fitted_rates(reward, logged, actions, fold)
    return policy_values(
        LoggedRewards(
            reward=reward,
            weight=(outcomes.arm == arm) / outcomes.propensity,
            model_logged=model[fold, logged],
            model_target=model[fold, arm * items + outcomes.item],
            cluster=outcomes.user,
        )
    )


def _arm_json(arm: ArmResult) -> dict[str, Any]:
    return {
        "users": arm.users,
        "effective_users": arm.effective_users,
        "impressions": arm.impressions,
        "open": arm.open,
        "clicks": arm.clicks,
        "ctr": arm.rate,
        "ctr_low": arm.interval.low,
        "ctr_high": arm.interval.high,
    } | lift_json("lift", arm.lift)


def plain(value: Any) -> Any:
    """As JSON has it: no number that is not finite, no date."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
