"""Whether an ad may be shown, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from adloom.loop.catalogue.creatives.fingerprint import Fingerprint, difference, fingerprint
from adloom.loop.catalogue.creatives.store import State
from adloom.loop.catalogue.product import Product
from adloom.loop.inspection.picture import standing_of
from adloom.loop.settings.review import ReviewSettings
from adloom.models.titles.check import check_title
from adloom.models.titles.rules import TitleRules

Fault = Literal["cut", "hidden", "contrast", "title", "duplicate"]


@dataclass(frozen=True)
class Objection:
    """What is wrong with an ad, in words that people read who decide about it."""

    fault: Fault
    told: str


@dataclass(frozen=True)
class Said:
    """The title of an ad, with what it is held against.

    Attributes:
        name: what the title calls its product; "" where one of ``words`` is enough.
        words: selling points of the product.
        own_words: it is made of the product's own texts, by no model.
    """

    title: str
    name: str
    words: Sequence[str]
    own_words: bool = False


@dataclass(frozen=True)
class Verdict:
    """The state that an ad begins with, and what inspection found; nothing is as it should be."""

    state: State
    objections: tuple[Objection, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """In words, one an objection."""
        return tuple(one.told for one in self.objections)

    @property
    def another_may_pass(self) -> bool:
        """Whether an ad that is drawn anew may be better: the product's place will be the same."""
        return bool(self.objections) and all(one.fault != "cut" for one in self.objections)


def inspect(
    picture: Image.Image,
    product: Product,
    said: Said,
    rules: TitleRules,
    banned: Fingerprint,
    settings: ReviewSettings,
) -> Verdict:
    """Look at a finished ad: some milliseconds, by no model.

    A product without a cutout is shown as its shop shows it, so of its picture nothing is said.

    Args:
        picture: square, RGB, with the product on it.
        product: with its cutout at hand.
        rules: those of the product's titles now.
        banned: what banned ads of the product look like, shape (n, 256, 3).
    """
    found = list(_of_picture(picture, product, banned, settings)) if product.cutout_name else []
    against = _against(said, rules)
    if against is not None:
        found.append(Objection("title", f"the title {against}"))
    state: State = "draft" if found or settings.required else "approved"
    return Verdict(state, tuple(found))


def _against(said: Said, rules: TitleRules) -> str | None:
    """Why the title may not be shown: of the shop's own words only what is banned matters."""
    if not said.own_words:
        return check_title(said.title, said.name, rules, words=said.words)
    return rules.objection(said.title, said.name) if said.title.strip() else "is empty"


def _of_picture(
    picture: Image.Image, product: Product, banned: Fingerprint, settings: ReviewSettings
) -> list[Objection]:
    found: list[Objection] = []
    standing = standing_of(picture, product.cutout(), product.placement)
    if standing.cut:
        found.append(Objection("cut", "part of the product lies outside of the picture"))
    if standing.visible < settings.least_visible:
        told = (
            f"the product is hardly seen: {standing.visible:.0%} of it differs from the ground, "
            f"{settings.least_visible:.0%} has to"
        )
        found.append(Objection("hidden", told))
    if standing.contrast < settings.least_contrast:
        told = (
            f"the product does not stand out: its edge differs from the ground by "
            f"{standing.contrast:.1f}, {settings.least_contrast:g} is needed"
        )
        found.append(Objection("contrast", told))
    if len(banned) and np.min(difference(fingerprint(picture), banned)) <= settings.duplicate:
        found.append(Objection("duplicate", "the picture is nearly that of an ad that was banned"))
    return found
