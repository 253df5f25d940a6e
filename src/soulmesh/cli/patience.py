"""``--timeout`` for commands that ask a few questions and end."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from soulmesh.errors import NetworkError

__all__ = ["GaveUp", "patient"]

_Timeout = Annotated[
    float, typer.Option("--timeout", "-t", min=0.1, help="Seconds after which it is given up.")
]


class GaveUp(NetworkError):
    """The answers did not come in time."""

    hint = "give it more time with --timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"not done within {self.seconds:g} seconds"


def patient(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    """Give a command ``--timeout``: what takes longer ends with :class:`GaveUp`."""
    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter("timeout", inspect.Parameter.KEYWORD_ONLY, default=30.0, annotation=_Timeout)

    @functools.wraps(function)
    async def wrapper(*args: Any, timeout: float, **kwargs: Any) -> None:
        try:
            async with asyncio.timeout(timeout):
                await function(*args, **kwargs)
        except TimeoutError:
            raise GaveUp(timeout) from None

    parameters = [*signature.parameters.values(), option]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapper
