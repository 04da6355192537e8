"""An ad for nobody, which a version has to draw before it serves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError

import numpy as np
from PIL import Image

from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.engine import Drawn
from adloom.models.generates import Generates
from adloom.models.settings import GeneratorSettings

_SEED = 0

Drawing = Future[list[Drawn]]


class BadDraw(ValueError):
    """What was drawn is no ad; the message says why."""


class NotDrawnYet(RuntimeError):
    """The trial was not drawn in time, which says nothing about the version."""


class Trial:
    """Draws with an adapter, after a history, and looks at what came out.

    ``wait`` lets the drawing go on until it is done: where a server draws, between its ads. It
    may raise NotDrawnYet.
    """

    def __init__(self, generator: Generates, settings: GeneratorSettings) -> None:
        self._generator = generator
        self._sampling = generator.sampling(settings)
        self.wait: Callable[[Drawing], None] = lambda drawing: generator.finish([drawing])

    def draw(self, adapter: str | None) -> None:
        """Draw an ad with this adapter; None is the bare base.

        Raises:
            BadDraw: it drew no ad. What drawing itself raises goes through.
            NotDrawnYet: others had to be drawn first.
        """
        generator = self._generator
        brief = generator.told(self._brief(adapter), adapter)
        drawing = generator.start(brief, seeds=[_SEED], sampling=self._sampling, adapter=adapter)
        try:
            self.wait(drawing)
        except NotDrawnYet:
            _give_up(drawing)
            raise
        [drawn] = drawing.result()
        if not bool(((drawn.codes >= 0) & (drawn.codes < generator.known_codes)).all()):
            raise BadDraw("it drew codes that this base does not know")
        generator.draft(drawn, brief)

    def _brief(self, adapter: str | None) -> AdBrief:
        """A product that nobody sells, for a shopper who clicked two ads."""
        tokens, known = self._generator.config.history_codes, self._generator.known_codes
        codes = (np.arange(2 * tokens) % known).astype(np.int16).reshape(2, tokens)
        history = tuple(HistoryAd("nothing like it", row) for row in codes)
        cutout = Image.new("RGBA", (64, 64), (128, 128, 128, 255))
        category = self._generator.trend_categories(adapter)[:1]
        return AdBrief("nothing", ("good",), cutout, history, category="".join(category))


def _give_up(drawing: Drawing) -> None:
    """Nobody waits for it: the engine drops its row."""
    with contextlib.suppress(InvalidStateError):  # done in this moment
        if not drawing.cancel():
            drawing.set_exception(CancelledError())
