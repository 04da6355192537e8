"""Parts of a batch are made: drawn, told, written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from adloom.loop import home
from adloom.loop.batch.ahead import ReadAhead
from adloom.loop.batch.drawing import Drawing, Part
from adloom.loop.batch.exposing import Tell, exposing, exposure_of
from adloom.loop.batch.order import Order
from adloom.loop.batch.output import AdRow, Output
from adloom.loop.batch.plan import Plan
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.exposures.kept import KeptExposures
from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.versions import load_version
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.requests import Serving
from adloom.loop.serving.trial import Trial
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator

_DRAWN = "drawn"


@dataclass(frozen=True)
class Done:
    """A part that is there; ``drawn`` of its ads were drawn for it by this try."""

    part: int
    ads: int
    drawn: int


class PartMaker:
    """Makes parts of one batch."""

    def __init__(
        self, drawing: Drawing, output: Output, plan: Plan, pictures: PictureStore, tell: Tell
    ) -> None:
        self._drawing, self._output, self._plan = drawing, output, plan
        self._pictures, self._tell = pictures, tell

    def make(self, parts: Iterable[int], on_ads: Callable[[int], None]) -> Iterator[Done]:
        """Each part once it is written; ``on_ads`` is told how many more ads there are.

        A part is written after its exposures were told: killed in between, they are told again by
        the same ids, and count once. Raises as `Drawing.draw` and `exposing` do.
        """
        wanted = ((number, self._plan.pairs(number)) for number in parts)
        for part in self._drawing.draw(wanted, on_ads):
            rows = self._rows(part)
            self._output.write(part.number, rows)
            yield Done(part.number, len(rows), part.drawn)

    def _rows(self, part: Part) -> list[AdRow]:
        shown = [exposure_of(user, ad, self._plan.order) for user, ad in part.ads]
        pictures = [self._picture(ad) for _, ad in part.ads]
        counting = self._tell(shown)
        return [
            AdRow(
                user,
                ad.product_id,
                ad.ad_id,
                ad.title,
                picture,
                ad.version,
                _DRAWN,
                event.event_id if event.event_id in counting else None,
            )
            for (user, ad), picture, event in zip(part.ads, pictures, shown, strict=True)
        ]

    def _picture(self, ad: Creative) -> str:
        return self._output.put_picture(self._pictures.file(ad.picture).content)


@contextmanager
def part_maker(settings: Settings, output: Output, plan: Plan) -> Iterator[PartMaker]:
    """What makes parts while the block runs: the stores are opened, the model is loaded.

    Raises as what opens each part of it does; UnfitVersion where the version cannot draw.
    """
    order = plan.order
    with ExitStack() as parts:
        features = parts.enter_context(home.open_features(settings))
        forgotten = parts.enter_context(home.who_is_forgotten(settings, "adloom ads"))
        pictures = home.open_pictures(settings)
        creatives = home.open_creatives(settings, pictures)
        parts.callback(creatives.close)
        catalogue = home.open_catalogue(settings, pictures)
        parts.callback(catalogue.close)
        kept = KeptExposures(catalogue.engine, settings.serve.report_days)
        tell = parts.enter_context(exposing(settings, order, features.log, kept, forgotten))
        generator = home.load_generator(settings)
        serving = _serving(settings, generator, order)
        ahead = ReadAhead(features)
        past_ads = home.past_ads(catalogue, creatives, generator)
        titles = home.title_words(settings, catalogue).rules
        maker = AdMaker(generator, ahead, past_ads, settings.generator, titles, settings.review)
        most = settings.serve.max_batch
        drawing = Drawing(maker, ahead, order, serving, forgotten, most)
        yield PartMaker(drawing, output, plan, pictures, tell)


def _serving(settings: Settings, generator: AdGenerator, order: Order) -> Serving:
    """The version of the batch, which has drawn an ad for nobody."""
    registry = home.registry_to_serve_from(settings, generator)
    adapter = load_version(generator, registry, registry.find(order.version))
    try:
        Trial(generator, settings.generator).draw(adapter)
    except Exception as error:  # whatever it is: it would be every ad's
        told = f"{type(error).__name__}: {error}"
        raise UnfitVersion(f"version {order.version} cannot draw an ad ({told})") from error
    return Serving(order.variant, order.version, adapter)
