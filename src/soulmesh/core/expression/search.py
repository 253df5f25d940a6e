"""An expression, ready to be looked for, by whichever engine ends soon."""

from __future__ import annotations

import re
from collections.abc import Callable

from soulmesh.core.expression.machine import Machine
from soulmesh.core.expression.parts import (
    LONGEST_NAME,
    MOST_WAYS,
    BadExpression,
)
from soulmesh.core.expression.reading import Reader, compiled

__all__ = ["LONGEST_EXPRESSION", "Expression"]

LONGEST_EXPRESSION = 200
"""Characters."""
_FEW_WAYS = 4
"""With more ways to match, the machine takes over."""
_FEW_STEPS = 2000
"""With more steps at one place of a name, the machine takes over: Python has done 300 in a microsecond."""
_MOST_STEPS = 40_000
"""As many are gone if they must be, from each place of a name."""
_WIDEST_SETS = 1 << 19
"""Characters that all ranges like ``[a-\uffff]`` may have: Python looks at each when it reads them."""
_RANGE = re.compile(r"-(?=([^\x00-\xff])|\\u([0-9a-fA-F]{4})|\\[UN])")


class Expression:
    """A regular expression in Python's syntax, capitals and small letters being the same.

    Raises:
        BadExpression: Python cannot read it, or it has many ways to match and something that the machine
            does not know: a look ahead or behind, a reference to a group, or too much of everything.
    """

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST_EXPRESSION:
            raise BadExpression(0, f"an expression has at most {LONGEST_EXPRESSION} characters")
        _check_ranges(source)
        python = compiled(source)
        whole = Reader(source).read()
        self.places = whole.places
        """Characters that it looks for: what it costs is in proportion to them."""
        self._search: Callable[[str], object] = python.search
        ways, steps = (_FEW_WAYS, _FEW_STEPS) if whole.plain else (MOST_WAYS, _MOST_STEPS)
        if whole.ways > ways or whole.steps > steps:
            self._search = Machine(whole).found

    def found(self, name: str) -> bool:
        """Whether it matches somewhere in a name."""
        return len(name) <= LONGEST_NAME and bool(self._search(name))


def _check_ranges(source: str) -> None:
    """Whether Python would read the ranges of an expression for long."""
    wide = 0
    for found in _RANGE.finditer(source):
        last = ord(found[1]) if found[1] else int(found[2] or "ffff", 16)
        # What stands before may be the end of something escaped: then this is too much.
        wide += max(min(last, 0xFFFF) - ord(source[found.start() - 1]), 0) if found.start() else 0
        if wide > _WIDEST_SETS:
            raise BadExpression(found.start(), "these ranges have too many characters")
