"""What clicks cannot tell is tested on a few: no experiment gives `@undecided` more than that."""

from __future__ import annotations

from collections.abc import Mapping

from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.learning import GateSettings

UNDECIDED = "undecided"


def refuse_undecided_for_many(experiments: Mapping[str, Experiment], gate: GateSettings) -> None:
    """Raises ValueError where an arm would give `@undecided` more than ``gate.test_share``."""
    for name, experiment in experiments.items():
        for arm, share in experiment.shares.items():
            if experiment.arms[arm].version != UNDECIDED:
                continue
            key = f"experiments.{name}.arms.{arm}"
            if gate.undecided != "test":
                raise ValueError(f'{key}: @undecided is set with gate.undecided = "test" alone')
            if experiment.allocation != "fixed":
                raise ValueError(f"{key}: the share of @undecided stays: allocation must be fixed")
            if share > gate.test_share:
                raise ValueError(
                    f"{key}.weight: {share:.0%} of the shoppers would have @undecided, "
                    f"gate.test_share is {gate.test_share:.0%}"
                )
