"""What a message is: a class with slots, a layout, and a codec compiled at first use.

:func:`message` turns an annotated class into a message and enters it into the
catalogue of its family and direction; :func:`struct` does the same for the
structures inside messages. Neither reads the annotations: that waits until a
message is first built, read or written (:mod:`soulmesh.wire.codec`), so a small
program pays only for the few messages it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, ClassVar, TypeVar, dataclass_transform

from soulmesh.errors import UsageError

__all__ = [
    "CATALOGUE",
    "DIRECTIONS",
    "DISTRIBUTED",
    "FAMILIES",
    "KIB",
    "MIB",
    "PEER",
    "PEER_INIT",
    "TO_CLIENT",
    "TO_DOWNLOADER",
    "TO_SERVER",
    "TO_UPLOADER",
    "Family",
    "Layout",
    "Message",
    "Side",
    "Struct",
    "UnknownMessage",
    "catalogue",
    "message",
    "side",
    "struct",
]

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of connection.

    ``code_width`` is the number of bytes of a message code (0: not framed).
    """

    name: str
    code_width: int


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of a family: a code means one layout here.

    ``limit`` bounds a frame (code and body, bytes) whose message has no limit
    of its own, ``unknown_limit`` one with an unknown code.
    """

    family: Family
    direction: str
    limit: int
    unknown_limit: int


_SERVER = Family("server", 4)
_PEER_INIT = Family("peer_init", 1)
_PEER = Family("peer", 4)
_DISTRIBUTED = Family("distributed", 1)
_FILE = Family("file", 0)

TO_SERVER = Side(_SERVER, "to_server", 64 * KIB, 64 * KIB)
TO_CLIENT = Side(_SERVER, "to_client", 64 * MIB, 64 * MIB)
PEER_INIT = Side(_PEER_INIT, "peer", 16 * KIB, 16 * KIB)
PEER = Side(_PEER, "peer", 1 * MIB, 16 * MIB)
DISTRIBUTED = Side(_DISTRIBUTED, "peer", 16 * KIB, 16 * KIB)
TO_DOWNLOADER = Side(_FILE, "to_downloader", 8, 8)
TO_UPLOADER = Side(_FILE, "to_uploader", 8, 8)

_SIDES = {
    (s.family.name, s.direction): s
    for s in (TO_SERVER, TO_CLIENT, PEER_INIT, PEER, DISTRIBUTED, TO_DOWNLOADER, TO_UPLOADER)
}

FAMILIES = tuple(dict.fromkeys(family for family, _ in _SIDES))
"""Names of all families."""

DIRECTIONS = tuple(dict.fromkeys(direction for _, direction in _SIDES))
"""Names of all directions."""


def side(family: str, direction: str) -> Side:
    """The side called ``direction`` of the family called ``family``.

    Raises:
        UsageError: there is no such family or direction.
    """
    found = _SIDES.get((family, direction))
    if found is None:
        known = ", ".join(f"{f}/{d}" for f, d in _SIDES)
        raise UsageError(f"no messages travel {direction!r} on {family!r} connections; known: {known}")
    return found


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a message belongs, and how it is framed.

    ``code`` is ``None`` for the unframed messages of file connections.
    ``limit`` bounds the frame (code and body, bytes), ``inflated_limit`` the
    body after decompression. ``status`` is ``used``, ``deprecated`` (old
    clients only), ``obsolete`` (without effect today) or ``unverified``.
    """

    side: Side
    name: str
    code: int | None
    code_width: int
    status: str
    compressed: bool
    limit: int
    inflated_limit: int
    inflated_ratio: int = 0

    def most_inflated(self, size: int) -> int:
        """Most bytes that ``size`` compressed bytes of this message may become.

        Replies that strangers send unasked may grow by ``inflated_ratio`` only (beyond the first 8 MiB).
        zlib makes 1,000 equal bytes out of one, and a reply of 128 KiB could fill a gigabyte with files.
        """
        if not self.inflated_ratio:
            return self.inflated_limit
        return min(self.inflated_limit, 8 * MIB + self.inflated_ratio * size)

    @property
    def family(self) -> str:
        """Name of the family."""
        return self.side.family.name

    @property
    def direction(self) -> str:
        """Name of the direction."""
        return self.side.direction


def _same(one: Any, other: Any) -> bool:
    """Whether two values of one field are equal; a list and a tuple of equal elements are."""
    if one == other:
        return True
    sequences = isinstance(one, list | tuple) and isinstance(other, list | tuple)
    return sequences and list(one) == list(other)


class Struct:
    """Base of everything that is declared: fields in slots, compared by value.

    Values are read-only to type checkers and plain at run time; a frozen
    class costs too much when files arrive by the hundred thousand.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, **fields: Any) -> None:
        from soulmesh.wire.codec import compile_init

        compile_init(type(self))
        type(self).__init__(self, *args, **fields)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in self.__match_args__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


class Message(Struct):
    """Base of all messages. ``LAYOUT`` says where a message belongs."""

    __slots__ = ()
    LAYOUT: ClassVar[Layout]


class UnknownMessage(Message):
    """A message with a code that the catalogue does not know: data, kept and passed on."""

    __slots__ = ("code", "payload", "side")
    __match_args__ = ("side", "code", "payload")

    def __init__(self, side: Side, code: int, payload: bytes) -> None:
        self.side = side
        self.code = code
        self.payload = payload

    @property
    def LAYOUT(self) -> Layout:  # type: ignore[override]
        """A layout made up for this code."""
        width, limit = self.side.family.code_width, self.side.unknown_limit
        return Layout(self.side, "UnknownMessage", self.code, width, "unverified", False, limit, 0)


CATALOGUE: dict[Side, dict[int, type[Message]]] = {s: {} for s in _SIDES.values()}
"""Every framed message by side and code."""

_UNFRAMED: list[type[Message]] = []

S = TypeVar("S", bound=Struct)
M = TypeVar("M", bound=Message)


def _with_slots(cls: type[S], namespace: dict[str, Any]) -> type[S]:
    """The same class again, with its annotated fields as slots.

    A default in the class body would clash with the slot of the same name, so
    defaults move to ``_defaults``.
    """
    names = tuple(get_annotations(cls))
    body = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__")}
    defaults = {name: body.pop(name) for name in names if name in body}
    body.update(namespace, __slots__=names, _defaults=defaults, __match_args__=names)
    made: type[S] = type(cls.__name__, cls.__bases__, body)
    return made


@dataclass_transform(frozen_default=True)
def struct(cls: type[S]) -> type[S]:
    """Declare a structure that occurs inside messages."""
    return _with_slots(cls, {})


@dataclass_transform(frozen_default=True)
def message(
    side: Side,
    code: int | None = None,
    *,
    name: str | None = None,
    status: str = "used",
    compressed: bool = False,
    code_width: int | None = None,
    limit: int | None = None,
    inflated_limit: int = 0,
    inflated_ratio: int = 0,
) -> Callable[[type[M]], type[M]]:
    """Declare a message: where it travels, its code, and how it differs from its family.

    Args:
        side: family and direction.
        code: number of the message; ``None`` on file connections, which have none.
        name: the specification's name where the class needs another one.
        status: see :class:`Layout`.
        compressed: the body is one zlib stream.
        code_width: bytes of the code where they differ from the family's.
        limit: most bytes of code and body.
        inflated_limit: most bytes of the body after decompression.
        inflated_ratio: how many times larger it may become, 0 for any number; see
            :meth:`Layout.most_inflated`.
    """

    def declare(cls: type[M]) -> type[M]:
        layout = Layout(
            side,
            name or cls.__name__,
            code,
            side.family.code_width if code_width is None else code_width,
            status,
            compressed,
            limit or side.limit,
            inflated_limit,
            inflated_ratio,
        )
        made = _with_slots(cls, {"LAYOUT": layout})
        if code is None:
            _UNFRAMED.append(made)
        elif CATALOGUE[side].setdefault(code, made) is not made:
            raise UsageError(f"code {code} of {side.family.name}/{side.direction} is declared twice")
        return made

    return declare


def catalogue() -> Iterator[type[Message]]:
    """Every declared message, family by family, in order of code; unframed ones last."""
    for messages in CATALOGUE.values():
        yield from (messages[code] for code in sorted(messages))
    yield from _UNFRAMED
