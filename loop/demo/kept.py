"""Where a demo run stands, kept beside what it made: one that was cut off goes on from there.

A stage is done or it is not: one that was cut off is run again as of the moment that it first
began. Its events and ads have the names that they had, so what it did before counts once.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from adloom.loop.demo.parts import DemoPlan
from adloom.loop.demo.run import DemoRun

HOME, REPORT, SHOWCASE, SUMMARY, SETTINGS = (
    "home",
    "report.html",
    "showcase.png",
    "summary.json",
    "adloom.toml",
)
ADS = "ads"
_RUN = "demo.json"
_LOCK = "demo.lock"
_ANEW = "choose another --out, or begin it anew with --fresh"


class EarlierDemo(RuntimeError):
    """The folder holds a demo that this run neither is nor goes on with."""


class KeptRun:
    """The run in the home of a demo."""

    def __init__(self, out: Path) -> None:
        self._file = out / HOME / _RUN

    def begun(self, plan: DemoPlan) -> DemoRun:
        """The run that was cut off, or a new one."""
        if self._file.exists():
            return DemoRun.model_validate_json(self._file.read_bytes())
        return DemoRun(plan=plan, drift_from=plan.drift_from if plan.drifts else None)

    def keep(self, run: DemoRun) -> None:
        """A kill leaves what was kept before, or this, whole."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(".partial")
        partial.write_text(run.model_dump_json())
        partial.replace(self._file)


def refuse_earlier(out: Path, plan: DemoPlan) -> None:
    """Tell before any work what this run cannot go on with.

    Raises:
        EarlierDemo: a demo that is over lies there, one with another plan, or none that can be
            read.
    """
    if not (out / HOME).exists():
        return
    try:
        run = DemoRun.model_validate_json((out / HOME / _RUN).read_bytes())
    except (FileNotFoundError, ValidationError):
        raise EarlierDemo(f"{out} holds an earlier demo: {_ANEW}") from None
    if (out / SUMMARY).exists():
        raise EarlierDemo(f"{out} holds an earlier demo, which is over: {_ANEW}")
    if run.plan != plan:
        raise EarlierDemo(
            f"{out} holds an earlier demo that was cut off, of --rounds {run.plan.rounds} --seed "
            f"{run.plan.seed}: with these it goes on; {_ANEW}"
        )


def clear(out: Path) -> None:
    """Remove an earlier demo, and nothing else that lies in the folder.

    Raises:
        EarlierDemo: what lies there is not a demo's.
    """
    if not (out / HOME).exists():
        return
    if not any((out / HOME / name).exists() for name in (_RUN, _LOCK)):
        raise EarlierDemo(f"{out / HOME} is no demo's that can be told: remove it yourself")
    with under_way(out):
        for name in (ADS, HOME):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in (REPORT, SHOWCASE, SUMMARY, SETTINGS):
            (out / name).unlink(missing_ok=True)


@contextmanager
def under_way(out: Path) -> Iterator[None]:
    """One process at a time runs the demo of a folder.

    Raises:
        EarlierDemo: another one does.
    """
    (out / HOME).mkdir(parents=True, exist_ok=True)
    with (out / HOME / _LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EarlierDemo(f"another process runs the demo of {out}: wait for its end") from None
        yield
