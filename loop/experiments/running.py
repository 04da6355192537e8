"""Experiments as the server runs them: who gets which arm, by the shares in force."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.assignment import Allocation, Assignment, assign
from adloom.loop.experiments.outcomes import experiment_outcomes
from adloom.loop.experiments.thompson import effective_counts, thompson_shares
from adloom.loop.learning.registry import CHAMPION, AdRegistry, UnknownVersion
from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.loop.settings.experiments import Arm, Experiment

_log = logging.getLogger("adloom.experiments")


class RunningExperiments:
    """Deals users into the arms of the experiment that runs, if one does.

    Call `refresh` now and then: it is what moves the shares of a Thompson sampling experiment.
    Safe to use from several threads.
    """

    def __init__(
        self, experiments: Mapping[str, Experiment], log: EventLog, attribution: timedelta
    ) -> None:
        self._experiments = experiments
        self._by_turn = sorted(experiments.items(), key=lambda named: named[1].holdout is None)
        self._log = log
        self._attribution = attribution
        self._allocations = {
            name: Allocation(experiment.shares) for name, experiment in experiments.items()
        }

    def assign(self, user_id: str, now: datetime) -> Assignment | None:
        """The user's arm; None while no experiment runs.

        Whoever is held out takes part in nothing else; the others are in the experiment that
        runs beside the holdout, or in the holdout's other arm while none does.
        """
        rest = None
        for name, experiment in self._by_turn:
            if experiment.assigned_by == "caller" or not experiment.runs_at(now):
                continue
            salt = experiment.salt or name
            dealt = assign(name, salt, user_id, self._allocations[name])
            if experiment.holdout in (None, dealt.variant):
                return dealt
            rest = dealt
        return rest

    def assigned(
        self, name: str, variant: str, propensity: float | None, now: datetime
    ) -> Assignment:
        """What a caller assigned; without a propensity it is the arm's share by the weights.

        Raises NotAssignable.
        """
        experiment = self._experiments.get(name)
        if experiment is None:
            told = ", ".join(self._experiments) or "none"
            raise NotAssignable("experiment", f"the settings have no such experiment (but: {told})")
        if experiment.assigned_by != "caller":
            told = f'adloom assigns it: set experiments.{name}.assigned_by = "caller"'
            raise NotAssignable("experiment", told)
        if not experiment.runs_at(now):
            raise NotAssignable("experiment", "it does not run now: see its start and end")
        if variant not in experiment.arms:
            told = f"it has no such arm (but: {', '.join(experiment.arms)})"
            raise NotAssignable("variant", told)
        share = experiment.shares[variant] if propensity is None else propensity
        return Assignment(name, variant, Allocation({variant: share}), by="caller")

    def arm(self, assignment: Assignment) -> Arm:
        """What the arm of an assignment serves."""
        return self._experiments[assignment.experiment].arms[assignment.variant]

    def refresh(self, now: datetime) -> None:
        """Gives a running Thompson sampling experiment its next shares when they are due."""
        for name, experiment in self._experiments.items():
            if experiment.allocation != "thompson" or not experiment.runs_at(now):
                continue
            refresh = timedelta(minutes=experiment.refresh_minutes)
            batch = (now - experiment.start) // refresh
            if batch != self._allocations[name].batch:
                until = experiment.start + batch * refresh
                shares = self._next_shares(name, experiment, until)
                self._allocations[name] = Allocation(shares, batch)
                _log.info("%s: shares are now %s", name, shares)

    def _next_shares(self, name: str, experiment: Experiment, until: datetime) -> dict[str, float]:
        """The same for every server and after a restart: only what happened before counts.

        And of that only closed windows: shares follow the clicks one attribution window later.
        """
        outcomes = experiment_outcomes(
            self._log, name, experiment, attribution=self._attribution, until=until
        )
        counts = effective_counts(outcomes, experiment)
        return thompson_shares(outcomes.arms, counts, explore=experiment.explore)


class NotAssignable(ValueError):
    """A caller's assignment that cannot be taken; ``field`` is what is wrong in it."""

    def __init__(self, field: str, told: str) -> None:
        super().__init__(told)
        self.field = field


class UnservableArm(ValueError):
    """An arm names a version that is not registered; the message names the key."""


def unservable_arms(
    name: str, experiment: Experiment, registry: AdRegistry, now: datetime
) -> list[str]:
    """A sentence for each arm whose version or alias is not registered, by the key of its setting.

    None is told of an experiment that is over, and while the registry cannot be asked.
    """
    if experiment.end is not None and experiment.end <= now:
        return []
    told = []
    for arm_name, arm in experiment.arms.items():
        try:
            if arm.version != CHAMPION:
                _find(registry, arm.version, f"experiments.{name}.arms.{arm_name}.version")
        except UnservableArm as error:
            told.append(f"{error}; a server starts only where it served this before")
    return told


def versions_of_arms(
    experiments: Mapping[str, Experiment],
    registry: AdRegistry,
    now: datetime,
    remembered: Collection[int | str] = (),
) -> set[int | str]:
    """Numbers and aliases that arms serve, of experiments that are not over.

    Those that were ``remembered`` were served before, and need not be registered any more; while
    the registry cannot be asked none need be.

    Raises UnservableArm.
    """
    wanted: set[int | str] = set()
    for name, experiment in experiments.items():
        if experiment.end is not None and experiment.end <= now:
            continue
        for arm_name, arm in experiment.arms.items():
            if arm.version not in (*remembered, CHAMPION):
                _find(registry, arm.version, f"experiments.{name}.arms.{arm_name}.version")
            wanted.add(arm.version)
    return wanted


def _find(registry: AdRegistry, version: int | str, key: str) -> None:
    try:
        registry.find(version)
    except UnknownVersion as error:
        raise UnservableArm(f"{key}: {error}") from error
    except (RegistryUnavailable, RegistryRefused):
        pass  # whoever serves tells it, and goes on without
