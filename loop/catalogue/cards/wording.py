"""What a card says: title, price and call to action, as the product's language writes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency

from adloom.loop.catalogue.cards.calls import call_to_action
from adloom.loop.catalogue.product import Price, Product
from adloom.models.titles.languages import fallbacks


@dataclass(frozen=True)
class Words:
    """Of a card; what is "" is not there.

    Attributes:
        language: BCP 47 tag of the title; "" where nobody knows.
        price: what the product costs now.
        old_price: what it cost before; struck through.
        call: on the button.
    """

    title: str
    language: str = ""
    price: str = ""
    old_price: str = ""
    call: str = ""

    @property
    def rtl(self) -> bool:
        """Whether it is read from the right: by its language, or by its title's first letter."""
        known = locale_of(self.language)
        if known is not None and known.text_direction == "rtl":
            return True
        return runs_from_right(self.title)


def words_of(title: str, product: Product, own_calls: Mapping[str, str]) -> Words:
    """What the card of an ad says. A product that is sold no more has no price and no button."""
    language = product.language
    if product.retired:
        return Words(title, language)
    price, old = _prices(product)
    return Words(
        title,
        language,
        price=price_words(price, language) if price else "",
        old_price=price_words(old, language) if old else "",
        call=call_to_action(language, own_calls),
    )


def price_words(price: Price, language: str) -> str:
    """A price as ``language`` writes it; as English does where nothing is known of it."""
    return str(
        format_currency(price.amount, price.currency, locale=locale_of(language) or Locale("en"))
    )


def locale_of(language: str) -> Locale | None:
    """What CLDR knows of a language, or of what it falls back to; None: nothing."""
    for tag in fallbacks(language):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None


def runs_from_right(text: str) -> bool:
    """Whether the first letter of a text that has a direction is written from the right."""
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def _prices(product: Product) -> tuple[Price | None, Price | None]:
    """What it costs, and what it cost before where that was more."""
    price, sale = product.price, product.sale_price
    if sale is None or price is None:
        return sale or price, None
    if sale.currency == price.currency and sale.amount < price.amount:
        return sale, price
    return price, None
