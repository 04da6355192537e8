"""What is finished is stored while more is drawn: no disk and no database holds the drawing up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")

_THREADS = 8
_PAUSE_SECONDS = 0.01


class Keeping(Generic[T]):
    """Things on their way into a store. Of one thread that makes them."""

    def __init__(self, tell: Callable[[], None]) -> None:
        """``tell`` is called where one is stored or not, from any thread."""
        self._tell = tell
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="keeping")
        self._under_way: set[Future[None]] = set()

    def __bool__(self) -> bool:
        self._under_way = {one for one in self._under_way if not one.done()}
        return bool(self._under_way)

    def keep(self, promised: Future[T], store: Callable[[], T | None]) -> None:
        """Keep the promise by what ``store`` returns, or break it by what it raises.

        None leaves it to whoever makes the thing once more.
        """
        under_way = self._threads.submit(_kept, promised, store)
        self._under_way.add(under_way)
        under_way.add_done_callback(lambda _: self._tell())

    def wait(self) -> None:
        """Let a moment pass, or less where something is stored before."""
        wait(self._under_way, timeout=_PAUSE_SECONDS, return_when=FIRST_COMPLETED)


def _kept(promised: Future[T], store: Callable[[], T | None]) -> None:
    try:
        stored = store()
    except BaseException as error:
        promised.set_exception(error)
    else:
        if stored is not None:
            promised.set_result(stored)
