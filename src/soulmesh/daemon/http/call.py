"""One request, as a handler sees it: who asks, the pieces of the path, the query, the body.

Input is read leniently, as slskd's consumers need it: names of properties and
of query parameters in any case, numbers that come as text, booleans in any
spelling, unknown properties ignored. The body has a limit in bytes and in
seconds, whatever the caller announces.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.identity import ANONYMOUS, Identity

__all__ = ["Call", "Properties", "boolean", "guid", "integer"]

T = TypeVar("T")

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes. Ten thousand files to download are about 3 MB."""
SLOWEST_BODY = 30.0
"""Seconds in which the whole body has to arrive."""
DEEPEST_JSON = 64

_MISSING = object()


class Call:
    """One request."""

    def __init__(self, request: Request, values: Mapping[str, str], identity: Identity = ANONYMOUS) -> None:
        self.request = request
        self.path = values
        self.identity = identity
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters by lower-case name; of a repeated one the last counts."""
        if self._query is None:
            # A plus in a query is a space; in a path it is a plus.
            raw = self.request.scope.get("query_string", b"").decode("latin-1")
            self._query = {name.lower(): value for name, value in parse_qsl(raw, keep_blank_values=True)}
        return self._query

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean of the query; what cannot be read is the default."""
        found = boolean(self.query.get(name.lower()))
        return default if found is None else found

    def number(self, name: str, default: int) -> int:
        """An integer of the query; what cannot be read is the default."""
        found = integer(self.query.get(name.lower()))
        return default if found is None else found

    def word(self, name: str) -> str | None:
        """A text of the query, ``None`` if it is missing or blank."""
        return self.query.get(name.lower(), "").strip() or None

    def knows(self, tag: str) -> bool:
        """Whether the caller has the answer with this ETag already."""
        given = self.request.headers.get("if-none-match", "").split(",")
        return any(text.strip().removeprefix("W/") in (tag, "*") for text in given)

    async def body(self, limit: int = LARGEST_BODY) -> bytes:
        """The whole body.

        Raises:
            HttpError: 413 too large, 408 too slow, 400 broken off.
        """
        announced = integer(self.request.headers.get("content-length"))
        if announced is not None and announced > limit:
            raise HttpError(413, f"The body may have at most {limit} bytes")
        parts = bytearray()
        try:
            async with asyncio.timeout(SLOWEST_BODY):
                async for part in self.request.stream():
                    parts += part
                    if len(parts) > limit:
                        raise HttpError(413, f"The body may have at most {limit} bytes")
        except TimeoutError:
            raise HttpError(408, "The body did not arrive in time") from None
        except ClientDisconnect:
            raise HttpError(400, "The connection broke before the body was complete") from None
        return bytes(parts)

    async def json(self, limit: int = LARGEST_BODY) -> Any:
        """The body as JSON; ``None`` for an empty one.

        Raises:
            HttpError: 415 for another media type, 400 for what is no JSON.
        """
        data = await self.body(limit)
        if not data.strip():
            return None
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise HttpError(415, "The body has to be application/json")
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise HttpError(400, "The body is no JSON") from None

    async def properties(self) -> Properties:
        """The body as an object with properties.

        Raises:
            HttpError: as for :meth:`json`, and 400 for anything but an object.
        """
        found = await self.json()
        if not isinstance(found, dict):
            raise HttpError(400, "A JSON object is required")
        return Properties(found)

    async def quoted(self, *, limit: int = 1 << 20) -> str:
        """The body as a JSON string; empty if there is none.

        Raises:
            HttpError: as for :meth:`json`, and 400 for anything but a string.
        """
        found = await self.json(limit)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise HttpError(400, "A JSON string in quotes is required")
        if not _encodable(found):
            raise HttpError(400, "The text holds half of a surrogate pair")
        return found

    def guid(self, name: str) -> str:
        """A GUID of the path, in its usual form.

        Raises:
            HttpError: 400, it is none.
        """
        found = guid(self.path[name])
        if found is None:
            raise HttpError(400, f"{self.path[name]!r} is no id")
        return found


class Properties:
    """A JSON object whose properties are found in any case."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = {str(name).lower(): value for name, value in found.items()}

    def get(self, name: str) -> Any:
        """The value as it is; ``None`` if it is missing."""
        return self._found.get(name.lower())

    def text(self, name: str) -> str | None:
        """A text. Numbers are taken as text, other things are an error.

        Raises:
            HttpError: 400.
        """
        found = self.get(name)
        if found is None:
            return None
        if isinstance(found, int | float) and not isinstance(found, bool):
            return str(found)
        if not isinstance(found, str) or not _encodable(found):
            raise HttpError(400, f"{name} has to be a text")
        return found

    def integer(self, name: str) -> int | None:
        """An integer, perhaps as text.

        Raises:
            HttpError: 400, it is none.
        """
        found = self.get(name)
        if found is None:
            return None
        number = integer(found)
        if number is None:
            raise HttpError(400, f"{name} has to be an integer")
        return number

    def boolean(self, name: str) -> bool | None:
        """A boolean, perhaps as text.

        Raises:
            HttpError: 400, it is none.
        """
        found = self.get(name)
        if found is None:
            return None
        value = boolean(found)
        if value is None:
            raise HttpError(400, f"{name} has to be true or false")
        return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def integer(value: Any) -> int | None:
    """An integer out of a number or a text; ``None`` if it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1 << 63 else None
    if isinstance(value, str) and len(value) <= 20:
        text = value.strip()
        if text.lstrip("+-").isdigit() and text.isascii():
            try:
                return integer(int(text))
            except ValueError:
                return None
    return None


def boolean(value: Any) -> bool | None:
    """A boolean out of a boolean or a text in any case; ``None`` if it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return None


def guid(value: Any) -> str | None:
    """A GUID in lower case with hyphens, out of any of its spellings; ``None`` if it is none."""
    if not isinstance(value, str) or not 32 <= len(value.strip()) <= 38:
        return None
    plain = value.strip().strip("{}()").replace("-", "")
    if len(plain) != 32 or not all(digit in "0123456789abcdefABCDEF" for digit in plain):
        return None
    return str(uuid.UUID(hex=plain))
