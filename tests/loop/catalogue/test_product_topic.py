"""The topic of products over a real broker: what comes into the catalogue, and what does not."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adloom.loop.catalogue.intake import picture_sources
from adloom.loop.catalogue.intake.topic import ProductTopic
from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.stream.broker import LocalBroker
from adloom.stream.burial import replay_letters, waiting_letters
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, products_topic

SETTINGS = CatalogSettings(hosts=("cdn.shop.example",))
PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def cdn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's pictures: there is no such host."""
    drawn = Image.new("RGBA", (60, 60))
    drawn.paste((200, 80, 20, 255), (20, 20, 50, 50))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    monkeypatch.setattr(picture_sources, "fetch_picture", lambda url, **limits: buffer.getvalue())


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def shop(kafka: KafkaSettings) -> Iterator[EventProducer]:
    with EventProducer(kafka) as producer:
        yield producer


@contextmanager
def following(kafka: KafkaSettings, *catalogues: Catalogue) -> Iterator[list[ProductTopic]]:
    """A server each that follows the topic."""
    stop = threading.Event()
    topics = [ProductTopic(kafka, catalogue, SETTINGS) for catalogue in catalogues]
    threads = [threading.Thread(target=topic.run, args=[stop]) for topic in topics]
    for thread in threads:
        thread.start()
    try:
        yield topics
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def mug(product_id: str, **told: Any) -> dict[str, Any]:
    link = "https://cdn.shop.example/mug.png"
    return {"id": product_id, "title": "Mug", "image_link": link, "price": "9.99 EUR", **told}


def send(shop: EventProducer, kafka: KafkaSettings, key: str | None, told: Any) -> None:
    """A record; ``told`` is JSON, or bytes as they are, or None for a tombstone."""
    payload = told if told is None or isinstance(told, bytes) else json.dumps(told).encode()
    shop.send_payload(products_topic(kafka), None if key is None else key.encode(), payload)


def wait(done: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def known(catalogue: Catalogue, product_id: str) -> Product | None:
    found = catalogue.entries([product_id])
    return found[product_id].product if product_id in found else None


def letters(kafka: KafkaSettings, n: int) -> list[DeadLetter]:
    found: list[DeadLetter] = []

    def came() -> bool:
        found[:] = waiting_letters(kafka)
        return len(found) >= n

    wait(came)
    return found


def test_records_come_change_and_retire(
    kafka: KafkaSettings, shop: EventProducer, catalogue: Catalogue
) -> None:
    with following(kafka, catalogue):
        send(shop, kafka, "tasse/1", mug("tasse/1", title="Tasse 100 % Spaß", language="de"))
        wait(lambda: known(catalogue, "tasse/1"))
        product = catalogue["tasse/1"]
        assert (product.name, product.language) == ("Tasse 100 % Spaß", "de")
        assert product.cutout().size == (30, 30)
        send(shop, kafka, "tasse/1", mug("tasse/1", price="8.99 EUR"))
        wait(lambda: str(catalogue.entry("tasse/1").product.price) == "8.99 EUR")
        send(shop, kafka, "tasse/1", None)
        wait(lambda: catalogue.entry("tasse/1").product.retired)
        send(shop, kafka, "tasse/1", mug("tasse/1"))
        wait(lambda: not catalogue.entry("tasse/1").product.retired)
    assert waiting_letters(kafka) == []


@pytest.mark.parametrize(
    ("key", "told", "detail"),
    [
        ("m", b"\xff\xfe", "product 'm': the record is not JSON"),
        ("m", b"[1]", "product 'm': the record is no JSON object"),
        ("m", b'{"id": "m", "title": "\\ud800"}', "product 'm': the record is not JSON"),
        ("m", b'{"a":' * 5_000, "product 'm': the record is not JSON"),
        ("m", mug("m", price="auf Anfrage"), "product 'm': price: "),
        ("m", {"id": "m"}, "product 'm': title: is missing"),
        ("m", mug("other"), "product 'm': id: is 'other'"),
        (None, mug("m"), "product '': id: is 'm'"),
        ("m", mug("m", image_link="mug.png"), "product 'm': image_link: only an https address"),
    ],
)
def test_what_is_no_product_is_a_dead_letter_with_id_and_reason(
    kafka: KafkaSettings,
    shop: EventProducer,
    catalogue: Catalogue,
    key: str | None,
    told: Any,
    detail: str,
) -> None:
    with following(kafka, catalogue):
        send(shop, kafka, key, told)
        send(shop, kafka, "fine", mug("fine"))
        wait(lambda: known(catalogue, "fine"))
        [letter] = letters(kafka, 1)
    assert (letter.reason, letter.topic) == ("not_a_product", products_topic(kafka))
    assert letter.detail.startswith(detail)
    assert known(catalogue, "m") is None


def test_dead_letters_of_products_stay_and_say_what_to_do(
    kafka: KafkaSettings, shop: EventProducer, catalogue: Catalogue
) -> None:
    with following(kafka, catalogue):
        send(shop, kafka, "m", mug("m", price="none"))
        letters(kafka, 1)
    replayed = replay_letters(kafka)
    assert (replayed.sent, replayed.dropped) == ([], [])
    [refused] = replayed.refused
    assert "send it anew" in refused.detail
    assert len(waiting_letters(kafka)) == 1


def test_of_many_records_of_a_product_the_last_good_one_counts(
    kafka: KafkaSettings, shop: EventProducer, catalogue: Catalogue
) -> None:
    for n in range(300):
        send(shop, kafka, f"p{n % 3}", mug(f"p{n % 3}", title=f"Mug {n}"))
    send(shop, kafka, "p1", None)
    send(shop, kafka, "p2", mug("p2", title=""))
    shop.flush()
    with following(kafka, catalogue):
        letters(kafka, 1)
        wait(lambda: known(catalogue, "p0") and known(catalogue, "p2"))
        wait(lambda: catalogue.entry("p1").product.retired)
        wait(lambda: catalogue.entry("p0").product.name == "Mug 297")
        wait(lambda: catalogue.entry("p2").product.name == "Mug 299")


def test_all_without_a_key_are_told(
    kafka: KafkaSettings, shop: EventProducer, catalogue: Catalogue
) -> None:
    for n in range(3):
        send(shop, kafka, None, mug(f"m{n}"))
    with following(kafka, catalogue):
        assert len(letters(kafka, 3)) == 3


def test_read_again_from_the_beginning_nothing_changes(
    kafka: KafkaSettings, shop: EventProducer, catalogue: Catalogue
) -> None:
    for n in range(5):
        send(shop, kafka, f"m{n}", mug(f"m{n}"))
    shop.flush()
    with following(kafka, catalogue):
        wait(lambda: catalogue.count() == 5)
    revision = catalogue.revision()
    another = kafka.model_copy(update={"group_id": f"{kafka.group_id}-another"})
    with following(another, catalogue):
        send(shop, kafka, "last", mug("last"))
        wait(lambda: known(catalogue, "last"))
    assert catalogue.count() == 6
    assert catalogue.revision() == revision + 1


def test_two_servers_share_the_partitions(
    kafka: KafkaSettings, shop: EventProducer, tmp_path: Path
) -> None:
    one, other = open_catalogue(tmp_path / "one"), open_catalogue(tmp_path / "other")
    sent = 0
    with following(kafka, one, other):
        until = time.monotonic() + PATIENCE_SECONDS
        while not (one.count() and other.count()):  # the group takes a moment to share out
            assert time.monotonic() < until
            for _ in range(10):
                send(shop, kafka, f"m{sent}", mug(f"m{sent}"))
                sent += 1
            shop.flush()
            time.sleep(0.5)
        wait(lambda: len(_ids(one) | _ids(other)) == sent)
    one.close()
    other.close()


def _ids(catalogue: Catalogue) -> set[str]:
    return {entry.product.product_id for entry in catalogue.page(limit=10_000)}


@pytest.mark.slow
def test_a_broker_that_was_away_is_followed_again(catalogue: Catalogue) -> None:
    with LocalBroker() as first:
        port = first.bootstrap_servers.rpartition(":")[2]
        kafka = KafkaSettings(
            bootstrap_servers=first.bootstrap_servers, partitions=1, session_seconds=2
        )
        create_topics(kafka)
        stop = threading.Event()
        topic = ProductTopic(kafka, catalogue, SETTINGS)
        thread = threading.Thread(target=topic.run, args=[stop])
        thread.start()
        with EventProducer(kafka) as shop:
            send(shop, kafka, "before", mug("before"))
        wait(lambda: known(catalogue, "before"))
    try:
        with LocalBroker(port=int(port)):
            create_topics(kafka)
            with EventProducer(kafka) as shop:
                send(shop, kafka, "after", mug("after"))
            wait(lambda: known(catalogue, "after"))
    finally:
        stop.set()
        thread.join()
    assert catalogue.count() == 2
