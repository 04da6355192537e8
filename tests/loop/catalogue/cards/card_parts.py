"""Titles in many scripts, and products, for the tests of cards."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from adloom.loop.catalogue.cards.boxes import Box
from adloom.loop.catalogue.cards.wording import Words, words_of
from adloom.loop.catalogue.product import Price, Product

TITLES = {
    "en": "Fresh coffee, every day! (really)",
    "de": "Für jeden Tag: süß & größer – Donaudampfschifffahrtskapitänsmütze",
    "fr": "L’été arrive\u202f! Profitez-en\u00a0: –50 % dès aujourd’hui",
    "vi": "Giữ ấm cả ngày, nghỉ ngơi thật sự",
    "el": "Φρέσκος καφές κάθε μέρα",
    "ru": "Свежий кофе каждый день — и ещё чуть-чуть",
    "zh": "宜兴紫砂壶，每天都用得上。限时好物轻便LED灯",
    "zh-TW": "宜興紫砂壺，每天都用得上。",
    "ja": "毎日使える軽い包丁、カタカナも「すぐに」切れる。",
    "ko": "따뜻한 빛 책상 램프! 오늘만 특별한 가격으로",
    "ar": "مصباح مكتب بضوء دافئ، LED 5W للمنزل",
    "he": "מנורת שולחן LED באור חם, לכל יום",
    "fa": "چراغ رومیزی با نور گرم می‌درخشد",
    "th": "โคมไฟตั้งโต๊ะ แสงอุ่น ใช้ได้ทุกวัน LED 5W ที่นี่",
    "hi": "गरम रोशनी वाला डेस्क लैंप, हर दिन के लिए LED",
    "bn": "প্রতিদিনের জন্য উষ্ণ আলোর ডেস্ক ল্যাম্প LED",
    "ta": "ஒவ்வொரு நாளும் சூடான ஒளி மேசை விளக்கு",
    "ka": "თბილი შუქის მაგიდის ნათურა LED",
    "my": "နေ့စဉ်သုံး နွေးထွေးသော အလင်းရောင် စားပွဲတင်မီး",
}
CURRENCIES = ("EUR", "USD", "JPY", "INR", "SAR", "ILS", "THB", "CHF", "KWD", "VND")


@st.composite
def said(draw: st.DrawFn) -> Words:
    """What a card says of some product: in any script, from a word to far too much."""
    language = draw(st.sampled_from(sorted(TITLES)))
    title = TITLES[language] * draw(st.sampled_from([1, 1, 2, 12]))
    title = title[: draw(st.integers(1, len(title)))]
    currency = draw(st.sampled_from(CURRENCIES))
    amount = draw(st.decimals(0, 10**9, places=2))
    price = draw(st.sampled_from([None, Price(amount, currency)]))
    sale = draw(st.sampled_from([None, Price(amount / Decimal("1.25"), currency)]))
    own = draw(st.sampled_from([{}, {language: "Ganz in Ruhe noch heute entdecken"}]))
    product = Product("p", "Lamp", language=language, price=price, sale_price=sale)
    return words_of(title, product, own)


@st.composite
def pictured(draw: st.DrawFn) -> tuple[tuple[int, int], Box]:
    """A picture's size, and the product's box on it: from a spot to all of it."""
    width, height = draw(st.sampled_from([(512, 512), (512, 512), (512, 300), (200, 512)]))
    left, top = draw(st.integers(0, width - 8)), draw(st.integers(0, height - 8))
    right, bottom = draw(st.integers(left + 8, width)), draw(st.integers(top + 8, height))
    return (width, height), draw(
        st.sampled_from([Box(left, top, right, bottom), Box(0, 0, width, height)])
    )
