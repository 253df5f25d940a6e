"""Which handler a request is for, read from the path as it came over the wire.

A name in a path may hold anything, an encoded slash too: so the target is cut
at its slashes first, and each piece is decoded once, after that. One slash at
the end is ignored; nothing is ever answered with a redirect, because clients
do not follow one with a POST.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import unquote_to_bytes

from starlette.requests import HTTPConnection
from starlette.responses import Response

from soulmesh.daemon.http.call import Call
from soulmesh.wire import text

__all__ = ["Access", "Handler", "Route", "Router", "WebSocketHandler", "segments"]

Handler = Callable[[Call], Awaitable[Response]]
WebSocketHandler = Callable[[HTTPConnection], Awaitable[None]]


class Access(Enum):
    """Who may call something."""

    PUBLIC = "public"
    """Everybody, without any credential."""
    READ = "read"
    """Any valid credential."""
    WRITE = "write"
    """A credential whose role may change things."""
    ADMIN = "admin"
    """The administrator, by key or by login."""
    LOGIN = "login"
    """The administrator who logged in with a password: a key is not enough."""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of an API: method, path below the API's root, who may, and what happens."""

    method: str
    path: str
    handler: Handler
    access: Access = Access.READ


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


def segments(raw_path: bytes, base: tuple[str, ...] = ()) -> list[str] | None:
    """The pieces of a path, each decoded exactly once; ``None`` if it does not begin with ``base``."""
    pieces = raw_path.partition(b"?")[0].split(b"/")
    if pieces and not pieces[0]:
        del pieces[0]
    if pieces and not pieces[-1]:
        del pieces[-1]
    found = [text(unquote_to_bytes(piece)) for piece in pieces]
    if tuple(found[: len(base)]) != base:
        return None
    return found[len(base) :]


class Router:
    """A tree of path pieces. What is written out goes before what is variable."""

    def __init__(self, routes: Iterator[Route] | list[Route] | None = None) -> None:
        self._root = _Node()
        self.routes: list[Route] = []
        for route in routes or ():
            self.add(route)

    def add(self, route: Route, prefix: str = "") -> None:
        """Add a route; the pieces in braces are variable."""
        node = self._root
        names: list[str] = []
        for piece in f"{prefix}{route.path}".strip("/").split("/"):
            if piece.startswith("{"):
                names.append(piece[1:-1])
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            elif piece:
                node = node.literals.setdefault(piece.lower(), _Node())
        if route.method in node.routes:
            raise AssertionError(f"two routes for {route.method} {prefix}{route.path}")
        node.routes[route.method] = (route, tuple(names))
        self.routes.append(route)

    def find(self, method: str, pieces: list[str]) -> tuple[Route, dict[str, str]] | None:
        """The route for a request and the variable pieces of its path; ``None`` if there is none."""
        for node, values in self._nodes(self._root, pieces, ()):
            hit = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
            if hit is not None:
                route, names = hit
                return route, dict(zip(names, values, strict=True))
        return None

    def allowed(self, pieces: list[str]) -> list[str]:
        """The methods that this path knows; empty if there is nothing at all."""
        found: set[str] = set()
        for node, _ in self._nodes(self._root, pieces, ()):
            found.update(node.routes)
        return sorted(found)

    def _nodes(
        self, node: _Node, pieces: list[str], values: tuple[str, ...]
    ) -> Iterator[tuple[_Node, tuple[str, ...]]]:
        if not pieces:
            yield node, values
            return
        literal = node.literals.get(pieces[0].lower())
        if literal is not None:
            yield from self._nodes(literal, pieces[1:], values)
        if node.parameter is not None and pieces[0]:
            yield from self._nodes(node.parameter, pieces[1:], (*values, pieces[0]))
