"""Waits for a condition instead of sleeping for as long as it usually takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# Short against what is waited for (a broker, a scrape), long against the cost of asking.
_PAUSE_S = 0.05


def until(ask: Callable[[], T | None], *, within: float, what: str) -> T:
    """The first answer of `ask` that is neither None nor False; TimeoutError, naming `what`, after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(_in_vain(within, what))
        time.sleep(_PAUSE_S)


async def until_async(ask: Callable[[], Awaitable[T | None]], *, within: float, what: str) -> T:
    """`until` for a test whose own servers must go on running meanwhile."""
    deadline = time.monotonic() + within
    while True:
        answer = await ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(_in_vain(within, what))
        await asyncio.sleep(_PAUSE_S)


def _in_vain(within: float, what: str) -> str:
    return f"waited {within:g} s in vain for {what}"
