"""The process that draws: `python -m adloom.loop.serving.apart.child FD`, started by the server.

It has the generator and nothing else: no store, none of the settings' secrets, no socket but the
one to its server. It ends with its server, however that ends.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection

import numpy as np
import torch

from adloom.loop.serving.apart.messages import (
    Answer,
    Asked,
    Begin,
    Begun,
    Call,
    Draw,
    DrawnApart,
    Dropped,
    Failed,
    Link,
    Said,
    ToDrawing,
    that_travels,
)
from adloom.models.ad_generator import AdGenerator
from adloom.models.engine import Drawn

_NICE = 10
"""Answers go first; what else computes on the machine leaves drawing a tenth of a core."""


class Drawing:
    """Draws what it is asked to, in one thread; what else needs the weights is done beside."""

    def __init__(
        self, generator: AdGenerator, link: Link, inbox: queue.SimpleQueue[ToDrawing]
    ) -> None:
        self._generator = generator
        self._link = link
        self._inbox = inbox
        self._under_way: dict[int, Future[list[Drawn]]] = {}
        self._beside = ThreadPoolExecutor(
            1, "beside", initializer=partial(torch.set_num_threads, 1)
        )

    def run(self) -> None:
        """For ever."""
        while True:
            if not self._under_way:
                self._take(self._inbox.get())
            with suppress(queue.Empty):
                while True:
                    self._take(self._inbox.get_nowait())
            try:
                self._generator.step()
            except Exception as error:
                self._give_up(error)
            self._answer_drawn()

    def _take(self, message: ToDrawing) -> None:
        if isinstance(message, Dropped):
            self._drop(message.number)
        elif isinstance(message, Asked):
            if isinstance(message.question, Draw):
                self._start(message.number, message.question)
            else:
                self._beside.submit(self._call, message.number, message.question)

    def _start(self, number: int, wanted: Draw) -> None:
        try:
            self._under_way[number] = self._generator.start(
                wanted.brief,
                seeds=wanted.seeds,
                sampling=wanted.sampling,
                adapter=wanted.adapter,
                title_only=wanted.title_only,
            )
        except Exception as error:
            self._link.send(Answer(number, error=that_travels(error)))

    def _drop(self, number: int) -> None:
        future = self._under_way.pop(number, None)
        if future is not None and not future.cancel():
            with suppress(InvalidStateError):  # it runs: the engine drops its rows
                future.set_exception(CancelledError())

    def _call(self, number: int, call: Call) -> None:
        try:
            answer = Answer(number, getattr(self._generator, call.name)(*call.given))
        except Exception as error:
            answer = Answer(number, error=that_travels(error))
        self._link.send(answer)

    def _give_up(self, error: Exception) -> None:
        """What failed is none of them alone, and may fail again with them."""
        for number in list(self._under_way):
            self._drop(number)
        self._link.send(Failed(that_travels(error)))

    def _answer_drawn(self) -> None:
        for number in [number for number, one in self._under_way.items() if one.done()]:
            future = self._under_way.pop(number)
            try:
                answer = Answer(number, [self._drawn(one) for one in future.result()])
            except Exception as error:
                answer = Answer(number, error=that_travels(error))
            self._link.send(answer)

    def _drawn(self, drawn: Drawn) -> DrawnApart:
        picture = self._generator.background(drawn) if len(drawn.codes) else None
        codes = drawn.codes.numpy().astype(np.int16)
        return DrawnApart(drawn.title, codes, drawn.cut, drawn.steps, picture)


class _ToServer(logging.Handler):
    """Log lines go where those of the server go."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._link.send(Said(record.name, record.levelno, self.format(record)))


def main() -> None:
    # Ctrl-C at a terminal, and a service's stop, reach all processes: the server says when to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    link = Link(Connection(int(sys.argv[1])))
    logging.basicConfig(level=logging.WARNING, handlers=[_ToServer(link)], force=True)
    logging.getLogger("adloom").setLevel(logging.INFO)
    logging.captureWarnings(True)
    inbox: queue.SimpleQueue[ToDrawing] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(link, inbox), daemon=True).start()
    begin = inbox.get()
    assert isinstance(begin, Begin)
    torch.set_num_threads(begin.threads)
    try:
        generator = AdGenerator.from_pretrained(
            begin.path, begin.device, rows=begin.rows, int8=begin.int8
        )
        for name, path in begin.adapters:
            generator.load_adapter(name, path)
        link.send(
            Begun(
                generator.base_name,
                generator.codebook_name,
                generator.history_codebook_name,
                generator.known_codes,
                generator.code_vectors,
            )
        )
    except Exception as error:
        link.send(Failed(that_travels(error)))
        return
    Drawing(generator, link, inbox).run()


def _receive(link: Link, inbox: queue.SimpleQueue[ToDrawing]) -> None:
    """Until the server is gone: then nobody wants what is drawn."""
    link.receive(inbox.put)
    os._exit(0)


if __name__ == "__main__":
    main()
