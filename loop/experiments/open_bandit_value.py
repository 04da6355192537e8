"""Off-policy estimates on real traffic whose truth is known: the Open Bandit Dataset.

ZOZOTOWN logged each campaign under two policies in the same week: at random, and by Bernoulli
Thompson sampling (bts). The log of the one estimates the value of the other, and the other's own
log tells what it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from adloom.loop.replay.open_bandit import Campaign, Policy, open_bandit
from adloom.loop.statistics.off_policy import (
    LoggedRewards,
    PolicyValue,
    fitted_rates,
    fold_of,
    policy_values,
)


@dataclass(frozen=True)
class OffPolicyCheck:
    """What a log says of another policy, beside what that policy earned.

    Attributes:
        estimates: by `ips`, `snips` and `dr`; clicks an impression.
        truth: the target policy's own click-through rate, with its 95 % Wilson interval.
        clicks: clicks in the log.
        effective_size: rows of the target policy's own that the weighted log is worth.
    """

    logged_by: Policy
    target: Policy
    rows: int
    clicks: int
    effective_size: float
    estimates: dict[str, PolicyValue]
    truth: PolicyValue

    def agrees(self, estimator: str) -> bool:
        """Whether the interval holds the rate that was logged."""
        estimate = self.estimates[estimator]
        return estimate.low <= self.truth.value <= estimate.high


def check_open_bandit(cache: Path, campaign: Campaign) -> list[OffPolicyCheck]:
    """Both directions; the wheel with the data is kept in `cache`.

    Raises ClickLogUnavailable.
    """
    random, bts = (open_bandit(cache, campaign, policy) for policy in ("random", "bts"))
    return [off_policy_check(random, bts), off_policy_check(bts, random)]


def off_policy_check(log: pd.DataFrame, target: pd.DataFrame) -> OffPolicyCheck:
    """Evaluate the policy of `target` on `log`.

    Args:
        log: columns ``item_id, position, click, propensity, variant`` of `open_bandit`.
        target: likewise; its clicks are used for the truth alone.
    """
    items = pd.Index(sorted(set(log["item_id"]) | set(target["item_id"])))
    action = items.get_indexer(pd.Index(log["item_id"])).astype(np.int64)
    position = log["position"].to_numpy(np.int64)
    policy = action_distribution(target, items)
    reward = log["click"].to_numpy(np.float64)
    # The data name no users: rows stand for themselves.
    row = np.arange(len(log), dtype=np.int64)
    fold = fold_of(row)
    model = fitted_rates(reward, action, len(items), fold)
    rewards = LoggedRewards(
        reward=reward,
        weight=policy[position, action] / log["propensity"].to_numpy(np.float64),
        model_logged=model[fold, action],
        model_target=(model @ policy.T)[fold, position],
        cluster=row,
    )
    return OffPolicyCheck(
        logged_by=log["variant"].iloc[0],
        target=target["variant"].iloc[0],
        rows=len(log),
        clicks=int(reward.sum()),
        effective_size=rewards.effective_size,
        estimates=policy_values(rewards),
        truth=_own_rate(target),
    )


def action_distribution(log: pd.DataFrame, items: pd.Index[Any]) -> NDArray[np.float64]:
    """The policy of a log by position: float64, shape (positions, items), rows adding up to 1.

    A policy that never changed states it in its propensities. Thompson sampling changes by the
    hour and states, of each moment, only the propensity of the item it showed. Its mean over the
    week is what counts, and the share of an item among what was shown estimates that without bias.
    (The mean of an item's propensities would not: they were seen when they were high.)
    """
    cells = pd.DataFrame(
        {
            "position": log["position"].to_numpy(),
            "item": items.get_indexer(pd.Index(log["item_id"])),
            "propensity": log["propensity"].to_numpy(),
        }
    ).groupby(["position", "item"])["propensity"]
    fixed = bool((cells.max() == cells.min()).all())
    shares = cells.first() if fixed else cells.size()
    shape = (int(log["position"].max()) + 1, len(items))
    policy = np.zeros(shape)
    position, item = (shares.index.get_level_values(name) for name in ("position", "item"))
    policy[position, item] = shares.to_numpy()
    return policy / policy.sum(axis=1, keepdims=True)


def _own_rate(log: pd.DataFrame) -> PolicyValue:
    clicks, rows = int(log["click"].sum()), len(log)
    interval = binomtest(clicks, rows).proportion_ci(0.95, method="wilson")
    return PolicyValue(clicks / rows, float(interval.low), float(interval.high))
