"""Names of requests, ads and exposures: none twice, whoever asks at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from adloom.loop.serving.random_ids import RandomIds


def test_no_name_comes_twice_from_many_threads() -> None:
    names = RandomIds()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: names.new(), range(5_000)))
    assert len(set(made)) == len(made)
    assert {name.version for name in made} == {4}


def test_no_name_comes_from_two_of_them() -> None:
    first, second = RandomIds(), RandomIds()
    made = [names.new() for names in (first, second) for _ in range(600)]
    assert len(set(made)) == len(made)
