"""The tree of shelves, and products found on them and by words, whatever a catalogue's size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert

from adloom.loop.catalogue.browsing.finding import find
from adloom.loop.catalogue.browsing.shelves import shelves
from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry, to_row
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.tables import products
from adloom.loop.settings.database import DatabaseSettings

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def catalogue(tmp_path: Path, database: DatabaseSettings) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path, None, database)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """On SQLite, for what is looked at again and again."""
    opened = open_catalogue(tmp_path_factory.mktemp("shelves"))
    yield opened
    opened.close()


def stock(catalogue: Catalogue, *told: tuple[str, str], retired: bool = False) -> None:
    """Products of these ids, each on its shelf, and no others."""
    rows = [
        to_row(Entry(Product(name, f"Name of {name}", path, retired=retired), ""), NOW, 1)
        for name, path in told
    ]
    with catalogue.engine.begin() as connection:
        connection.execute(products.delete())
        if rows:
            connection.execute(insert(products), rows)


def level(catalogue: Catalogue, under: str = "") -> list[tuple[str, str, bool]]:
    return [(one.path, one.name, one.opens) for one in shelves(catalogue.engine, under=under)]


def test_a_level_has_the_shelves_that_lie_directly_under_one(catalogue: Catalogue) -> None:
    paths = (
        "Home",
        "Home & Garden > Pots",
        "Home > Kitchen",
        "Home > Kitchen > Mugs",
        "",
        "日用品 > 茶",
    )
    stock(catalogue, *((f"p{n}", path) for n, path in enumerate(paths)))
    assert level(catalogue) == [
        ("Home", "Home", True),
        ("Home & Garden", "Home & Garden", True),
        ("日用品", "日用品", True),
    ]
    assert level(catalogue, "Home") == [("Home > Kitchen", "Kitchen", True)]
    assert level(catalogue, "Home > Kitchen") == [("Home > Kitchen > Mugs", "Mugs", False)]
    assert level(catalogue, "日用品") == [("日用品 > 茶", "茶", False)]
    assert level(catalogue, "Home & Gar") == []


def test_a_shelf_where_nothing_is_sold_any_more_is_not_told(catalogue: Catalogue) -> None:
    stock(catalogue, ("mug", "Home"), retired=True)
    assert level(catalogue) == []


NAMES = st.sampled_from(("a", "a &", "a b", "b", "é", "茶"))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(" > ".join)


@settings(max_examples=60, deadline=None)
@given(paths=st.lists(PATHS, max_size=12), limit=st.integers(1, 4))
def test_every_level_is_told_once_however_it_is_cut(
    own: Catalogue, paths: list[str], limit: int
) -> None:
    stock(own, *((f"p{n}", path) for n, path in enumerate(paths)))
    parts = [path.split(" > ") for path in paths]
    for under in {" > ".join(part[:depth]) for part in parts for depth in range(len(part) + 1)}:
        begin = under.split(" > ") if under else []
        inside = [part for part in parts if len(part) > len(begin) and part[: len(begin)] == begin]
        there = {" > ".join(part[: len(begin) + 1]) for part in inside}
        deeper = [part for part in inside if len(part) > len(begin) + 1]
        opening = {" > ".join(part[: len(begin) + 1]) for part in deeper}
        told, after = [], ""
        while some := shelves(own.engine, under=under, after=after, limit=limit):
            told += some
            after = some[-1].path
            assert len(told) <= len(there)
        assert sorted(one.path for one in told) == sorted(there)
        assert {one.path for one in told if one.opens} == opening


def walked(catalogue: Catalogue, **asked: Any) -> Iterator[list[str]]:
    """The ids of every page, to the end."""
    after, more = "", True
    while more:
        page = find(catalogue, after=after, **asked)
        yield [entry.product.product_id for entry in page.entries]
        after, more = page.reached, page.more


def test_a_shelf_is_walked_through_in_pages_with_all_that_lies_in_it(catalogue: Catalogue) -> None:
    kitchen, bath = "Home > Kitchen > Mugs", "Home > Bath"
    paths = itertools.cycle(("Home", "Home & Garden", kitchen, bath, "Toys"))
    told = [(f"p{n:02}", path) for n, path in zip(range(40), paths, strict=False)]
    stock(catalogue, *told)
    pages = list(walked(catalogue, shelf="Home", limit=3))
    assert [len(page) for page in pages] == [3] * 8
    found = [one for page in pages for one in page]
    assert found[:8] == [name for name, path in told if path == "Home"]
    assert sorted(found) == [name for name, path in told if path.partition(" > ")[0] == "Home"]
    assert list(walked(catalogue, shelf="Home", search="P06", limit=3)) == [[]]
    assert list(walked(catalogue, shelf=bath, search="P08", limit=3)) == [["p08"]]


def test_a_search_stops_after_a_while_and_goes_on_where_it_was(catalogue: Catalogue) -> None:
    told = [(f"p{n:03}", "Home > Mugs" if n % 2 else "Toys") for n in range(300)]
    stock(catalogue, *told, ("p2", "Toys"))
    whole = list(walked(catalogue, search="p2", at_once=50, seconds=0.0))
    assert whole[0] == ["p2"]  # whose id it is comes before all others
    assert [len(page) for page in whole] == [1, 0, 0, 0, 49, 50, 1]
    found = [one for page in whole for one in page]
    assert found == ["p2", *(f"p{n}" for n in range(200, 300))]
    on_mugs = list(walked(catalogue, search="p29", shelf="Home", at_once=50, seconds=0.0))
    assert [one for page in on_mugs for one in page] == [f"p29{n}" for n in (1, 3, 5, 7, 9)]
    assert len(on_mugs) == 4


@dataclass
class Asked:
    """The statements of a database, and how it goes about them."""

    plans: list[str] = field(default_factory=list)


@contextmanager
def watched(catalogue: Catalogue) -> Iterator[Asked]:
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    found = Asked()
    event.listen(catalogue.engine, "before_cursor_execute", note)
    yield found
    event.remove(catalogue.engine, "before_cursor_execute", note)
    with catalogue.engine.connect() as connection:
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.plans.append("; ".join(row.detail for row in rows))


def test_what_a_step_costs_does_not_hang_on_how_much_there_is(own: Catalogue) -> None:
    counts = []
    for many in (2, 400):
        stock(own, *((f"{shelf}{n}", f"{shelf} > x{n}") for n in range(many) for shelf in "abc"))
        with watched(own) as asked:
            assert len(shelves(own.engine)) == 3
            find(own, limit=2)
            find(own, shelf="b", limit=2)
            find(own, shelf="b", after="b0", limit=2)
            find(own, search="b1", at_once=2, seconds=0.0)
        counts.append(len(asked.plans))
        for plan in asked.plans:
            assert plan.startswith(("SEARCH product USING", "SCAN product USING INDEX")), plan
            assert "TEMP B-TREE" not in plan, plan
    assert counts[0] == counts[1]


@contextmanager
def work(catalogue: Catalogue) -> Iterator[list[int]]:
    """An entry for each 20 steps that SQLite takes."""
    steps: list[int] = []

    def watch(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(lambda: steps.append(1), 20)

    event.listen(catalogue.engine, "checkout", watch)
    yield steps
    event.remove(catalogue.engine, "checkout", watch)


def test_nor_does_the_work_within_the_database(own: Catalogue) -> None:
    taken = []
    for many in (10, 2_000):
        stock(own, *((f"{shelf}{n}", f"{shelf} > x{n}") for n in range(many) for shelf in "abc"))
        with work(own) as steps:
            shelves(own.engine)
            shelves(own.engine, under="b", limit=5)
            find(own, shelf="b", limit=5)
            find(own, shelf="c", after=f"c{many - 1}", limit=5)
        taken.append(len(steps))
    few, many_more = taken
    assert few > 0
    assert many_more < 2 * few
