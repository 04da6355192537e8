"""Calls that come while one is under way are made together: stores are asked once for all."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from adloom.loop.serving.http.pools import NoRoom

_Asked = TypeVar("_Asked")
_Given = TypeVar("_Given")


class Gathered(Generic[_Asked, _Given]):
    """Answers questions in a thread of its own, those that wait for it together.

    With little to do each is answered at once. For one event loop.
    """

    def __init__(
        self,
        doing: str,
        answer: Callable[[Sequence[_Asked]], Sequence[_Given | Exception]],
        *,
        most: int,
        waiting: int,
        pause: float = 0.0,
    ) -> None:
        """``answer`` gives an answer, or what is raised, for each; ``most`` at a time.

        ``waiting`` may wait; ``doing`` says for what. For so many seconds of ``pause`` the first
        lets others come: a thread that is woken for each of them costs more than they do.
        """
        self._doing = doing
        self._answer = answer
        self._most, self._may_wait = most, waiting
        self._waiting: list[tuple[_Asked, asyncio.Future[_Given]]] = []
        self._pause = pause
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=doing)
        self._running: asyncio.Task[None] | None = None

    async def ask(self, asked: _Asked) -> _Given:
        """Raises NoRoom, and what the answer raises."""
        return await self.put(asked)

    def put(self, asked: _Asked) -> asyncio.Future[_Given]:
        """The answer, once it is there. Raises NoRoom."""
        if len(self._waiting) >= self._may_wait:
            raise NoRoom(f"{len(self._waiting)} requests wait already: {self._doing}")
        given: asyncio.Future[_Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, given))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return given

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            if self._pause:
                await asyncio.sleep(self._pause)
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                questions = [asked for asked, _ in some]
                traced = contextvars.copy_context()  # the request that asked first
                work = partial(traced.run, self._answer, questions)
                answers = await loop.run_in_executor(self._thread, work)
            except Exception as error:
                answers = [error] * len(some)
            for (_, given), answer in zip(some, answers, strict=True):
                with contextlib.suppress(asyncio.InvalidStateError):  # nobody waits any more
                    if isinstance(answer, Exception):
                        given.set_exception(answer)
                    else:
                        given.set_result(answer)
