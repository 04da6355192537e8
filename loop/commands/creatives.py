"""`adloom creatives`: the ads that there are, and those that the shop had before."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.printing import AsJson, first_told, own_names, print_fields, print_table
from adloom.loop.progress import rows_told
from adloom.loop.settings import Settings
from adloom.loop.settings.out_folder import unwritable_file
from adloom.loop.settings.private import as_the_user_shares

if TYPE_CHECKING:
    from PIL import Image

    from adloom.loop.catalogue.creatives.store import Creative
    from adloom.loop.catalogue.intake.creatives.importing import CreativeReport
    from adloom.models.picture_encoder import PictureEncoder


app = typer.Typer(help="Ads, with the titles and pictures that they had.", no_args_is_help=True)
_console = Console()
_MAP_FORM = "ATTRIBUTE=COLUMN, such as title=Titel"
_INTERRUPTED = 130


@app.command("import")
def import_creatives(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON lines or Parquet; or .gz.")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="Own name of a column: title=Titel; can be given again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take in the shop's own ads, so that clicks on them count in histories and rounds.

    A row has ad_id, product_id, title and picture (a path beside the file, or an https address on
    one of catalog.hosts); where the shop has it, background (the picture without its product) and
    created. [creatives.columns] or --map tell other names. A row that is refused is named; the
    rest goes in. The same file again changes nothing, and goes on where it was stopped.
    """
    settings: Settings = context.obj
    from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
    from adloom.loop.catalogue.intake.creatives.importing import CreativeReport

    report = CreativeReport(on_refusal=first_told(as_json, lambda refusal: ("refused", "red")))
    with errors_told(FeedUnreadable):
        try:
            _import(settings, file, own_names(columns or [], _MAP_FORM), report)
        except KeyboardInterrupt:
            _told(report, as_json)
            problems.print("Stopped; the same command goes on from here.", soft_wrap=True)
            raise typer.Exit(_INTERRUPTED) from None
    _told(report, as_json)


@app.command("list")
def list_creatives(
    context: typer.Context,
    product: Annotated[str, typer.Option(help="Only those of this product.")] = "",
    after: Annotated[str, typer.Option(help="Those that were made before this ad id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most.")] = 50,
    state: Annotated[
        Literal["draft", "approved", "banned"] | None,
        typer.Option(help="Only those that are shown, wait, or are banned."),
    ] = None,
    variant: Annotated[str, typer.Option(help="Only those that this arm drew.")] = "",
    version: Annotated[str, typer.Option(help="Only those that this version drew.")] = "",
    language: Annotated[str, typer.Option(help="Only those of products in it, such as de.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the ads, the newest first."""
    from adloom.loop import home
    from adloom.loop.catalogue.creatives.store import Kind, UnknownAd

    kind = Kind(
        product_id=product, state=state, variant=variant, version=version, language=language
    )
    with errors_told(UnknownAd):
        creatives = home.open_creatives(context.obj)
        found = creatives.page(after=after, limit=limit, newest=True, **kind)
        count, in_all = creatives.count(**kind), len(creatives)
    if as_json:
        print(json.dumps([_as_json(ad) for ad in found], indent=2, ensure_ascii=False))
        return
    table = Table("Ad id", "Product", "Title", "Made by", "At", "State", box=None)
    for ad in found:
        version = f"{ad.variant}, version {ad.version}" if ad.version else ad.variant
        made_at = f"{ad.served_at:%Y-%m-%d %H:%M}"
        table.add_row(
            Text(ad.ad_id), Text(ad.product_id), Text(ad.title), Text(version), made_at, ad.state
        )
    print_table(_console, table)
    such = f"such ads; there are {in_all:,} in all" if any(kind.values()) else "ads"
    _console.print(f"{len(found):,} of {count:,} {such}.", highlight=False, soft_wrap=True)


@app.command()
def show(
    context: typer.Context,
    ad_id: str,
    picture: Annotated[Path | None, typer.Option(help="Write its picture to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is kept of an ad."""
    fail_if(unwritable_file(picture))
    from adloom.loop import home
    from adloom.loop.catalogue.creatives.store import UnknownAd

    with errors_told(UnknownAd):
        creatives = home.open_creatives(context.obj)
        ad = creatives.get(ad_id)
        if picture is not None:
            _write(creatives.picture(ad.picture), picture)
    told = _as_json(ad)
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    print_fields(_console, told)


def _import(
    settings: Settings, file: Path, columns: dict[str, str], report: CreativeReport
) -> None:
    from adloom.loop import home
    from adloom.loop.catalogue.feeds.size import rows_about
    from adloom.loop.catalogue.intake.creatives.feeds import read_creatives
    from adloom.loop.catalogue.intake.creatives.importing import CreativeImporter
    from adloom.loop.catalogue.intake.picture_sources import PictureLinks
    from adloom.loop.inspection.titles import ban_new_by_words, newest_of_shop

    if not file.is_file():
        fail(f"{file}: there is no such file")
    told = settings.creatives.model_copy(
        update={"columns": {**settings.creatives.columns, **columns}}
    )
    with ExitStack() as parts:
        total = rows_about(file)
        on_rows = parts.enter_context(rows_told(problems, "Importing", "ads", total))
        catalogue, creatives = home.open_catalogue(settings), home.open_creatives(settings)
        parts.callback(catalogue.close)
        parts.callback(creatives.close)
        if not catalogue.count() and not catalogue.count(retired=True):
            fail("the catalogue has no products: import it first (adloom catalog import)")
        links = PictureLinks(settings.catalog, file.parent)
        importer = CreativeImporter(
            catalogue, creatives, settings.catalog, links, _encoder(settings), on_rows=on_rows
        )
        newest = newest_of_shop(catalogue.engine)
        try:
            importer.take(read_creatives(file, told, settings.catalog), report)
        finally:  # what is in is shown, whatever came then
            rules = home.title_words(settings, catalogue).rules
            report.banned = ban_new_by_words(catalogue, rules, newest)


def _encoder(settings: Settings) -> Callable[[], PictureEncoder]:
    """What makes codes of pictures; it is loaded when the first ones are wanted."""

    @cache
    def encoder() -> PictureEncoder:
        from adloom.models.picture_encoder import PictureEncoder

        given = settings.generator
        return PictureEncoder.from_pretrained(given.path, given.device)

    return encoder


def _told(report: CreativeReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.summary(), indent=2, ensure_ascii=False))
        return
    counts = f"{report.new:,} new, {report.unchanged:,} as before, {report.refused:,} refused."
    if report.banned:
        counts += f" {report.banned:,} of the new ones say a banned word, and are not shown."
    _console.print(counts, highlight=False, soft_wrap=True)
    if not report.new:
        _console.print("Nothing changed.", soft_wrap=True)


def _as_json(ad: Creative) -> dict[str, Any]:
    return {
        "ad_id": ad.ad_id,
        "product_id": ad.product_id,
        "title": ad.title,
        "picture": ad.picture,
        "background": ad.background,
        "variant": ad.variant,
        "version": ad.version,
        "seed": ad.seed,
        "served_at": ad.served_at.isoformat(),
        "state": ad.state,
    }


def _write(picture: Image.Image, file: Path) -> None:
    try:
        with as_the_user_shares():
            picture.save(file)
    except (OSError, ValueError) as error:
        fail(f"{file}: cannot be written: {error}")
