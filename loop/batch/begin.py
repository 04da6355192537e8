"""What a batch needs is looked at before the model is loaded; what was begun is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from adloom.loop import home
from adloom.loop.batch.ids import read_ids
from adloom.loop.batch.order import new_order
from adloom.loop.batch.output import Output
from adloom.loop.batch.plan import Once, Pair, Plan, write_plan
from adloom.loop.batch.products import SoldProducts
from adloom.loop.learning.registry import CHAMPION, UnknownVersion
from adloom.loop.settings import Settings

_BASE = 1  # the number that the base gets in a registry that is new


@dataclass(frozen=True)
class Asked:
    """A batch as it is asked for.

    Attributes:
        files: by option: `users` and `products`, or `pairs`.
        version: None: what is champion.
        part_rows: None: as it was begun, or 1,000.
    """

    files: Mapping[str, Path]
    version: int | None
    exposures: bool
    part_rows: int | None


@dataclass(frozen=True)
class Begun:
    """A batch that can be drawn.

    Attributes:
        left: its parts that are not done.
        again: rows that named a user, or a pair, once more, where that was counted now.
    """

    plan: Plan
    left: list[int]
    again: int = 0

    @property
    def ads_done(self) -> int:
        """How many ads are written."""
        return self.plan.ads - sum(map(self.plan.ads_of, self.left))


def begin(
    settings: Settings,
    output: Output,
    asked: Asked,
    on_pairs: Callable[[int], None] = lambda pairs: None,
) -> Begun:
    """Plan a batch, or go on with the one that is in its folder.

    Raises UnfitInput, UnfitOutput, OtherBatch, UnknownVersion; RegistryUnavailable,
    RegistryRefused, UnfitVersion; DatabaseUnusable, PicturesAway; OSError.
    """
    order = new_order(
        asked.files,
        _version(settings, asked.version),
        settings.generator,
        exposures=asked.exposures,
        part_rows=asked.part_rows,
    )
    again = 0
    with closing(home.open_catalogue(settings)) as catalogue:
        sold = SoldProducts(catalogue)
        if not output.begun:
            once = Once()
            pairs = _counted(_pairs(asked.files, sold, once), on_pairs)
            write_plan(output.plan_file, order, pairs)
            again = once.again
        plan = Plan(output.plan_file)
        plan.order.refuse_other(order, asked.part_rows)
        left = output.left(plan)
        for part in left:  # of one that was begun, some may be retired by now
            sold.look(product for _, product in plan.pairs(part))
        sold.refuse(begun=True)
    return Begun(plan, left, again)


def _version(settings: Settings, number: int | None) -> tuple[int, str]:
    """The version that draws, and its name in events; its adapter is fetched."""
    registry = home.open_registry(settings)
    try:
        found = registry.find(CHAMPION if number is None else number)
    except UnknownVersion:
        if number in (None, _BASE) and not registry.versions():
            return _BASE, CHAMPION  # it is registered once it is loaded
        raise
    registry.adapter(found)
    return found.number, CHAMPION if number is None else f"version-{number}"


def _pairs(files: Mapping[str, Path], sold: SoldProducts, once: Once) -> Iterator[Pair]:
    if "pairs" in files:
        rows = read_ids(files["pairs"], ("user_id", "product_id"))
        yield from sold.of_pairs(cast(Iterator[Pair], once.of(rows)))
        return
    products = list(dict.fromkeys(name for (name,) in read_ids(files["products"], ("product_id",))))
    sold.look(products)
    sold.refuse()
    for (user,) in once.of(read_ids(files["users"], ("user_id",))):
        for product in products:
            yield user, product


def _counted(pairs: Iterator[Pair], on_pairs: Callable[[int], None]) -> Iterator[Pair]:
    for number, pair in enumerate(pairs, start=1):
        yield pair
        if number % 10_000 == 0:
            on_pairs(number)
