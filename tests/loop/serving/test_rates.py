"""Who asks too often waits, as long as it takes and no longer."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from limits import parse

from adloom.loop.serving.http.rates import Rate


@given(
    asked=st.lists(st.tuples(st.floats(0, 40), st.sampled_from(("ann", "bob"))), max_size=60),
    most=st.integers(1, 4),
)
def test_so_many_are_let_in_in_any_window(asked: list[tuple[float, str]], most: int) -> None:
    now = 0.0
    rate = Rate(parse(f"{most}/minute"), lambda: now)
    let_in: dict[str, list[float]] = {"ann": [], "bob": []}
    for after, who in asked:
        now += after
        last = [at for at in let_in[who] if at > now - 60]
        wait = rate.wait(who)
        assert (wait == 0) == (len(last) < most)
        if wait == 0:
            let_in[who].append(now)
        else:
            assert wait == last[0] + 60 - now


def test_who_comes_back_after_the_wait_is_let_in() -> None:
    now = 0.0
    rate = Rate(parse("2/minute"), lambda: now)
    assert [rate.wait("ann") for _ in range(2)] == [0, 0]
    now += 10
    now += rate.wait("ann")
    assert rate.wait("ann") == 0


def test_those_who_come_no_more_are_forgotten() -> None:
    now = 0.0
    rate = Rate(parse("5/minute"), lambda: now)
    for number in range(1_000):
        now += 1
        assert rate.wait(f"visitor {number}") == 0
        assert len(rate) <= 61


def test_counting_starts_no_thread() -> None:
    rate, before = Rate(parse("5/minute")), threading.active_count()
    assert rate.wait("ann") == 0
    assert threading.active_count() == before
