"""How the server is, told within a second also where what knows it does not answer."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from adloom.loop.serving.readiness import Readiness

_PATIENCE_SECONDS = 0.8
_FIRST_PATIENCE_SECONDS = 20.0  # nothing is known yet
_FRESH_SECONDS = 10.0  # a machine that is busy makes no part ill


class Look:
    """One look at a time, in a thread of its own; meanwhile what the last one saw counts."""

    def __init__(self) -> None:
        self._looking: asyncio.Future[Readiness] | None = None
        self._last: Readiness | None = None
        self._seen_at = 0.0

    async def look(self, ask: Callable[[], Readiness]) -> Readiness:
        """The readiness; what the last look saw, and that a part hangs, where it takes long.

        Raises what the first look raised, TimeoutError where it saw nothing.
        """
        if self._looking is None or self._looking.done():
            self._looking = _in_own_thread(ask)
        patience = _FIRST_PATIENCE_SECONDS if self._last is None else _PATIENCE_SECONDS
        await asyncio.wait({self._looking}, timeout=patience)
        if self._looking.done():
            self._last, self._seen_at = self._looking.result(), time.monotonic()
        if self._last is None:
            raise TimeoutError("no part says how it is")
        ago = time.monotonic() - self._seen_at
        if ago < _FRESH_SECONDS:
            return self._last
        hangs = f"a part does not say how it is; the last look ended {ago:.0f} s ago"
        return replace(self._last, problems={**self._last.problems, "health": hangs})


def _in_own_thread(ask: Callable[[], Readiness]) -> asyncio.Future[Readiness]:
    """A thread for each look: what hangs in one takes none from others, nor from the end."""
    loop = asyncio.get_running_loop()
    looking: asyncio.Future[Readiness] = loop.create_future()

    def tell(result: Readiness | None, error: Exception | None) -> None:
        if looking.cancelled():
            return
        if result is not None:
            looking.set_result(result)
        else:
            looking.set_exception(error or RuntimeError("no readiness"))

    def run() -> None:
        result, problem = None, None
        try:
            result = ask()
        except Exception as error:
            problem = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, problem)

    context = contextvars.copy_context()
    threading.Thread(target=lambda: context.run(run), name="readiness", daemon=True).start()
    return looking
