"""What the button of a card says, by language."""

from __future__ import annotations

from collections.abc import Mapping

from adloom.models.titles.languages import of_language

_ENGLISH = "Shop now"
_CALLS: dict[str, str] = {
    "am": "አሁን ይግዙ",
    "ar": "تسوّق الآن",
    "bg": "Купи сега",
    "bn": "এখনই কিনুন",
    "bs": "Kupi sada",
    "ca": "Compra ara",
    "cs": "Koupit",
    "da": "Køb nu",
    "de": "Jetzt kaufen",
    "el": "Αγόρασε τώρα",
    "es": "Comprar ahora",
    "et": "Osta kohe",
    "fa": "همین حالا بخرید",
    "fi": "Osta nyt",
    "fr": "Acheter",
    "gu": "હમણાં ખરીદો",
    "he": "לקנייה עכשיו",
    "hi": "अभी खरीदें",
    "hr": "Kupi sada",
    "hu": "Vásárlás",
    "hy": "Գնել հիմա",
    "id": "Beli sekarang",
    "is": "Kaupa núna",
    "it": "Acquista ora",
    "ja": "今すぐ購入",
    "ka": "იყიდე ახლა",
    "km": "ទិញឥឡូវនេះ",
    "ko": "구매하기",
    "lt": "Pirkti dabar",
    "lv": "Pirkt tagad",
    "mr": "आता खरेदी करा",
    "ms": "Beli sekarang",
    "nb": "Kjøp nå",
    "nl": "Koop nu",
    "nn": "Kjøp no",
    "no": "Kjøp nå",
    "pl": "Kup teraz",
    "pt": "Comprar agora",
    "ro": "Cumpără acum",
    "ru": "Купить",
    "sk": "Kúpiť",
    "sl": "Kupi zdaj",
    "sr": "Купи сада",
    "sr-latn": "Kupi sada",
    "sv": "Köp nu",
    "ta": "இப்போதே வாங்குங்கள்",
    "te": "ఇప్పుడే కొనండి",
    "th": "ซื้อเลย",
    "tr": "Hemen al",
    "uk": "Купити",
    "ur": "ابھی خریدیں",
    "vi": "Mua ngay",
    "zh": "立即购买",
    "zh-hant": "立即購買",
    "zh-hk": "立即購買",
    "zh-mo": "立即購買",
    "zh-tw": "立即購買",
}


def call_to_action(language: str, own: Mapping[str, str]) -> str:
    """The button's words in ``language``: the shop's ``own`` if it has any, else adloom's.

    English where neither knows the language; ``own`` is by language tag, in any case.
    """
    chosen = {tag.lower(): words for tag, words in own.items()}
    english = of_language(chosen, "en", _ENGLISH)
    return of_language(chosen, language, "") or of_language(_CALLS, language, english)
