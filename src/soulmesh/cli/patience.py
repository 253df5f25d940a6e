"""``--timeout`` for commands that ask a few questions and end."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from soulmesh.errors import NetworkError

__all__ = ["GaveUp", "Patience", "patience", "patient"]

_Timeout = Annotated[
    float, typer.Option("--timeout", "-t", min=0.1, help="Seconds after which it is given up.")
]


class GaveUp(NetworkError):
    """The answers did not come in time."""

    hint = "give it more time with --timeout"

    def __init__(self, seconds: float, what: str = "not done") -> None:
        super().__init__(seconds, what)
        self.seconds = seconds
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} within {self.seconds:g} seconds"


class Patience:
    """Time for a command, or for getting to where it begins."""

    def __init__(self, seconds: float | None, limit: asyncio.Timeout) -> None:
        self.seconds = seconds
        self.what = "not done"
        """What has not come to an end if the time is over."""
        self._limit = limit

    def enough(self) -> None:
        """From here on the command looks after its time itself."""
        self._limit.reschedule(None)

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self._limit.expired()


@asynccontextmanager
async def patience(seconds: float | None) -> AsyncIterator[Patience]:
    """What takes longer ends with :class:`GaveUp`; ``None``: it may."""
    limit = asyncio.timeout(seconds)
    given = Patience(seconds, limit)
    try:
        async with limit:
            yield given
    except TimeoutError:
        if seconds is None or not given.over:
            raise
        raise GaveUp(seconds, given.what) from None


def patient(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    """Give a command ``--timeout``: whoever runs it ends it after that time, login and all."""
    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter("timeout", inspect.Parameter.KEYWORD_ONLY, default=30.0, annotation=_Timeout)

    @functools.wraps(function)
    async def wrapper(*args: Any, timeout: float, **kwargs: Any) -> None:
        await function(*args, **kwargs)

    parameters = [*signature.parameters.values(), option]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.patient = True  # type: ignore[attr-defined]
    return wrapper
