"""Vectors of products: made of what is new, and all of them anew by another text encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import select

from adloom.loop.catalogue.hashes import text_hash
from adloom.loop.catalogue.product import Product, index_text
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import Made
from adloom.loop.database.tables import products
from adloom.models.retrieval import product_vectors
from adloom.models.text_encoder import MINILM

_AT_ONCE = 256


def new_vectors(catalogue: Catalogue, some: Sequence[Product]) -> dict[str, Made]:
    """Vectors of the products whose texts are new, each with the hash of what it is made of."""
    encoder = catalogue.vectors.encoder
    by = "" if encoder.name == MINILM else f"{encoder.name}\n"
    texts = {p.product_id: index_text(p.name, p.selling_points) for p in some}
    hashes = {p.product_id: text_hash(f"{by}{texts[p.product_id]}\n{p.category}") for p in some}
    known = catalogue.vectors.texts(list(texts))
    new = [p for p in some if known.get(p.product_id) != hashes[p.product_id]]
    made = product_vectors(
        [texts[p.product_id] for p in new], [p.category for p in new], encoder.embed
    )
    return {
        product.product_id: Made(hashes[product.product_id], vector)
        for product, vector in zip(new, made, strict=True)
    }


def embed_anew(catalogue: Catalogue, on_products: Callable[[int], None]) -> int:
    """Make the vectors that are not by the catalogue's text encoder anew; returns how many.

    Until the last is made nobody compares any. What was interrupted goes on where it stood.

    Args:
        catalogue: opened with the encoder.
        on_products: told how many products were looked at, again and again.

    Raises NoTextEncoder.
    """
    count = 0
    catalogue.vectors.encoder.embed([""])  # one that cannot be loaded changes nothing
    catalogue.begin_vectors_anew()
    for ids in _all_ids(catalogue):
        entries = catalogue.entries(ids)
        made = new_vectors(catalogue, [entry.product for entry in entries.values()])
        if made:
            catalogue.put_vectors([entries[name] for name in made], made)
        count += len(made)
        on_products(len(ids))
    catalogue.end_vectors_anew()
    return count


def _all_ids(catalogue: Catalogue) -> Iterator[list[str]]:
    """Ids of all products, retired ones too, in their order."""
    after, column = "", products.c.product_id
    while True:
        query = select(column).where(column > after).order_by(column).limit(_AT_ONCE)
        with catalogue.engine.connect() as connection:
            ids = list(connection.execute(query).scalars())
        if not ids:
            return
        yield ids
        after = ids[-1]
