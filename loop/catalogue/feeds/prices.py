"""Prices as feeds write them, in any country's way of writing numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from iso4217 import Currency

from adloom.loop.catalogue.feeds.refusals import RowRefused, shown
from adloom.loop.catalogue.product import Price

_DECIMALS = {str(currency.value): int(currency.exponent or 0) for currency in Currency}
# Signs of one currency, or of one that is meant wherever no other is told.
_SIGNS = {
    "€": "EUR", "$": "USD", "US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD",
    "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "R$": "BRL", "MX$": "MXN",
    "£": "GBP", "¥": "JPY", "円": "JPY", "元": "CNY", "CN¥": "CNY", "₹": "INR", "₩": "KRW",
    "₺": "TRY", "₴": "UAH", "₽": "RUB", "₪": "ILS", "฿": "THB", "₫": "VND", "₱": "PHP",
    "₦": "NGN", "₸": "KZT", "zł": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON",
}  # fmt: skip
_SAME_MARKS = str.maketrans({0x2212: "-", 0x66B: ".", 0x66C: "'", 0x2019: "'"})
_AMOUNT = re.compile(r"[-+]?\s*\d(?:[\d.,'\s]*\d)?")
_MARKS = re.compile(r"[.,' ]")
# One mark for all thousands; 1,00,000 is how India writes 100,000.
_GROUPED = re.compile(r"\d+|\d{1,3}([.,' ])(?:\d{2,3}\1)*\d{3}")
_NO_NUMBER = Decimal("-Infinity")
_MAX_CHARS = 60
_MAX_AMOUNT = Decimal(10) ** 12
_MAX_DECIMALS = 4


def parse_price(value: object, attribute: str, currency: str = "") -> Price:
    """A price out of "19.99 EUR", "EUR 1.299,00", "¥1,980", a number, or value and currency.

    Args:
        value: text, number, or an object with ``value`` (or ``amount``) and ``currency``.
        currency: the currency where the value tells none.

    Raises RowRefused.
    """
    if isinstance(value, Mapping):
        currency = str(value.get("currency") or currency)
        value = value.get("value", value.get("amount"))
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise RowRefused(f"{attribute}: {shown(value)} is no price, such as 19.99 EUR")
    if isinstance(value, str):
        written, told = _split(value, attribute)
        code = _code(told or currency, attribute, value)
        amount = _number(written, _DECIMALS[code])
    else:
        code = _code(currency, attribute, value)
        amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not amount.is_finite() or not 0 <= amount < _MAX_AMOUNT:
        raise RowRefused(f"{attribute}: {shown(value)} is not an amount from 0 to 10^12")
    return Price(_rounded(amount), code)


def _split(text: str, attribute: str) -> tuple[str, str]:
    """Number and currency of a written price, either of them first."""
    plain = unicodedata.normalize("NFKC", text[: _MAX_CHARS + 1]).translate(_SAME_MARKS).strip()
    found = _AMOUNT.search(plain)
    if len(text) > _MAX_CHARS or found is None:
        raise RowRefused(f"{attribute}: {shown(text)} is no price, such as 19.99 EUR")
    before, after = plain[: found.start()].strip(), plain[found.end() :].strip()
    if before.endswith("-"):  # "-€5" and "EUR -5"
        before, sign = before[:-1].strip(), "-"
    else:
        sign = ""
    after = after.removeprefix(",-").removeprefix(".-").strip()  # "19,- EUR"
    if before and after:
        raise RowRefused(f"{attribute}: {shown(text)} is no price, such as 19.99 EUR")
    amount = " ".join(found[0].split())
    return sign + amount.replace("- ", "-").replace("+ ", ""), before or after


def _code(told: str, attribute: str, value: object) -> str:
    code = _SIGNS.get(told) or _SIGNS.get(told.lower()) or told.upper()
    if not code:
        raise RowRefused(f"{attribute}: {shown(value)} has no currency, such as 19.99 EUR")
    if code not in _DECIMALS:
        raise RowRefused(f"{attribute}: {shown(told)} is no ISO 4217 currency, such as EUR")
    return code


def _number(written: str, decimals: int) -> Decimal:
    """The value of digits and marks; minus infinity where the marks make no sense.

    Of two kinds of marks the last is the decimal one. One mark alone is decimal unless three
    digits follow it, which are thousands: except after a zero, or where the currency has three
    decimals and the mark is a point.
    """
    digits = written.lstrip("-+")
    marks = [mark for mark in digits if not mark.isdigit()]
    whole, part = digits, ""
    if len(set(marks)) > 1 or (len(marks) == 1 and marks[0] in ".,"):
        whole, _, part = digits.rpartition(marks[-1])
        alone = len(marks) == 1
        three_decimals = whole == "0" or (decimals == 3 and marks[-1] == ".")
        if alone and len(part) == 3 and not three_decimals:
            whole, part = digits, ""
    if not _GROUPED.fullmatch(whole) or (part and not part.isdigit()):
        return _NO_NUMBER
    amount = Decimal(_MARKS.sub("", whole) + (f".{part}" if part else ""))
    return -amount if written.startswith("-") else amount


def _rounded(amount: Decimal) -> Decimal:
    """Without exponent, and without what binary fractions leave, such as 19.989999999."""
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_MAX_DECIMALS:
        return round(amount, _MAX_DECIMALS)
    return amount if exponent in range(-_MAX_DECIMALS, 1) else amount.quantize(Decimal(1))
