"""Parts are looked at side by side; one that hangs or breaks is told, and holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from adloom.loop.commands.errors import in_one_line
from adloom.loop.doctor.clocks import Clock
from adloom.loop.doctor.examine import examine
from adloom.loop.doctor.finding import Check, Finding


def test_one_that_never_answers_is_told_and_what_it_found_before_too() -> None:
    never = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield Finding("broker", "3 brokers")
        never.wait()

    def well() -> Iterator[Finding]:
        yield Finding("home", "here")

    checks = [
        Check("topics", "kafka:9092", "kafka.bootstrap_servers", hangs),
        Check("home", "here", "home", well),
    ]
    first, hung, other = examine(checks, in_one_line, seconds=0.2)
    never.set()
    assert first == Finding("broker", "3 brokers")
    assert (hung.part, hung.looked_at, hung.state) == ("topics", "kafka:9092", "wrong")
    assert hung.told.startswith("no answer within 0.2 s")
    assert "bootstrap_servers" in hung.told
    assert other == Finding("home", "here")


def test_they_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=20)

    def meets() -> Iterator[Finding]:
        together.wait()
        yield Finding("part", "met")

    checks = [Check(f"part {n}", "", "", meets) for n in range(3)]
    assert [finding.looked_at for finding in examine(checks, in_one_line)] == ["met"] * 3


def test_what_a_look_raises_is_told_in_one_line() -> None:
    def breaks() -> Iterator[Finding]:
        raise OSError("two\nlines")
        yield

    [finding] = examine([Check("log", "s3://b", "log.url", breaks)], in_one_line)
    assert finding == Finding("log", "s3://b", "wrong", "OSError: two lines; see log.url")


def test_clocks_are_held_against_the_moments_around_the_question() -> None:
    ours = iter([1000.0, 1001.0])
    clock = Clock(lambda: next(ours))
    assert clock.hold(lambda: ("answer", 1000.5)) == "answer"
    assert (clock.told, clock.wrong, clock.notes) == ("its clock as ours", [], [])
    for theirs, told, wrong, notes in (
        (1011.0, "its clock 10.0 s ahead", 0, 1),
        (900.0, "its clock 100.0 s behind", 1, 0),
    ):
        ours = iter([1000.0, 1001.0])
        clock = Clock(lambda ours=ours: next(ours))  # type: ignore[misc]
        clock.hold(lambda theirs=theirs: (None, theirs))  # type: ignore[misc]
        assert clock.told == told
        assert (len(clock.wrong), len(clock.notes)) == (wrong, notes)


def test_a_clock_that_tells_whole_seconds_is_not_behind_for_it() -> None:
    clock = Clock(lambda: 1000.9)
    clock.hold(lambda: (None, 1000.0), grain=1.0)
    assert clock.told == "its clock as ours"
