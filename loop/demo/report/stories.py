"""Ads of a run with what their shoppers had clicked, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.catalogue.cards.calls import call_to_action
from adloom.loop.catalogue.cards.card import draw_card
from adloom.loop.catalogue.cards.formats import FORMAT_NAMES, FORMATS
from adloom.loop.catalogue.cards.product_box import product_box
from adloom.loop.catalogue.cards.wording import words_of
from adloom.loop.catalogue.product import Product
from adloom.loop.demo.parts import DemoLoop
from adloom.loop.demo.reading import ReadAd
from adloom.loop.demo.report.looks import LookWords, looks_of
from adloom.loop.demo.report.parts import AdStory, Change, FormatShown, HistoryPicture, Trait
from adloom.loop.demo.report.pictures import shrunk
from adloom.loop.demo.run import BeforeAfter, Drawn, Shown

_READ_PIXELS = 128
_CARD_PIXELS = 420


class AdsSeen:
    """Pictures and looks of the ads of a run, each found once: the page is written many times."""

    def __init__(self, loop: DemoLoop) -> None:
        self._loop = loop
        self._small: dict[str, Image.Image] = {}
        self._looks: dict[tuple[str, str], LookWords] = {}

    def picture(self, name: str) -> Image.Image:
        """As it is kept."""
        return self._loop.creatives.picture(name)

    def small(self, name: str) -> Image.Image:
        """As large as a history shows it."""
        if name not in self._small:
            self._small[name] = shrunk(self.picture(name), _READ_PIXELS)
        return self._small[name]

    def look(self, name: str, title: str) -> LookWords:
        """Of a picture with its title."""
        if (name, title) not in self._looks:
            [found] = looks_of([self.small(name)], [title], self._loop.perception)
            self._looks[name, title] = found
        return self._looks[name, title]

    def look_at(self, ads: Sequence[tuple[str, str]]) -> None:
        """Look at many at once, which costs little more than one."""
        new = [one for one in dict.fromkeys(ads) if one not in self._looks]
        found = looks_of(
            [self.small(name) for name, _ in new],
            [title for _, title in new],
            self._loop.perception,
        )
        self._looks |= dict(zip(new, found, strict=True))


def stories_of(ads: Sequence[Drawn], loop: DemoLoop, seen: AdsSeen) -> list[AdStory]:
    """Each ad with its history."""
    seen.look_at([(ad.picture, ad.title) for ad in ads])
    seen.look_at([(one.picture, one.title) for ad in ads for one in ad.read])
    return [_story(ad, loop, seen) for ad in ads]


def _story(ad: Drawn, loop: DemoLoop, seen: AdsSeen) -> AdStory:
    product = loop.catalogue[ad.exposure.item_id]
    look = seen.look(ad.picture, ad.title)
    read = [seen.look(one.picture, one.title) for one in ad.read]
    card = finish_ad(seen.picture(ad.picture), ad.title, call=call_to_action(product.language, {}))
    return AdStory(
        user_id=ad.exposure.user_id,
        product_name=product.name,
        title=ad.title,
        card=shrunk(card, _CARD_PIXELS),
        file=ad.file,
        version=ad.version,
        round_number=ad.round_number,
        clicked=ad.clicked if isinstance(ad, Shown) else None,
        history=_history(ad.read, look, seen),
        traits=tuple(
            Trait(words, sum(words in other.traits for other in read)) for words in look.traits
        ),
        all_clicks=ad.all_clicks,
    )


def _history(read: Sequence[ReadAd], look: LookWords, seen: AdsSeen) -> tuple[HistoryPicture, ...]:
    return tuple(
        HistoryPicture(
            one.title,
            seen.small(one.picture),
            one.kept,
            one.likeness,
            look.shared(seen.look(one.picture, one.title)),
            one.everybodys,
        )
        for one in read
    )


def changes_of(pairs: Sequence[BeforeAfter], loop: DemoLoop, seen: AdsSeen) -> list[Change]:
    """What learning changed, those first whom it suits more."""
    found = []
    for pair in pairs:
        product = loop.catalogue[pair.product_id]
        call = call_to_action(product.language, {})
        before, after = (
            shrunk(finish_ad(seen.picture(name), title, call=call), _CARD_PIXELS)
            for name, title in zip(pair.pictures, pair.titles, strict=True)
        )
        looks = [
            seen.look(name, title) for name, title in zip(pair.pictures, pair.titles, strict=True)
        ]
        found.append(
            Change(
                user_id=pair.user_id,
                product_name=product.name,
                history=_history(pair.read, looks[1], seen),
                before=before,
                after=after,
                titles=pair.titles,
                looks=(looks[0].traits, looks[1].traits),
                chances=pair.chances,
                version=pair.version,
            )
        )
    return sorted(found, key=lambda one: one.chances[0] - one.chances[1])


def formats_of(ad: Drawn, loop: DemoLoop, seen: AdsSeen) -> list[FormatShown]:
    """An ad in every format, beside an ad that the shop had of the product."""
    product = loop.catalogue[ad.exposure.item_id]
    picture = seen.picture(ad.picture)
    shown = [*_of_the_shop(product, loop, seen)]
    words, box = words_of(ad.title, product, {}), product_box(picture, product)
    for name in FORMAT_NAMES:
        of = FORMATS[name]
        card, _ = draw_card(picture, box, words, of)
        shown.append(FormatShown(name, f"{of.width} by {of.height} px", shrunk(card, _CARD_PIXELS)))
    return shown


def _of_the_shop(product: Product, loop: DemoLoop, seen: AdsSeen) -> list[FormatShown]:
    of_product = [ad for ad in loop.shop_ads if ad.product.product_id == product.product_id]
    known = loop.creatives.get_many([ad.ad_id for ad in of_product[-1:]])
    return [
        FormatShown(
            "the shop's own ad",
            ad.title,
            shrunk(seen.picture(ad.picture), _CARD_PIXELS),
        )
        for ad in known.values()
    ]
