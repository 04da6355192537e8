"""`adloom catalog`: the products of the shop."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.errors import errors_told, fail, problems
from adloom.loop.commands.printing import AsJson, first_told, print_fields, print_table
from adloom.loop.progress import rows_told
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.catalogue.intake.report import ImportReport, Note

app = typer.Typer(help="The products of the shop.", no_args_is_help=True)
_console = Console()

Feed = Annotated[
    str | None,
    typer.Argument(
        help="File, folder of feeds, or https address; without: [catalog] source.", metavar="FEED"
    ),
]


@app.command("import")
def import_products(
    context: typer.Context,
    feed: Feed = None,
    force: Annotated[
        bool, typer.Option("--force", help="Retire what is missing, however much it is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take in a product feed: CSV, TSV, JSON lines, XML or Parquet.

    Attributes have the names of Google's product feed (id, title, description, link, image_link,
    availability, price, product_type, brand, product_highlight, ...), or those that
    [catalog.columns] gives. A row that is refused is named; the rest goes in. Servers follow
    within catalog.refresh_seconds.
    """
    _run(context.obj, feed, dry=False, force=force, as_json=as_json)


@app.command()
def check(context: typer.Context, feed: Feed = None, as_json: AsJson = False) -> None:
    """Look a feed through as an import would, and change nothing.

    Names rows that would be refused, pictures that cannot be cut out, and names too long for
    titles. Ends with status 1 where a row would be refused.
    """
    report = _run(context.obj, feed, dry=True, force=False, as_json=as_json)
    if report.refused:
        raise typer.Exit(1)


@app.command("list")
def list_products(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only what has this in id, name or category.")] = "",
    like: Annotated[str, typer.Option(help="Those likest to this in meaning, likest first.")] = "",
    retired: Annotated[bool, typer.Option("--retired", help="Those that are retired.")] = False,
    after: Annotated[str, typer.Option(help="Those that follow this id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the products, in the order of their ids, or those like a text."""
    from adloom.loop import home
    from adloom.loop.catalogue.rows import as_attributes

    catalogue = home.open_catalogue(context.obj)
    if like:
        products = home.open_neighbours(context.obj, catalogue).like(like, limit)
        entries = catalogue.entries([product.product_id for product in products])
        found = [entries[product.product_id] for product in products]
    else:
        found = catalogue.page(after=after, limit=limit, search=search, retired=retired)
    count = catalogue.count(retired=retired)
    if as_json:
        print(json.dumps([as_attributes(entry) for entry in found], indent=2, ensure_ascii=False))
        return
    table = Table("Id", "Name", "Category", "Language", "Price", "Cutout", box=None)
    for entry in found:
        product = entry.product
        price = product.sale_price or product.price
        table.add_row(
            Text(product.product_id),
            Text(product.name),
            Text(product.category),
            product.language,
            str(price or ""),
            "no" if entry.no_cutout else "yes",
        )
    print_table(_console, table)
    what = "retired" if retired else "sold"
    _console.print(f"{len(found):,} of {count:,} that are {what}.", highlight=False, soft_wrap=True)


@app.command()
def show(context: typer.Context, product_id: str, as_json: AsJson = False) -> None:
    """Show all that the catalogue has of a product."""
    from adloom.loop import home
    from adloom.loop.catalogue.product import UnknownProduct
    from adloom.loop.catalogue.rows import as_attributes

    with errors_told(UnknownProduct):
        entry = home.open_catalogue(context.obj).entry(product_id)
    told = as_attributes(entry)
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    print_fields(_console, told)


@app.command()
def retire(
    context: typer.Context,
    product_ids: Annotated[list[str], typer.Argument(metavar="PRODUCT_ID...")],
    as_json: AsJson = False,
) -> None:
    """Sell products no more; histories still read them. An import brings them back."""
    from adloom.loop import home

    catalogue = home.open_catalogue(context.obj)
    unknown = sorted(set(product_ids) - catalogue.find(product_ids).keys())
    if unknown:
        fail(f"the catalogue does not have {', '.join(unknown)}; nothing is retired")
    changed = catalogue.retire(product_ids)
    if as_json:
        print(json.dumps({"retired": changed}, indent=2))
        return
    already = len(set(product_ids)) - len(changed)
    _console.print(
        f"{len(changed)} retired" + (f", {already} were already." if already else "."),
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def embed(context: typer.Context, as_json: AsJson = False) -> None:
    """Make the products' vectors anew after a change of [catalog] text_encoder.

    Until it is done servers liken no products and answer with an error: start them afterwards.
    Interrupted, it goes on where it stood.
    """
    from adloom.loop import home
    from adloom.loop.catalogue.embedding import embed_anew

    catalogue = home.open_catalogue(context.obj)
    total = catalogue.count() + catalogue.count(retired=True)
    with rows_told(problems, "Embedding", "products", total) as on_products:
        made = embed_anew(catalogue, on_products)
        home.open_neighbours(context.obj, catalogue).build()
    name = catalogue.vectors.encoder.name
    if as_json:
        print(json.dumps({"text_encoder": name, "made": made, "products": total}, indent=2))
        return
    _console.print(
        f"{made:,} of {total:,} vectors made, by {name}.", highlight=False, soft_wrap=True
    )


def _run(
    settings: Settings, feed: str | None, *, dry: bool, force: bool, as_json: bool
) -> ImportReport:
    from adloom.loop import home
    from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
    from adloom.loop.catalogue.feeds.size import rows_about
    from adloom.loop.catalogue.intake.feed import FeedTooShort, import_feed
    from adloom.loop.catalogue.intake.report import ImportReport
    from adloom.loop.catalogue.pictures.by_model import MissingExtra

    feed = feed or settings.catalog.source
    if feed is None:
        fail("no feed: name one (adloom catalog import feed.csv), or set catalog.source")
    report = ImportReport(on_note=first_told(as_json, _word))
    doing = "Checking" if dry else "Importing"
    with errors_told(FeedUnreadable, FeedTooShort, MissingExtra), ExitStack() as parts:
        total = None if "://" in feed else rows_about(Path(feed))
        on_rows = parts.enter_context(rows_told(problems, doing, "rows", total))
        catalogue = home.open_catalogue(settings)
        import_feed(
            catalogue,
            feed,
            settings.catalog,
            advice=home.title_advice(settings),
            dry=dry,
            force=force,
            report=report,
            on_rows=on_rows,
        )
        if not dry:
            home.open_neighbours(settings, catalogue).build()
    if as_json:
        print(json.dumps(report.summary(), indent=2, ensure_ascii=False))
    else:
        _tell(report, dry=dry)
    return report


def _word(note: Note) -> tuple[str, str]:
    return ("refused", "red") if note.kind == "refused" else ("note", "yellow")


def _tell(report: ImportReport, *, dry: bool) -> None:
    counts = f"{report.new:,} new, {report.changed:,} changed, {report.unchanged:,} as before"
    if report.retired:
        counts += f", {report.retired:,} retired"
    counts += f", {report.refused:,} refused"
    if report.without_cutout:
        counts += f"; {report.without_cutout:,} without a cutout"
    _console.print(("Would be: " if dry else "") + counts + ".", highlight=False, soft_wrap=True)
    if not (report.written or dry):
        _console.print("Nothing changed.", soft_wrap=True)
