r"""One language to say which results are wanted, for library, command line and REST alike.

A filter is a line of conditions, all of which must hold::

    flac size>10mb length>=3:00 free -live "final mix" type:flac|wav path~/\(19[78]\d\)/

====================  =========================================================================
condition             holds if
====================  =========================================================================
``word``, ``"words"`` the path contains it, whatever the case
``-condition``        the condition does not hold
``a | b``             one of the two holds; ``|`` binds less than writing side by side
``( ... )``           as in arithmetic
``size>10mb``         ``< <= > >= = !=``; units b, kb, mb, gb (powers of 1024)
``bitrate>=320``      kbit/s; a file that does not say its bitrate does not match
``length<5:00``       seconds, or minutes:seconds, or hours:minutes:seconds
``rate``, ``depth``   Hz (``44.1k``) and bits per sample
``speed>500k``        bytes per second (units as for size) of the user
``queue<20``          uploads that wait at the user
``type:flac|mp3``     the file's ending is one of these
``user:name``         exactly this user
``path~/expression/`` the regular expression is found in the path (case ignored)
``name~/.../``        the same in the last part of the path
``free`` ``locked``   the user has a free slot; the file is shown but not for us
``vbr`` ``lossless``  variable bitrate; an ending of a lossless format
====================  =========================================================================

The words with a meaning of their own (``free``, ``locked``, ``vbr``, ``lossless``) can be
looked for in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from soulmesh.client.book import AddressBook
from soulmesh.client.results import Hit
from soulmesh.core.expression import BadExpression, Expression
from soulmesh.errors import UsageError

__all__ = ["Filter", "FilterError", "SavedFilters", "Trial"]

Test = Callable[[Hit], bool]

LOSSLESS = frozenset({"flac", "wav", "aiff", "aif", "ape", "wv", "alac", "tta", "shn", "dsf", "dff"})

_LONGEST = 1000
_MOST_PLACES = 400
"""Characters that all expressions of a filter look for together."""
_DEEPEST = 20


class FilterError(UsageError):
    """A filter that cannot be read: ``position`` counts from 0 in ``text``."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(text, position, reason)
        self.text = text
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return f"filter, column {self.position + 1}: {self.reason}\n  {self.text}\n  {' ' * self.position}^"

    @property
    def pointer(self) -> str:
        """The filter, and beneath it a mark at the place."""
        return f"{self.text}\n{' ' * self.position}^"


@dataclass(frozen=True, slots=True)
class Trial:
    """How a filter would have dealt with results that are there."""

    kept: list[Hit]
    cut: list[tuple[Hit, str]]
    """With the first condition of the filter that did not hold."""


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition of the top level, and its text."""

    text: str
    holds: Test


@dataclass(frozen=True)
class Filter:
    """A filter, ready to use: ``Filter.parse("size>10mb flac")(hit)``."""

    text: str
    _conditions: tuple[_Condition, ...] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a filter.

        Raises:
            FilterError: says what is wrong, and points at the place.
        """
        return cls(text, tuple(_Parser(text).parse()))

    def __call__(self, hit: Hit) -> bool:
        """Whether a result is wanted."""
        return all(condition.holds(hit) for condition in self._conditions)

    def why_not(self, hit: Hit) -> str | None:
        """The first condition that does not hold for a result; ``None`` if all hold."""
        for condition in self._conditions:
            if not condition.holds(hit):
                return condition.text
        return None

    def try_on(self, hits: Iterable[Hit]) -> Trial:
        """How the filter deals with results that are there."""
        kept: list[Hit] = []
        cut: list[tuple[Hit, str]] = []
        for hit in hits:
            reason = self.why_not(hit)
            if reason is None:
                kept.append(hit)
            else:
                cut.append((hit, reason))
        return Trial(kept, cut)


class SavedFilters:
    """Filters by name, kept with the address book."""

    def __init__(self, book: AddressBook) -> None:
        self._book = book

    @property
    def names(self) -> list[str]:
        """All names."""
        return sorted(self._book.filters)

    def save(self, name: str, text: str) -> Filter:
        """Keep a filter under a name.

        Raises:
            FilterError: the text cannot be read.
            UsageError: the name is empty, or has spaces.
        """
        if not name or name.split() != [name]:
            raise UsageError(f"a filter is saved under one word, not {name!r}")
        found = Filter.parse(text)
        self._book.filters[name] = text
        self._book.changed()
        return found

    def get(self, name: str) -> Filter:
        """The filter of that name.

        Raises:
            UsageError: there is none.
        """
        text = self._book.filters.get(name)
        if text is None:
            raise UsageError(f"no filter is saved as {name!r}; there are: {', '.join(self.names) or 'none'}")
        return Filter.parse(text)

    def read(self, text: str) -> Filter:
        """A filter as people give it: ``@name`` for a saved one, or its text.

        Raises:
            UsageError: there is no filter of that name.
            FilterError: the text cannot be read.
        """
        return self.get(text[1:]) if text.startswith("@") else Filter.parse(text)

    def remove(self, name: str) -> None:
        """Forget a filter. One that is not there does no harm."""
        self._book.filters.pop(name, None)
        self._book.changed()


_UNITS = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "kb": 1 << 10,
    "m": 1 << 20,
    "mb": 1 << 20,
    "g": 1 << 30,
    "gb": 1 << 30,
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_NUMBERS: dict[str, tuple[Callable[[Hit], float | None], str]] = {
    "size": (lambda hit: hit.file.size, "bytes"),
    "bitrate": (lambda hit: hit.file.bitrate, "plain"),
    "length": (lambda hit: hit.file.length, "time"),
    "rate": (lambda hit: hit.file.sample_rate, "thousands"),
    "depth": (lambda hit: hit.file.bit_depth, "plain"),
    "speed": (lambda hit: hit.speed, "bytes"),
    "queue": (lambda hit: hit.queue, "plain"),
}
_FLAGS: dict[str, Test] = {
    "free": lambda hit: hit.free_slot,
    "locked": lambda hit: hit.locked,
    "vbr": lambda hit: hit.file.variable_bitrate,
    "lossless": lambda hit: hit.file.extension in LOSSLESS,
}
_TEXTS: dict[str, Callable[[Hit], str]] = {
    "path": lambda hit: hit.file.remote_path,
    "name": lambda hit: hit.file.name,
}
_NAMES = (*_NUMBERS, *_TEXTS, "type", "user")
_CONDITION = re.compile(r"([A-Za-z]+)(<=|>=|!=|<|>|=|:|~)")
_COMPARISON = re.compile(r"<=|>=|!=|<|>|=|~")
_WORD_END = re.compile(r"[\s()|]")


class _Parser:
    """Recursive descent over the text, with the position always at hand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._places = 0

    def parse(self) -> list[_Condition]:
        if len(self._text) > _LONGEST:
            raise self._error(_LONGEST, f"a filter has at most {_LONGEST} characters")
        found = self._either()
        if self._at < len(self._text):
            raise self._error(self._at, "a closing bracket without an opening one")
        return found

    def _error(self, at: int, reason: str) -> FilterError:
        return FilterError(self._text, at, reason)

    def _space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _next(self) -> str:
        self._space()
        return self._text[self._at] if self._at < len(self._text) else ""

    def _either(self) -> list[_Condition]:
        start = self._at
        ways = [self._all()]
        while self._next() == "|":
            at = self._at
            self._at += 1
            way = self._all()
            if not way or not ways[0]:
                raise self._error(at, "a condition is missing beside the bar")
            ways.append(way)
        if len(ways) == 1:
            return ways[0]
        return [_Condition(self._text[start : self._at].strip(), _any([_every(way) for way in ways]))]

    def _all(self) -> list[_Condition]:
        found: list[_Condition] = []
        while self._next() not in ("", "|", ")"):
            start = self._at
            test = self._one()
            found.append(_Condition(self._text[start : self._at], test))
        return found

    def _one(self) -> Test:
        start = self._at
        letter = self._next()
        if letter == "-":
            self._at += 1
            if self._at >= len(self._text) or self._text[self._at].isspace():
                raise self._error(start, "after the minus there is nothing to leave out")
            inner = self._one()
            return lambda hit: not inner(hit)
        if letter == "(":
            return self._group(start)
        if letter == '"':
            return _contains(self._quoted())
        condition = _CONDITION.match(self._text, self._at)
        if condition is not None:
            name, sign = condition.groups()
            # What begins with a capital letter may be any word, but not if it is the name of something.
            if name.islower() or name.lower() in _NAMES:
                self._at = condition.end()
                return self._condition(name.lower(), sign, start)
        if _COMPARISON.match(self._text, self._at):
            raise self._error(
                start, "this compares nothing: write it beside a name, as in size>10mb, or in quotes"
            )
        word = self._word()
        return _FLAGS.get(word.lower()) or _contains(word)

    def _group(self, start: int) -> Test:
        self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(start, f"brackets are nested more than {_DEEPEST} deep")
        inside = self._either()
        if self._next() != ")":
            raise self._error(start, "this bracket is never closed")
        if not inside:
            raise self._error(start, "nothing stands between the brackets")
        self._at += 1
        self._depth -= 1
        return _every(inside)

    def _condition(self, name: str, sign: str, start: int) -> Test:
        if name in _NUMBERS:
            if sign not in _COMPARE:
                raise self._error(start, f"{name} is a number: compare it with < <= > >= = or !=")
            return self._number(name, sign)
        if name in _TEXTS:
            if sign != "~":
                raise self._error(start, f"write {name}~/expression/")
            return self._expression(name)
        if name in ("type", "user"):
            if sign not in (":", "="):
                raise self._error(start, f"write {name}:value")
            return self._choice(name)
        known = ", ".join(_NAMES)
        raise self._error(start, f"nothing is called {name} here; there are {known}")

    def _number(self, name: str, sign: str) -> Test:
        at = self._at
        value = self._value(self._word().lower(), _NUMBERS[name][1], at)
        read, compare = _NUMBERS[name][0], _COMPARE[sign]

        def test(hit: Hit) -> bool:
            found = read(hit)
            return found is not None and compare(found, value)

        return test

    def _value(self, word: str, kind: str, at: int) -> float:
        if kind == "time" and ":" in word:
            parts = word.split(":")
            if len(parts) > 3 or not all(part.isascii() and part.isdigit() for part in parts):
                raise self._error(at, "write a time as 5:00 or 1:05:00, or as seconds")
            seconds = 0
            for part in parts:
                seconds = seconds * 60 + int(part)
            return seconds
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)([a-z]*)", word)
        if found is None:
            raise self._error(at, f"{word!r} is no number" if word else "a number is missing")
        number, unit = float(found[1]), found[2]
        units = {"bytes": _UNITS, "thousands": {"": 1, "k": 1000, "khz": 1000, "hz": 1}}.get(kind, {"": 1})
        if kind == "time":
            units = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
        if unit not in units:
            known = ", ".join(known for known in units if known) or "none"
            raise self._error(at + len(found[1]), f"{unit!r} is no unit here; there are: {known}")
        return number * units[unit]

    def _expression(self, name: str) -> Test:
        start = self._at
        if self._at >= len(self._text) or self._text[self._at] != "/":
            raise self._error(start, "the expression stands between slashes: /.../")
        end = start + 1
        while end < len(self._text) and self._text[end] != "/":
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise self._error(start, "the closing slash is missing")
        source = self._text[start + 1 : end]
        self._at = end + 1
        try:
            expression = Expression(source)
        except BadExpression as error:
            raise self._error(start + 1 + error.position, f"expression: {error.reason}") from None
        self._places += expression.places
        if self._places > _MOST_PLACES:
            raise self._error(start, f"all expressions together look for more than {_MOST_PLACES} characters")
        read = _TEXTS[name]
        return lambda hit: expression.found(read(hit))

    def _choice(self, name: str) -> Test:
        at = self._at
        values = [self._quoted() if self._text[self._at : self._at + 1] == '"' else self._word()]
        while self._text[self._at : self._at + 1] in ("|", ","):
            self._at += 1
            quoted = self._text[self._at : self._at + 1] == '"'
            values.append(self._quoted() if quoted else self._word())
        if not all(values):
            raise self._error(at, f"{name} needs a value")
        if name == "user":
            names = set(values)
            return lambda hit: hit.username in names
        endings = {value.lower().lstrip(".") for value in ",".join(values).split(",")}
        return lambda hit: hit.file.extension in endings

    def _quoted(self) -> str:
        start = self._at
        end = self._text.find('"', start + 1)
        if end < 0:
            raise self._error(start, "the closing quotation mark is missing")
        self._at = end + 1
        return self._text[start + 1 : end]

    def _word(self) -> str:
        found = _WORD_END.search(self._text, self._at)
        end = found.start() if found is not None else len(self._text)
        word = self._text[self._at : end]
        self._at = end
        return word


def _contains(words: str) -> Test:
    lowered = words.lower()
    return lambda hit: lowered in hit.file.remote_path.lower()


def _every(conditions: Iterable[_Condition]) -> Test:
    tests = [condition.holds for condition in conditions]
    return lambda hit: all(test(hit) for test in tests)


def _any(tests: list[Test]) -> Test:
    return lambda hit: any(test(hit) for test in tests)
