"""`adloom demo`: the whole loop on the demo shop, with simulated shoppers as the only fiction.

The simulator is a source of events and nothing else: its tastes never reach the loop. Shoppers
are dealt into two arms, the champion and the base that never learns, so that what learning is
worth can be read off the clicks.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from rich.console import Console

from adloom.loop.demo import business as demo_shop
from adloom.loop.demo.before_after import draw_pairs
from adloom.loop.demo.ideal import IdealReader
from adloom.loop.demo.kept import ADS, REPORT, SETTINGS, SHOWCASE, SUMMARY, KeptRun, under_way
from adloom.loop.demo.parts import (
    ATTRIBUTION,
    EXPERIMENT,
    DemoLoop,
    DemoPlan,
    EventsLost,
    demo_settings,
    write_settings,
)
from adloom.loop.demo.progress import Steps
from adloom.loop.demo.report.content import report_of
from adloom.loop.demo.report.page import RunReport, write_report
from adloom.loop.demo.report.showcase import save_showcase
from adloom.loop.demo.report.stories import AdsSeen
from adloom.loop.demo.run import DemoRun
from adloom.loop.demo.visits import draw_round, serve_round, show_round
from adloom.loop.experiments.report import report_experiment
from adloom.loop.learning.rounds.kept import RoundOutcome, outcomes
from adloom.loop.learning.rounds.train import train_round
from adloom.loop.settings import Settings
from adloom.loop.settings.private import as_the_user_shares

__all__ = ["run_demo", "serve_round"]

_REPORT = "the report"
_TELLING = ": draw", ": show", ": learn"
"""After these stages there is something new to report."""
Stage = tuple[str, Callable[[], None]]


def run_demo(settings: Settings, plan: DemoPlan, out: Path, console: Console) -> DemoRun:
    """Run the loop, or go on with a run that was cut off.

    Writes ``summary.json``, ``report.html``, ``showcase.png``, ``ads/*.png`` and ``adloom.toml``
    (the settings to go on with). The report is written as soon as there are ads, and anew as the
    run goes on.

    Raises:
        EventsLost: produced and consumed events do not add up.
        EarlierDemo: another process runs the demo of this folder.
    """
    with as_the_user_shares():
        (out / ADS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as parts:
        parts.enter_context(under_way(out))
        return _Demo(settings, plan, out, parts, console).run()


class _Demo:
    """A run in this process: its stages, one after the other."""

    def __init__(
        self, settings: Settings, plan: DemoPlan, out: Path, parts: ExitStack, console: Console
    ) -> None:
        self._began = time.monotonic()
        self._out = out
        self._kept = KeptRun(out)
        self._run = self._kept.begun(plan)
        self._before = dict(self._run.seconds_by_step), self._run.seconds
        self._settings = demo_settings(settings, self._run.started, plan)
        write_settings(self._settings, out / SETTINGS)
        self._steps = parts.enter_context(Steps(console))
        if self._run.done:
            console.print(f"Going on after: {self._run.done[-1]}", soft_wrap=True)
        with self._steps.step("Starting broker, stores, registry and generator"):
            self._loop = DemoLoop(self._settings, plan, parts)
        self._seen = AdsSeen(self._loop)
        self._to_come: list[str] = []
        self._come_back()

    def run(self) -> DemoRun:
        """Run the stages that are left."""
        run, rounds = self._run, self._run.plan.rounds
        stages: list[Stage] = [
            ("stock", partial(demo_shop.stock, self._loop, self._steps)),
            ("warm up", partial(demo_shop.warm_up, self._loop, run, self._steps)),
        ]
        for number in range(1, rounds + 2):
            stages += self._of_round(number, learns=number <= rounds)
        stages.append(("what learning changed", partial(draw_pairs, self._loop, run, self._steps)))
        self._to_come = [name for name, _ in stages if name not in run.done]
        for name, work in stages:
            if name not in run.done:
                self._do(name, work)
        self._account()
        self._finish()
        return run

    def _of_round(self, number: int, *, learns: bool) -> list[Stage]:
        loop, run, steps = self._loop, self._run, self._steps
        names = (f"round {number}: {what}" for what in ("the shop", "draw", "show", "learn"))
        shop, draw, show, learn = names
        stages: list[Stage] = [
            (shop, lambda: demo_shop.browse(loop, number, steps, run.moment(shop))),
            (draw, lambda: draw_round(loop, run, number, steps)),
            (show, lambda: self._show(number, run.moment(show))),
        ]
        return [*stages, (learn, lambda: self._learn(number))] if learns else stages

    @cached_property
    def _ideal(self) -> IdealReader:
        loop = self._loop
        return IdealReader(loop.crowd, loop.perception, demo_shop.first_ads(loop), loop.fashion)

    def _show(self, number: int, at: datetime) -> None:
        show_round(self._loop, self._run, number, at, self._out, self._steps, self._ideal)

    def _do(self, name: str, work: Callable[[], None]) -> None:
        """Do a stage, and keep that it is done."""
        run, loop = self._run, self._loop
        run.moment(name)
        self._kept.keep(run)
        work()
        loop.drain()
        produced, counts = loop.since_last_asked()
        run.produced += produced
        run.consumed += counts.consumed
        run.dead_letters = dict(Counter(run.dead_letters) + Counter(counts.dead_letters))
        run.features_written += counts.features_written
        run.browsed_until = loop.browsed_until
        run.done.append(name)
        self._to_come.remove(name)
        self._note_time()
        self._kept.keep(run)
        if (run.drawn or run.shown) and name.endswith(_TELLING):
            self._report(self._to_come or [_REPORT])

    def _come_back(self) -> None:
        """What the shop shows and who has looked at it, as it was when the run was cut off."""
        run, loop = self._run, self._loop
        if "warm up" in run.done:
            loop.shop_ads = demo_shop.first_ads(loop)
        for number in range(1, run.plan.rounds + 2):
            if f"round {number}: the shop" in run.done:
                new = demo_shop.new_ads(loop, number)
                loop.shop_ads = demo_shop.shown_after(loop, loop.shop_ads, new)
        if run.browsed_until is not None:
            loop.browsed_until = run.browsed_until

    def _learn(self, number: int) -> None:
        """Fine-tune on the clicks so far; what passes the gate is promoted and serves next."""
        loop = self._loop
        _wait_until_answered(self._run)
        outcome = self._outcome(number)
        self._run.outcomes.append(outcome)
        if outcome.passed:
            loop.registry.promote(outcome.version)
            loop.champion.follow()

    def _outcome(self, number: int) -> RoundOutcome:
        """Of a round, which may have ended before the run was cut off."""
        loop = self._loop
        for outcome in outcomes(loop.ground.folder):
            if outcome.number == number:
                return outcome
        total = loop.ground.fine_tune.most_steps
        label = f"Round {number}: LoRA learns from the clicks"
        with self._steps.step(label, total=total) as advance:
            outcome = train_round(
                loop.ground,
                force=True,
                on_step=lambda _, loss: advance(1, f"loss {loss:.2f}"),
                on_part=lambda part: advance(0, part),
            )
        for part, seconds in outcome.seconds_by_part.items():
            self._run.seconds_by_step[f"{label}: {part}"] = seconds
        return outcome

    def _account(self) -> None:
        run = self._run
        accounted = run.consumed + sum(run.dead_letters.values())
        if accounted != run.produced:
            raise EventsLost(f"{run.produced} events produced, {accounted} accounted for")

    def _finish(self) -> None:
        run, loop, out = self._run, self._loop, self._out
        run.experiment = report_experiment(
            loop.features.log,
            EXPERIMENT,
            self._settings.experiments[EXPERIMENT],
            attribution=ATTRIBUTION,
            until=datetime.now(UTC) + ATTRIBUTION,  # its shoppers click at once, or never
        )
        with self._steps.step("Writing the report"):
            self._note_time()
            report = self._report([])
            with as_the_user_shares():
                save_showcase(report.stories, out / SHOWCASE)
        self._note_time()
        self._kept.keep(run)
        with as_the_user_shares():
            (out / SUMMARY).write_text(json.dumps(run.summary(), indent=2) + "\n")

    def _report(self, to_come: Sequence[str]) -> RunReport:
        report = report_of(self._run, self._loop, self._out, self._seen, to_come)
        with as_the_user_shares():
            write_report(report, self._out / REPORT)
        return report

    def _note_time(self) -> None:
        """What this process took comes on top of what those before it did."""
        earlier, seconds = self._before
        for name, took in self._steps.seconds.items():
            self._run.seconds_by_step[name] = earlier.get(name, 0.0) + took
        self._run.seconds = seconds + time.monotonic() - self._began


def _wait_until_answered(run: DemoRun) -> None:
    """A round learns what was left, too: from when nobody will click any more."""
    newest = max((one.exposure.ts for one in run.shown), default=run.started)
    left = (newest + ATTRIBUTION - datetime.now(UTC)).total_seconds()
    time.sleep(max(0.0, left))
