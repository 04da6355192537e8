"""Words that speak of a price or a saving, by language.

A title may use them only for a product with a sale price. They are matched as whole words where
the script has spaces, so forms are listed; a shop adds its own by ``[titles.de] saving``.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

from adloom.models.titles.languages import of_language
from adloom.models.titles.mentions import first_mentioned

_MINUS_PERCENT = regex.compile(
    r"(?<![\p{L}\p{N}])[-\u2010-\u2015\u2212]\s?\p{Nd}+([.,]\p{Nd}+)?\s?[%٪％﹪]"
)
"""As in ``-20 %``: a saving in every language."""
_PRICE = regex.compile(
    r"\p{Sc}\s?\p{Nd}|\p{Nd}\s?(?:\p{Sc}|[円원]|元(?!素))"
    r"|\p{Nd}\s?(?:EUR|USD|GBP|CHF|JPY|CNY|RMB|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|INR|AUD|CAD|KRW)\b"
    r"|\b(?:EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|INR|AUD|CAD)\s?\p{Nd}"
    r"|\p{Nd}\s?(?i:euros?|dollars?|kr|zł|kč|руб|грн)\b"
)
"""An amount of money, as in ``9,99 €``: a price in every language."""

SAVING_WORDS: dict[str, tuple[str, ...]] = {
    "ar": ("خصم", "الخصم", "تخفيض", "تخفيضات", "تنزيلات", "وفر", "عرض خاص", "أرخص", "رخيص"),
    "cs": ("sleva", "slevy", "slevou", "výprodej", "akce", "ušetřete", "zlevněno", "levně"),
    "da": ("tilbud", "rabat", "udsalg", "spar", "nedsat", "billig", "billigt"),
    "de": (
        *("rabatt", "rabatte", "reduziert", "reduzierte", "sale", "angebot", "sonderangebot"),
        *("schnäppchen", "spare", "sparen", "sparpreis", "günstig", "günstiger", "billig"),
        *("billiger", "preiswert", "aktionspreis", "ausverkauf", "nachlass", "deal", "deals"),
    ),
    "el": ("έκπτωση", "εκπτώσεις", "προσφορά", "προσφορές", "φθηνό", "φθηνά"),
    "en": (
        *("sale", "sales", "save", "saves", "saving", "savings", "deal", "deals", "discount"),
        *("discounts", "discounted", "bargain", "bargains", "% off", "percent off"),
        *("reduced", "clearance", "cheap", "cheaper", "cheapest", "pay less", "small price"),
        *("low price", "lower price", "lowest price", "best price", "half price", "price cut"),
        *("price drop", "markdown", "special offer", "for less", "wallet"),
    ),
    "es": (
        *("oferta", "ofertas", "descuento", "descuentos", "rebaja", "rebajas", "rebajado"),
        *("rebajada", "ahorra", "ahorre", "ahorro", "barato", "barata", "ganga", "liquidación"),
    ),
    "fi": ("ale", "alennus", "alennuksessa", "tarjous", "säästä", "halpa", "edullinen"),
    "fr": (
        *("solde", "soldes", "soldé", "soldée", "promo", "promotion", "promotions", "remise"),
        *("remises", "réduction", "réductions", "rabais", "bon plan", "bonne affaire"),
        *("économisez", "pas cher", "moins cher", "prix réduit", "prix bas", "petit prix"),
    ),
    "he": ("מבצע", "במבצע", "הנחה", "בהנחה", "הנחות", "חסכו", "זול"),
    "hi": ("छूट", "सेल", "बचत", "ऑफर", "सस्ता", "सस्ती", "डिस्काउंट"),
    "hu": ("akció", "akciós", "kedvezmény", "leárazás", "leárazott", "olcsó", "spórolj"),
    "id": ("diskon", "promo", "obral", "hemat", "murah", "potongan harga"),
    "it": (
        *("sconto", "sconti", "scontato", "scontata", "saldi", "offerta", "offerte", "risparmia"),
        *("risparmio", "ribasso", "ribassato", "occasione", "economico", "conveniente"),
    ),
    "ja": (
        *("セール", "割引", "値下げ", "値引き", "お得", "特価", "激安", "格安", "最安"),
        *("円引き", "半額", "安い"),
    ),
    "ko": ("할인", "세일", "특가", "최저가", "초특가", "반값", "저렴"),
    "nb": ("tilbud", "rabatt", "salg", "spar", "nedsatt", "billig", "billige"),
    "nl": (
        *("korting", "kortingen", "aanbieding", "aanbiedingen", "sale", "uitverkoop", "bespaar"),
        *("afgeprijsd", "voordelig", "goedkoop", "goedkoper", "actieprijs", "deal", "deals"),
    ),
    "pl": (
        *("promocja", "promocji", "rabat", "zniżka", "zniżki", "wyprzedaż", "okazja"),
        *("taniej", "tanio"),
    ),
    "pt": (
        *("promoção", "promoções", "desconto", "descontos", "oferta", "ofertas", "saldo", "saldos"),
        *("liquidação", "economize", "poupe", "poupança", "barato", "barata"),
    ),
    "ro": (
        *("reducere", "reduceri", "redus", "ofertă", "oferte", "promoție"),
        *("economisește", "ieftin"),
    ),
    "ru": (
        *("скидка", "скидки", "скидкой", "распродажа", "акция", "экономия", "выгодно"),
        *("дешево", "дёшево"),
    ),
    "sv": ("rea", "rabatt", "erbjudande", "spara", "nedsatt", "billig", "billigt", "fynd"),
    "th": ("ลดราคา", "ส่วนลด", "โปรโมชั่น", "โปรโมชัน", "ราคาถูก", "ประหยัด", "เซล"),
    "tr": ("indirim", "indirimli", "kampanya", "fırsat", "ucuz", "tasarruf"),
    "uk": ("знижка", "знижки", "знижкою", "розпродаж", "акція", "економія", "вигідно", "дешево"),
    "vi": ("giảm giá", "khuyến mãi", "ưu đãi", "tiết kiệm", "giá rẻ", "rẻ"),
    "zh": (
        *("特价", "特價", "折扣", "打折", "促销", "促銷", "优惠", "優惠", "降价", "降價"),
        *("减价", "減價", "省钱", "省錢", "清仓", "清倉", "甩卖", "便宜", "半价", "半價"),
        *("秒杀", "秒殺", "立减", "满减"),
    ),
}


def claims_saving(text: str, language: str, more: Iterable[str] = ()) -> bool:
    """Whether ``text`` speaks of a price or a saving, in ``language`` or in words of ``more``."""
    if _MINUS_PERCENT.search(text) or _PRICE.search(text):
        return True
    words = (*of_language(SAVING_WORDS, language, ()), *more)
    return first_mentioned(text, words) is not None
