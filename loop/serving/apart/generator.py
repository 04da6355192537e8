"""A generator whose weights are in processes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedTokenizerFast

from adloom.loop.serving.apart.messages import Begin, Begun, Call, Draw, DrawnApart
from adloom.loop.serving.apart.news import News
from adloom.loop.serving.apart.watched import DrawingDied, Watched
from adloom.models.ad_texts import AdTexts
from adloom.models.adapters import UnknownAdapter
from adloom.models.brief import AdBrief, Codes
from adloom.models.config import AdGeneratorConfig
from adloom.models.damaged_base import loading
from adloom.models.engine import Drawn
from adloom.models.generator import DEMO_MODEL
from adloom.models.kept_tokens import KeptAd
from adloom.models.sampling import Sampling
from adloom.models.trends import Trends

_LOOK_SECONDS = 0.1  # how often who draws on looks around though nobody wakes it
_CALL_SECONDS = 120.0  # longer than a process takes to start again
_PICTURES_AT_ONCE = 8  # some 6 MB of a message


class GeneratorApart(AdTexts):
    """See :class:`adloom.models.generates.Generates`. Close it, or use it as a context manager.

    The processes start with this and load while other things are done; what needs what they loaded
    waits, and raises what loading raised. Where one ends, the next one loads the same, adapters
    too, and draws what was under way: the same ads, since their seeds are the same. An ad is drawn
    by the process that has the fewest to draw.
    """

    def __init__(
        self,
        path: Path | None,
        device: str | None = None,
        *,
        rows: int,
        threads: int,
        processes: int = 1,
        int8: bool = True,
    ) -> None:
        """As `AdGenerator.from_pretrained`; each process computes with ``threads``.

        Raises:
            DamagedBase: the folder is not whole.
        """
        folder = path or DEMO_MODEL
        with loading(folder):
            self._config = AdGeneratorConfig.load(folder)
            self._tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        self._base = folder.absolute(), device, rows, threads, int8
        self._adapters: dict[str, Path] = {}
        self._trends: dict[str, Trends] = {}
        self._news = News()
        self._processes = tuple(
            Watched(self._begin, self._read, self._news) for _ in range(processes)
        )

    def __enter__(self) -> GeneratorApart:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    @property
    def problem(self) -> str | None:
        """Why nothing is drawn at the moment, in one line; None while one of them draws."""
        problems = [process.problem for process in self._processes]
        return None if None in problems else problems[0]

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the processes."""
        return tuple(process.pid for process in self._processes)

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """What titles are written by."""
        return self._tokenizer

    @property
    def config(self) -> AdGeneratorConfig:
        """Sizes, and how it is asked."""
        return self._config

    @property
    def base_name(self) -> str:
        """Names the base by its weights."""
        return self._begun.base_name

    @property
    def codebook_name(self) -> str:
        """Names the codebook that pictures are encoded with, and their size."""
        return self._begun.codebook_name

    @property
    def history_codebook_name(self) -> str:
        """As `codebook_name`, of the pictures of clicked ads."""
        return self._begun.history_codebook_name

    @property
    def known_codes(self) -> int:
        """How many codes of pictures there are."""
        return self._begun.known_codes

    @property
    def code_vectors(self) -> NDArray[np.float32]:
        """What each code stands for, of unit length: float32 ``(codes, d)``."""
        return self._begun.code_vectors

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return tuple(self._adapters)

    def load_adapter(self, name: str, path: Path) -> None:
        """Raises FileNotFoundError, UnfitAdapter, DrawingDied."""
        if name not in self._adapters:
            try:
                self._called_of_all(Call("load_adapter", (name, path.absolute())))
            except BaseException:
                self._adapters.pop(name, None)  # some may have it: they take it again
                raise
            self._trends[name] = Trends.load(path)

    def drop_adapter(self, name: str) -> None:
        """Raises UnknownAdapter, DrawingDied."""
        if name not in self._adapters:
            raise UnknownAdapter(name)
        with suppress(UnknownAdapter):  # of one that has just begun anew, without it
            self._called_of_all(Call("drop_adapter", (name,)))
        self._trends.pop(name, None)

    def told(self, brief: AdBrief, adapter: str | None) -> AdBrief:
        """With the trend of its category. Raises UnknownAdapter."""
        return self._trends_of(adapter).told(brief)

    def trend_categories(self, adapter: str | None) -> tuple[str, ...]:
        """Categories whose trends an adapter knows, sorted. Raises UnknownAdapter."""
        return tuple(sorted(self._trends_of(adapter).ads))

    def start(
        self,
        brief: AdBrief,
        *,
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        adapter: str | None = None,
        title_only: bool = False,
    ) -> Future[list[Drawn]]:
        """Let a brief join what is drawn; its adapter may be dropped before it is done.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        if adapter is not None and adapter not in self._adapters:
            raise UnknownAdapter(adapter)
        return self._freest.ask(Draw(brief, tuple(seeds), sampling, adapter, title_only))

    def step(self) -> None:
        """Wait until something is drawn, or for a moment. Raises what drawing raised."""
        self._news.wait(_LOOK_SECONDS, lambda: any(one.asked for one in self._processes))

    def wake(self) -> None:
        """Let who waits in `step` go on. From any thread."""
        self._news.tell()

    def finish(self, started: Sequence[Future[list[Drawn]]]) -> None:
        """Step until all of these are done or have failed."""
        for future in started:
            while not future.done():
                self.step()

    def background(self, drawn: Drawn) -> Image.Image:
        """The picture of what was drawn (RGB)."""
        assert drawn.picture is not None
        return drawn.picture

    def encode_history(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of clicked ads: int16 ``(n, tokens)``. Raises DrawingDied."""
        parts = [
            self._called(Call("encode_history", (list(pictures[at : at + _PICTURES_AT_ONCE]),)))
            for at in range(0, max(1, len(pictures)), _PICTURES_AT_ONCE)
        ]
        return np.concatenate(parts)

    def picture_of(self, codes: Codes) -> Image.Image:
        """The picture (RGB) that codes of any size stand for. Raises DrawingDied."""
        picture: Image.Image = self._called(Call("picture_of", (codes,)))
        return picture

    def kept_tokens(self, brief: AdBrief, adapter: str | None) -> tuple[KeptAd, ...]:
        """What the fine stage keeps of a brief's history. Raises UnknownAdapter, DrawingDied."""
        kept: tuple[KeptAd, ...] = self._called(Call("kept_tokens", (brief, adapter)))
        return kept

    @property
    def _begun(self) -> Begun:
        first, *others = (process.begun.result() for process in self._processes)
        if any(other != first for other in others):
            raise ValueError("generator.path was changed while it was loaded: start again")
        return first

    @property
    def _freest(self) -> Watched:
        """The process with the fewest open questions, of those that run if any does."""
        return min(self._processes, key=lambda one: (one.problem is not None, one.asked))

    def _trends_of(self, adapter: str | None) -> Trends:
        if adapter is None:
            return Trends()
        if adapter not in self._trends:
            raise UnknownAdapter(adapter)
        return self._trends[adapter]

    def _called(self, call: Call) -> Any:
        return self._answered(self._freest.ask(call))

    def _called_of_all(self, call: Call) -> None:
        """Raises what the first that failed raised, once all have answered."""
        asked = [process.ask(call) for process in self._processes]
        wait(asked, _CALL_SECONDS)
        try:
            for answer in asked:
                self._answered(answer, 0.0)
        finally:
            for answer in asked:
                answer.cancel()  # what is answered later must not count

    def _answered(self, answer: Future[Any], seconds: float = _CALL_SECONDS) -> Any:
        try:
            return answer.result(seconds)
        except NoAnswer as error:
            answer.cancel()
            raise DrawingDied("the process that draws does not answer") from error

    def _begin(self) -> Begin:
        """For the next process: all that was loaded into the one before."""
        return Begin(*self._base, tuple(self._adapters.copy().items()))

    def _read(self, question: Draw | Call, value: Any) -> Any:
        if isinstance(question, Draw):
            return [_drawn(one) for one in value]
        # Here, where the next process is started: it misses nothing that was answered.
        if question.name == "load_adapter":
            name, path = question.given
            self._adapters[name] = path
        elif question.name == "drop_adapter":
            self._adapters.pop(question.given[0], None)
        return value


def _drawn(one: DrawnApart) -> Drawn:
    codes = torch.from_numpy(one.codes.astype(np.int64))
    return Drawn(one.title, codes, one.cut, one.steps, one.picture)
