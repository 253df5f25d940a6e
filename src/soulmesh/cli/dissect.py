"""Captured bytes taken apart into messages, guessing what kind of connection they come from.

A capture says nothing about itself. The same bytes can be read as one kind of
connection or another; the right one is usually the only one under which
everything can be read, to the last byte. :func:`dissect` tries what was not
told to it and says what else would have fitted as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from soulmesh import wire
from soulmesh.errors import DecodeError, FrameError, RefusedValue, UsageError, WireError
from soulmesh.wire import file, peer_init
from soulmesh.wire.message import CATALOGUE, DIRECTIONS, FAMILIES, TO_DOWNLOADER, TO_UPLOADER, Side, side

__all__ = ["Dissection", "Part", "dissect"]

_SIDES = (*CATALOGUE, TO_DOWNLOADER, TO_UPLOADER)
_AFTER_INIT = {"P": ("peer", "peer"), "D": ("distributed", "peer")}
_WORTH = {"used": 3, "deprecated": 1, "obsolete": 0, "unverified": 0}
_FILE_SIZES = (4, 8, 12)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the capture: a message, bytes that are none, or the contents of a file.

    ``size`` counts its bytes in the capture from ``offset`` on (with key, length and code).
    A message that can be read but should be refused comes with an ``error``; bytes of a file have neither.
    """

    side: Side
    offset: int
    size: int
    code: int | None = None
    name: str | None = None
    message: wire.Message | None = None
    error: WireError | None = None
    exact: bool = False
    """Writing the message again gives these very bytes."""


@dataclass(slots=True)
class Dissection:
    """What a capture holds."""

    parts: list[Part]
    side: Side
    obfuscated: bool = False
    guessed: bool = False
    others: list[str] = field(default_factory=list)
    """Readings that fit as well, if this one was guessed."""

    @property
    def label(self) -> str:
        """Family and direction in one word."""
        return _label(self.side, self.obfuscated)


def dissect(
    data: bytes, family: str | None = None, direction: str | None = None, *, obfuscated: bool | None = None
) -> Dissection:
    """Take a capture of one direction of one connection apart.

    Args:
        data: what travelled, from the beginning of a message.
        family: as in :func:`soulmesh.wire.decode`; guessed if not given.
        direction: likewise.
        obfuscated: whether the bytes come from an obfuscated port; guessed if not given.

    Raises:
        UsageError: no such family or direction, or no bytes.
    """
    if not data:
        raise UsageError("there are no bytes to read")
    sides = _candidates(family, direction, len(data))
    ways = [(s, False) for s in sides] if not obfuscated else []
    if obfuscated or obfuscated is None:
        ways += [(s, True) for s in sides if s.family.code_width and s.family.name != "server"]
    if not ways:
        raise UsageError(f"{family} connections are never obfuscated")
    tried = [Dissection(list(_read(data, s, hidden)), s, hidden) for s, hidden in ways]
    scores = [_score(d) for d in tried]
    best = max(scores)
    found = tried[scores.index(best)]
    found.guessed = len(sides) > 1 or (found.obfuscated and not obfuscated)
    found.others = [d.label for d in tried if d is not found and not d.obfuscated and _fits(d)]
    return found


def _candidates(family: str | None, direction: str | None, size: int) -> list[Side]:
    if family is not None and family not in FAMILIES:
        raise UsageError(f"no family {family!r}; known: {', '.join(FAMILIES)}")
    if direction is not None and direction not in DIRECTIONS:
        raise UsageError(f"no direction {direction!r}; known: {', '.join(DIRECTIONS)}")
    if family is not None and direction is not None:
        return [side(family, direction)]
    sides = [s for s in dict.fromkeys(_SIDES) if family in (None, s.family.name)]
    if family is None and direction is None and size not in _FILE_SIZES:
        # Anything at all can be a ticket and the contents of a file: that is no guess.
        sides = [s for s in sides if s.family.code_width]
    return [s for s in sides if direction in (None, s.direction)]


def _label(side: Side, obfuscated: bool) -> str:
    return f"{side.family.name}/{side.direction}{', obfuscated' if obfuscated else ''}"


# -- reading ------------------------------------------------------------------


def _read(data: bytes, side: Side, obfuscated: bool, offset: int = 0) -> Iterator[Part]:
    if not side.family.code_width:
        yield from _read_file(data, side, offset)
        return
    reader = wire.FrameReader(side.family.name, side.direction, obfuscated=obfuscated)
    most = 1 if side.family.name == "peer_init" else None
    at = offset
    try:
        for frame in reader.feed(data, most):
            part = _part(frame, at, obfuscated)
            at += part.size
            yield part
            if most:
                yield from _read_after_init(part, reader.rest(), obfuscated, at)
                return
        reader.eof()
    except FrameError as error:
        yield Part(side, at, len(data) - (at - offset), error=error)


def _part(frame: wire.Frame, offset: int, obfuscated: bool) -> Part:
    size = len(frame.data) + frame.skipped + (4 if obfuscated else 0)
    try:
        message = frame.decode()
    except DecodeError as error:
        return Part(frame.side, offset, size, frame.code, frame.name, error=error)
    exact = _exact(frame, message)
    return Part(frame.side, offset, size, frame.code, frame.name, message, _refusal(message), exact)


def _refusal(message: wire.Message) -> RefusedValue | None:
    try:
        wire.check(message)
    except RefusedValue as error:
        return error
    return None


def _exact(frame: wire.Frame, message: wire.Message) -> bool:
    written = wire.encode(message)
    if message.LAYOUT.compressed:
        # The same body can be compressed in many ways.
        return zlib.decompress(written[8:]) == zlib.decompressobj().decompress(frame.payload)
    return written == frame.data


def _read_after_init(init: Part, data: bytes, obfuscated: bool, offset: int) -> Iterator[Part]:
    """What follows the first message of a connection between users belongs to another family."""
    if not data:
        return
    if isinstance(init.message, peer_init.PeerInit) and init.message.connection_type in _AFTER_INIT:
        family, direction = _AFTER_INIT[init.message.connection_type]
        # After the first message only P connections stay obfuscated.
        yield from _read(data, side(family, direction), obfuscated and family == "peer", offset)
    elif isinstance(init.message, peer_init.PeerInit):
        yield from _read_file(data, TO_DOWNLOADER, offset)
    elif init.error is None:
        # PeerPierceFirewall does not say what it opens.
        ways = [("peer", obfuscated), ("distributed", False)]
        tried = [list(_read(data, side(family, "peer"), hidden, offset)) for family, hidden in ways]
        tried.append(list(_read_file(data, TO_DOWNLOADER, offset)))
        yield from max(tried, key=_score_of_parts)


def _read_file(data: bytes, side: Side, offset: int) -> Iterator[Part]:
    """A ticket or an offset (or both, from old downloaders), and the file."""
    first = 8 if side is TO_UPLOADER and len(data) == 8 else 4
    at = 0
    for size in (first, 8) if side is TO_UPLOADER and len(data) == 12 else (first,):
        piece = data[at : at + size]
        try:
            message = wire.decode(piece, side.family.name, side.direction)
        except DecodeError as error:
            yield Part(side, offset + at, len(data) - at, name=error.message, error=error)
            return
        yield Part(side, offset + at, size, None, message.LAYOUT.name, message, _refusal(message), True)
        at += size
    if at < len(data):
        yield Part(side, offset + at, len(data) - at)


# -- guessing -------------------------------------------------------------------


def _score(found: Dissection) -> float:
    # Obfuscated bytes look like anything; clear ones seldom do by chance.
    return _score_of_parts(found.parts) - (2.0 if found.obfuscated else 0.0)


def _fits(found: Dissection) -> bool:
    """Whether all of it can be read as messages that would be written so."""
    return all(
        p.exact and p.error is None and not isinstance(p.message, wire.UnknownMessage) for p in found.parts
    )


def _score_of_parts(parts: list[Part]) -> float:
    """How likely it is that these bytes were meant so, byte for byte."""
    total = sum(part.size for part in parts)
    return sum(_score_of(part) * part.size for part in parts) / total


def _score_of(part: Part) -> float:
    if part.error is not None and part.message is None:
        cut_short = isinstance(part.error, FrameError) and "ended inside" in str(part.error)
        return -2.0 if cut_short else -6.0
    if part.message is None:
        return -1.0
    if isinstance(part.message, wire.UnknownMessage):
        return -4.0
    if isinstance(part.message, file.FileTicket | file.LegacyFileTicket | file.FileOffset):
        return 0.0  # any four or eight bytes are one
    likely = sum(_likely(value) for value in wire.to_fields(part.message).values())
    refused = 3 if part.error is not None else 0
    return _WORTH[part.message.LAYOUT.status] + (4 if part.exact else 0) + min(likely, 1) - refused


def _likely(value: object) -> float:
    """Text that people or programs write speaks for a reading, control characters against it."""
    if isinstance(value, str) and value:
        return 0.5 if value.isprintable() else -2
    return 0.0
