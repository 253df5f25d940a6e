"""Declarations compiled to straight-line code at first use."""

from __future__ import annotations

from typing import Any

from soulmesh.wire.message import Struct

__all__ = ["compile_init"]


def compile_init(cls: type[Struct]) -> None:
    """Give ``cls`` the ``__init__`` that its fields ask for."""
    defaults = cls._defaults
    names = cls.__match_args__
    arguments = "".join(f", {n}={defaults[n]!r}" if n in defaults else f", {n}" for n in names)
    body = "".join(f"    self.{n} = {n}\n" for n in names) or "    pass\n"
    namespace: dict[str, Any] = {}
    exec(f"def __init__(self{arguments}):\n{body}", namespace)
    cls.__init__ = namespace["__init__"]  # type: ignore[method-assign]
