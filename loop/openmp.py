"""How long threads of OpenMP wait awake for one another before they sleep, unless a user said.

As they come they spin for so long that a thread which lost its core to another program holds up
all others for as long as that runs: drawing on two threads then took more than a hundred times
as long. Awake for a fraction of a millisecond, they lose nothing on a quiet machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_SPINS, _POLICY = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"
_FEW = "20000"


def wait_shortly_awake() -> None:
    """For this process and those that it starts; before anything loads OpenMP."""
    if _SPINS not in os.environ and _POLICY not in os.environ:
        os.environ[_SPINS] = _FEW


def asleep(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process whose threads are to sleep at once, unless a user said."""
    given = {n: value for n, value in variables.items() if (n, value) != (_SPINS, _FEW)}
    return {_POLICY: "PASSIVE"} | given
