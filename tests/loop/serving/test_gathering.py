"""Questions that wait together are answered together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from adloom.loop.serving.http.gathering import Gathered
from adloom.loop.serving.http.pools import NoRoom


class Doubling:
    """Doubles numbers, once it may; odd ones above 100 fail alone, and 1000 fails all."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = threading.Event()
        self.may.set()

    def __call__(self, asked: Sequence[int]) -> list[int | Exception]:
        assert self.may.wait(10)
        self.batches.append(list(asked))
        if 1000 in asked:
            raise OSError("the store is away")
        return [ValueError(f"{n} is odd") if n > 100 and n % 2 else 2 * n for n in asked]


def gathered(doubling: Doubling, **limits: int) -> Gathered[int, int]:
    return Gathered("doubles", doubling, **{"most": 4, "waiting": 8, **limits})


def test_what_comes_meanwhile_is_answered_together_and_each_gets_its_own() -> None:
    doubling = Doubling()

    async def ask() -> list[int]:
        questions = gathered(doubling)
        doubling.may.clear()
        first = questions.put(1)
        await asyncio.sleep(0.05)  # it is under way
        others = [questions.put(n) for n in range(2, 8)]
        doubling.may.set()
        return [await one for one in (first, *others)]

    assert asyncio.run(ask()) == [2 * n for n in range(1, 8)]
    assert doubling.batches == [[1], [2, 3, 4, 5], [6, 7]]


def test_one_that_fails_fails_alone_and_a_store_that_is_away_fails_those_of_its_batch() -> None:
    doubling = Doubling()

    async def ask(*numbers: int) -> list[int | BaseException]:
        questions = gathered(doubling)
        return await asyncio.gather(*map(questions.ask, numbers), return_exceptions=True)

    good, odd = asyncio.run(ask(2, 101))
    assert (good, str(odd)) == (4, "101 is odd")
    assert [str(each) for each in asyncio.run(ask(2, 1000))] == ["the store is away"] * 2
    assert asyncio.run(ask(3)) == [6]


def test_no_more_may_wait_than_there_is_room_for() -> None:
    doubling = Doubling()

    async def ask() -> None:
        questions = gathered(doubling, waiting=2)
        kept = [questions.put(n) for n in range(2)]
        with pytest.raises(NoRoom, match="2 requests wait already: doubles"):
            questions.put(2)
        await asyncio.gather(*kept)
        assert await questions.ask(5) == 10

    asyncio.run(ask())


def test_whoever_hangs_up_holds_nobody_up() -> None:
    doubling = Doubling()

    async def ask() -> int:
        questions = gathered(doubling)
        doubling.may.clear()
        gone, stays = questions.put(1), questions.put(2)
        gone.cancel()
        doubling.may.set()
        return await stays

    assert asyncio.run(ask()) == 4
