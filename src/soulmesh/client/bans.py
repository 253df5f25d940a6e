"""Ranges of addresses: read from lists of many kinds, written in one way, and asked quickly.

Block lists that are handed around have some hundred thousand lines. So a range is kept as its
text, and what it comes to is computed once, when the first address is asked for.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable

from soulmesh.errors import UsageError

__all__ = ["BadRange", "Spans", "read_bans", "read_range"]

_ZEROS = re.compile(r"\b0+(?=\d)")
_BITS = {4: 32, 6: 128}


class BadRange(UsageError):
    """Text that is neither an address nor a range of addresses; ``line`` says where, from 1 on, in a list."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text, line)
        self.text = text
        self.line = line

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        ways = "write 192.0.2.7, 192.0.2.0/24 or 192.0.2.0-192.0.2.99"
        return f"{where}{self.text!r} is no address or range: {ways}"


def read_range(text: str) -> str:
    """An address or a range, in the one way in which it is kept.

    ``192.0.2.7``, ``192.0.2.0/24``, ``192.0.2.0-192.0.2.99``, one of these after a name and a colon, or
    before a comma, with zeros before the numbers (``192.000.002.000 - 192.000.002.099 , 000 , Somebody``).

    Raises:
        BadRange: it is none of these.
    """
    whole = text.strip()
    for wanted in (whole, whole.rpartition(":")[2].strip(), whole.partition(",")[0].strip()):
        first, dash, last = (part.strip() for part in wanted.partition("-"))
        if "." in first and ":" not in first:
            first, last = _ZEROS.sub("", first), _ZEROS.sub("", last)
        try:
            if not dash:
                network = ipaddress.ip_network(first, strict=False)
                return _written(network[0], network[-1])
            return _written(ipaddress.ip_address(first), ipaddress.ip_address(last))
        except ValueError:
            continue
    raise BadRange(text)


def _written(first: ipaddress._BaseAddress, last: ipaddress._BaseAddress) -> str:
    size = int(last) - int(first) + 1
    if first.version != last.version or size <= 0:
        raise ValueError("it ends before it begins")
    if size & (size - 1) == 0 and int(first) % size == 0:
        return f"{first}/{_BITS[first.version] - size.bit_length() + 1}"
    return f"{first}-{last}"


def read_bans(text: str) -> tuple[list[str], list[str], int]:
    """Names and ranges out of a list: lines ``user NAME`` and ``address RANGE``, or ranges alone.

    What follows a ``#`` is a comment, but for names, which may have one.

    Returns:
        Names, ranges, and how many lines had one of them.

    Raises:
        BadRange: a line has neither.
    """
    names: list[str] = []
    ranges: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        if word == "user" and rest.strip():
            names.append(rest.strip())
            continue
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            ranges.append(read_range(rest.partition("#")[0] if word == "address" else line))
        except BadRange as error:
            raise BadRange(error.text, number) from None
    return names, ranges, len(names) + len(ranges)


class Spans:
    """Ranges, merged and in order, so that a list of a hundred thousand is asked quickly.

    Args:
        ranges: as :func:`read_range` writes them; what is none of these is left out.
    """

    def __init__(self, ranges: Iterable[str]) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._ends: dict[int, list[int]] = {4: [], 6: []}
        spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for text in ranges:
            version = 6 if ":" in text else 4
            try:
                spans[version].append(_ends(text, version))
            except ValueError:
                continue
        for version, found in spans.items():
            starts, ends = self._starts[version], self._ends[version]
            for first, last in sorted(found):
                if ends and first <= ends[-1] + 1:
                    ends[-1] = max(ends[-1], last)
                else:
                    starts.append(first)
                    ends.append(last)

    def hold(self, address: str) -> bool:
        """Whether an address lies in one of them."""
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        number = int(known)
        place = bisect_right(self._starts[known.version], number) - 1
        return place >= 0 and number <= self._ends[known.version][place]


def _ends(text: str, version: int) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if dash:
        return _number(first, version), _number(last, version)
    first, slash, bits = text.partition("/")
    number = _number(first, version)
    return number, number + (1 << (_BITS[version] - int(bits))) - 1 if slash else number


def _number(text: str, version: int) -> int:
    if version == 6:
        return int(ipaddress.IPv6Address(text))
    # A quarter of the time that the library takes.
    one, two, three, four = map(int, text.split("."))
    return one << 24 | two << 16 | three << 8 | four
