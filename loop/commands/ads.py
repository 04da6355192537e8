"""`adloom ads`: ads for many shoppers at once, into files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.broker import reach_broker
from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.printing import AsJson, counted, print_fields
from adloom.loop.commands.stopping import GOES_ON, stop_told
from adloom.loop.progress import progress_told
from adloom.loop.settings import Settings
from adloom.models.folders import no_base

if TYPE_CHECKING:
    from adloom.loop.batch.begin import Begun
    from adloom.loop.batch.output import Output

app = typer.Typer()
_console = Console()


@dataclass
class _Count:
    """How far a batch is: ads that there are, written or not, and those that this try drew."""

    ads: int = 0
    written: int = 0
    drawn: int = 0
    of: int = 0

    def told(self) -> str:
        if not self.of:
            return "Nothing is drawn yet: the same command begins"
        return f"{self.written:,} of {self.of:,} ads are written. {GOES_ON}"


@app.command()
def ads(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write to, or to go on in.")],
    users: Annotated[
        Path | None, typer.Option(help="File with the column user_id: CSV or Parquet.")
    ] = None,
    products: Annotated[
        Path | None, typer.Option(help="File with the column product_id; each user gets all.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Instead: a file with both columns, an ad for each row.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Registered version that draws; without: @champion.")
    ] = None,
    no_exposure: Annotated[
        bool,
        typer.Option(
            "--no-exposure",
            help="An ad counts as shown only once POST /v1/exposures/{exposure_id} says so.",
        ),
    ] = False,
    part_rows: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Ads of a file; without: 1000.")
    ] = None,
    ray: Annotated[
        bool, typer.Option("--ray", help="Draw in workers of Ray Data; ray.address says where.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of --ray; left out: one for each GPU, or one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw an ad for every user and product into OUT/ads (Parquet) and OUT/pictures (WebP).

    Run again after any stop, kill -9 too, it goes on: in the end every pair is there once, and
    counts as shown once. Columns: user_id, product_id, ad_id, title, picture (a path in OUT),
    version, source, exposure_id.
    """
    settings: Settings = context.obj
    files = _files(users, products, pairs)
    if workers is not None and not ray:
        fail("--workers counts those of --ray: give both, or none")
    if ray and not no_exposure and settings.kafka.bootstrap_servers is None:
        fail(
            "--ray needs a broker that all workers reach: set kafka.bootstrap_servers "
            "(ADLOOM_KAFKA__BOOTSTRAP_SERVERS=host:port), or give --no-exposure"
        )
    fail_if(no_base(settings.generator.path))
    from adloom.loop.batch.begin import Asked, begin
    from adloom.loop.batch.output import Output

    output, count = Output(out), _Count()
    with errors_told(*_foreseen()):
        output.refuse()
        if not no_exposure:
            _reach(settings)
        with output.alone(), stop_told(count.told):
            asked = Asked(files, version, not no_exposure, part_rows)
            with progress_told(problems, "Planning", "pairs") as told:
                begun = begin(settings, output, asked, lambda pairs: told(None, pairs))
            with closing(begun.plan):
                _tell_begun(begun)
                count.of = begun.plan.ads
                count.ads = count.written = begun.ads_done
                if begun.left:
                    with _drawing(count) as on_ads:
                        _draw(settings, output, begun, count, on_ads, ray, workers)
    _tell(out, begun, count, as_json)


def _files(users: Path | None, products: Path | None, pairs: Path | None) -> dict[str, Path]:
    given = {"users": users, "products": products, "pairs": pairs}
    files = {name: file for name, file in given.items() if file is not None}
    if files.keys() not in ({"users", "products"}, {"pairs"}):
        fail("give --users FILE and --products FILE, or --pairs FILE")
    for file in files.values():
        if not file.is_file():
            fail(f"{file}: there is no such file")
    return files


def _reach(settings: Settings) -> None:
    """A broker that is away is told before anything else is done."""
    if settings.kafka.bootstrap_servers is None:
        from adloom.loop.serving.own_broker import apart
        from adloom.stream.broker import local_broker_binary

        local_broker_binary()
        with apart(settings.home, batch=True):  # looked at before the model is loaded
            pass
    reach_broker(settings.kafka)


def _foreseen() -> tuple[type[Exception], ...]:
    """What a user can mend, told in one line."""
    from adloom.loop.batch.errors import AdNotDrawn, AdsHeld, WorkerFailed
    from adloom.loop.batch.ids import UnfitInput
    from adloom.loop.batch.order import OtherBatch
    from adloom.loop.batch.output import UnfitOutput
    from adloom.loop.catalogue.product import UnknownProduct
    from adloom.loop.learning.ray_cluster import CannotScaleOut
    from adloom.loop.learning.registry import UnknownVersion
    from adloom.stream.producer import DeliveryFailed

    of_files = (UnfitInput, UnfitOutput, OtherBatch)
    of_ads = (AdNotDrawn, AdsHeld, UnknownProduct, UnknownVersion)
    return *of_files, *of_ads, DeliveryFailed, CannotScaleOut, WorkerFailed


@contextmanager
def _drawing(count: _Count) -> Iterator[Callable[[int], None]]:
    with progress_told(problems, "Drawing", "ads") as told:

        def on_ads(more: int) -> None:
            count.ads += more
            told(count.ads / count.of, count.ads)

        yield on_ads


def _draw(
    settings: Settings,
    output: Output,
    begun: Begun,
    count: _Count,
    on_ads: Callable[[int], None],
    ray: bool,
    workers: int | None,
) -> None:
    if ray:
        from adloom.loop.batch.by_ray import make_by_ray

        for done in make_by_ray(settings, output.folder, begun.left, workers):
            on_ads(done.ads)
            count.written, count.drawn = count.written + done.ads, count.drawn + done.drawn
        return
    from adloom.loop.batch.parts import part_maker

    with part_maker(settings, output, begun.plan) as maker:
        for done in maker.make(begun.left, on_ads):
            count.written, count.drawn = count.written + done.ads, count.drawn + done.drawn


def _tell_begun(begun: Begun) -> None:
    if begun.again:
        rows = counted(begun.again, "row")
        verb = "names" if begun.again == 1 else "name"
        problems.print(f"{rows} {verb} again what was named before: drawn once.", soft_wrap=True)


def _tell(out: Path, begun: Begun, count: _Count, as_json: bool) -> None:
    order = begun.plan.order
    exposures = "logged" if order.exposures else "kept until they are reported"
    if as_json:
        told = {
            "out": str(out),
            "run": order.run,
            "ads": count.written,
            "drawn": count.drawn,
            "parts": begun.plan.parts,
            "version": str(order.version),
            "exposures": "logged" if order.exposures else "kept",
        }
        print(json.dumps(told, indent=2))
        return
    fields = {
        "Ads": f"{count.written:,} in {out / 'ads'}",
        "Drawn now": f"{count.drawn:,}",
        "Pictures": str(out / "pictures"),
        "Version": str(order.version),
        "Exposures": exposures,
    }
    print_fields(_console, fields)
