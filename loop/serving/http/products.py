"""Products by HTTP: `POST /v1/products` takes them in, `GET` tells, `DELETE` retires."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from adloom.loop.catalogue.intake.importing import Importer
from adloom.loop.catalogue.intake.metrics import count_products
from adloom.loop.catalogue.intake.picture_sources import LinkedPictures, SentPictures
from adloom.loop.catalogue.intake.report import ImportReport, Note
from adloom.loop.catalogue.product import UnknownProduct
from adloom.loop.catalogue.rows import as_attributes
from adloom.loop.serving.http.access import Admitted, MayAdminister
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.http.sent_products import read_sent
from adloom.loop.serving.server import AdServer

_SOURCE = "POST /v1/products"
_MOST_PRODUCTS = 100
_EXAMPLE: dict[str, Any] = {
    "products": [
        {
            "id": "4711",
            "title": "Salz- & Pfeffermühle",
            "content_language": "de",
            "product_type": "Küche > Mühlen",
            "product_highlight": ["aus Eiche", "Keramikmahlwerk"],
            "price": "39.90 EUR",
            "image_link": "https://cdn.shop.example/4711.jpg",
        }
    ]
}

router = APIRouter(tags=["products"])


class Products(BaseModel):
    """Products by the attribute names of Google's product feed.

    A picture is `image_link`, an https address on one of the hosts of `[catalog] hosts`, or
    `image`, the file itself in base64.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    products: list[dict[str, Any]] = Field(min_length=1, max_length=_MOST_PRODUCTS)


class ProductNote(BaseModel):
    """Something to know of a product that was sent."""

    index: int = Field(description="place in the request, from 0")
    id: str
    text: str = Field(description="one line that names the attribute")


class Taken(BaseModel):
    """What became of the products; those refused are as they were before."""

    new: int
    changed: int
    unchanged: int
    refused: list[ProductNote]
    notes: list[ProductNote] = Field(description="of products that are taken: what to know")


class Retired(BaseModel):
    """Products that are sold no more; histories still read them."""

    retired: list[str]


@router.post("/v1/products", responses=refusals(*GUARDED), dependencies=MayAdminister)
def take_products(sent: Products, request: Request) -> Taken:
    """Take products in; each is new, changed, as before, or refused by itself.

    Where all are refused the answer is 422. Servers follow within `catalog.refresh_seconds`.
    """
    server, report = running(request), ImportReport()
    rows, pictures = read_sent(sent.products, _SOURCE, server.settings.catalog.language)
    for _ in _importer(server, pictures).take(rows, report):
        pass
    count_products(report)
    refused = [_note(note, pictures) for note in report.notes if note.kind == "refused"]
    if report.refused == len(sent.products):
        raise HTTPException(
            422,
            [
                {
                    "loc": ["body", "products", note.index, note.text.partition(":")[0]],
                    "msg": note.text,
                    "type": "refused",
                }
                for note in refused
            ],
        )
    return Taken(
        new=report.new,
        changed=report.changed,
        unchanged=report.unchanged,
        refused=refused,
        notes=[_note(note, pictures) for note in report.notes if note.kind != "refused"],
    )


@router.get("/v1/products", responses=refusals(401, 403, 422, 429), dependencies=Admitted)
def list_products(
    request: Request,
    after: Annotated[str, Query(max_length=128, description="an id: those that follow it")] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    search: Annotated[str, Query(max_length=128, description="in id, name or category")] = "",
    retired: bool = False,
) -> list[dict[str, Any]]:
    """Products in the order of their ids."""
    found = running(request).catalogue.page(
        after=after, limit=limit, search=search, retired=retired
    )
    return [as_attributes(entry) for entry in found]


@router.get(
    "/v1/products/{product_id:path}",
    responses=refusals(401, 403, 404, 429),
    dependencies=Admitted,
)
def show_product(product_id: str, request: Request) -> dict[str, Any]:
    """All that the catalogue has of a product, retired or not."""
    try:
        return as_attributes(running(request).catalogue.entry(product_id))
    except UnknownProduct as error:
        raise HTTPException(404, problem("product_id", str(error), place="path")) from error


@router.delete(
    "/v1/products/{product_id:path}",
    responses=refusals(401, 403, 404, 429),
    dependencies=MayAdminister,
)
def retire_product(product_id: str, request: Request) -> Retired:
    """Sell a product no more; to send it again brings it back."""
    catalogue = running(request).catalogue
    try:
        catalogue.entry(product_id)
    except UnknownProduct as error:
        raise HTTPException(404, problem("product_id", str(error), place="path")) from error
    retired = catalogue.retire([product_id])
    count_products(ImportReport(retired=len(retired)))
    return Retired(retired=retired)


def _importer(server: AdServer, pictures: Mapping[str, bytes]) -> Importer:
    settings = server.settings.catalog
    return Importer(
        server.catalogue,
        settings,
        _SOURCE,
        SentPictures(pictures, LinkedPictures(settings)),
        advice=server.title_advice,
        keep_pictures=True,
    )


def _note(note: Note, pictures: Collection[str]) -> ProductNote:
    """What is said of a picture names the attribute that it came in."""
    text = note.text
    if note.product_id in pictures and text.startswith("image_link:"):
        text = text.replace("image_link", "image", 1)
    return ProductNote(index=note.line, id=note.product_id, text=text)
