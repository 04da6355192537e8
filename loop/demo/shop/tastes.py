"""Every taste that a shopper may have, and how likely each is thought to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.taste import SECOND_PALETTE, SECOND_SCENE

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Likings:
    """Every way to like the kinds of one thing: float32 ``(ways, kinds)``, its chance ``(ways,)``
    and the names of the kinds."""

    names: tuple[str, ...]
    table: Numbers
    prior: Numbers

    @classmethod
    def of(cls, names: Sequence[str], loved: int, second: tuple[float, float]) -> Self:
        """One of the first ``loved`` names is loved, and at times a second one is liked."""
        often, much = second
        rows, prior = [], []
        for one, other in product(range(loved), repeat=2):
            share = 1 - often if one == other else often / (loved - 1)
            if share > 0:
                row = np.zeros(len(names), dtype=np.float32)
                row[other], row[one] = much, 1.0
                rows.append(row)
                prior.append(share / loved)
        return cls(tuple(names), np.stack(rows), np.array(prior, dtype=np.float32))

    def seen(self, rows: Sequence[Mapping[str, float]]) -> Numbers:
        """How much is liked of what was seen, ``(rows, ways)``."""
        weights = np.array([[row.get(n, 0.0) for n in self.names] for row in rows], np.float32)
        return (weights @ self.table.T).astype(np.float32)

    def followed(self, fashion: str, share: float) -> Numbers:
        """The table of those who follow a fashion: it takes a share of what each likes."""
        in_fashion = np.array([name == fashion for name in self.names], np.float32)
        table: Numbers = (1 - np.float32(share)) * self.table + np.float32(share) * in_fashion
        return table


SCENE = Likings.of(SCENES, len(SCENES) - 1, SECOND_SCENE)
PALETTE = Likings.of(PALETTES, len(PALETTES), SECOND_PALETTE)
TONE = Likings.of(TONES, len(TONES) - 1, (0.0, 0.0))
_SHAPE = (len(SCENE.prior), len(PALETTE.prior), len(TONE.prior))


class Tastes:
    """A belief about a shopper's taste: how likely each is, float32, summing to 1.

    The shape is (ways to like scenes, palettes, tones).
    """

    def __init__(self, log_likelihood: Numbers | None = None) -> None:
        """The prior, or what it becomes by ``log_likelihood`` in its own shape or flat."""
        prior = SCENE.prior[:, None, None] * PALETTE.prior[:, None] * TONE.prior
        if log_likelihood is not None:
            told = log_likelihood.reshape(_SHAPE)
            prior = prior * np.exp(told - told.max())
        self.shares: Numbers = (prior / prior.sum()).astype(np.float32)

    def chances(
        self, rule: ClickRule, noise: float, fashion: Look | None = None, share: float = 0.0
    ) -> Numbers:
        """Chance of a click on an ad in each look, ``(scenes, palettes, tones)``, of a product
        whose category is neither liked nor disliked.

        ``fashion`` has taken over a ``share`` of what is liked, if any.
        """
        tables = [likings.table for likings in (SCENE, PALETTE, TONE)]
        if fashion is not None:
            tables = [
                SCENE.followed(fashion.scene, share),
                PALETTE.followed(fashion.palette, share),
                TONE.followed(fashion.tone, share),
            ]
        levels = [np.unique(table) for table in tables]
        scene, palette, tone = np.meshgrid(*levels, indexing="ij")
        chances = rule.chances(rule.log_odds(scene, palette, tone, np.zeros_like(tone)), noise)
        reaches = [
            (table == level[:, None, None]).astype(np.float32)
            for table, level in zip(tables, levels, strict=True)
        ]
        mean: Numbers = np.einsum(
            "spt,asx,bpy,ctz,abc->xyz", self.shares, *reaches, chances, optimize=True
        )
        return mean

    def favourites(self) -> Numbers:
        """How likely each look is the shopper's favourite, ``(scenes, palettes, tones)``."""
        loved = [likings.table == 1.0 for likings in (SCENE, PALETTE, TONE)]
        shares: Numbers = np.einsum("spt,sx,py,tz->xyz", self.shares, *loved, optimize=True)
        return shares

    def best(self, rule: ClickRule, noise: float) -> Look:
        """The look that is likeliest to be clicked."""
        return likeliest(self.chances(rule, noise))


def likeliest(chances: Numbers) -> Look:
    """The look that is likeliest to be clicked, of ``(scenes, palettes, tones)``."""
    scene, palette, tone = np.unravel_index(int(chances.argmax()), chances.shape)
    return Look(SCENES[scene], PALETTES[palette], TONES[tone])
