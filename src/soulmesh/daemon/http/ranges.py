"""Which part of a file a request wants (RFC 9110, sections 13.1.5 and 14), also of one that still grows."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Part", "part_of"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Part:
    """The answer: bytes from ``first`` to ``last``, both included."""

    status: int
    """200 for all that is here, 206 for a part of it, 416 where nothing of the part is here."""
    first: int
    last: int
    content_range: str | None
    """The header of this name."""

    @property
    def length(self) -> int:
        """Bytes that are sent."""
        return max(0, self.last - self.first + 1)


def part_of(wanted: str | None, condition: str | None, tag: str, here: int, whole: int | None) -> Part:
    """What to answer.

    Args:
        wanted: the header Range; of several ranges none is served, and all that is here comes.
        condition: the header If-Range. Another file than the one it names is not continued.
        tag: the entity tag of the file.
        here: bytes that are on disk.
        whole: bytes that it will have, ``None`` where nobody knows.
    """
    everything = Part(200, 0, here - 1, None)
    found = _RANGE.fullmatch((wanted or "").strip())
    # A date says too little of a file that grows: it never fits.
    if found is None or not any(found.groups()) or (condition is not None and condition.strip() != tag):
        return everything
    begin, end = found.groups()
    size = str(whole) if whole is not None else "*"
    if begin:
        first, last = int(begin), min(int(end), here - 1) if end else here - 1
        if end and int(end) < first:
            # No range at all (14.1.1), so none was asked for.
            return everything
    else:
        # The end of what is not here yet cannot be sent.
        end_of_it = whole if whole is not None else here
        first, last = max(0, end_of_it - int(end)), here - 1
    if first > last:
        return Part(416, 0, -1, f"bytes */{size}" if whole is not None else f"bytes */{here}")
    return Part(206, first, last, f"bytes {first}-{last}/{size}")
