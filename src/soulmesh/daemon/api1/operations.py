"""Operations: declared once, from which come routing, checked input, errors and the OpenAPI document.

Input is strict here: unknown fields and wrong types are refused with a problem
(RFC 9457) that names the field. Answers to GET carry an ETag.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from soulmesh.daemon.api1.examples import example
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access, Handler, Route
from soulmesh.daemon.written import to_json

__all__ = [
    "Body",
    "Operation",
    "Page",
    "Part",
    "Query",
    "cursor",
    "document",
    "problem",
    "read_cursor",
    "route",
]


class Body(BaseModel):
    """What is sent to us or by us."""

    model_config = ConfigDict(extra="forbid")


class Query(BaseModel):
    """Parameters of the query."""

    model_config = ConfigDict(extra="forbid")


class Page(Query):
    """A part of a list."""

    cursor: str | None = None
    limit: int = 100


class Part(Query):
    """A part of a list that comes whole unless parts are asked for."""

    cursor: str | None = None
    limit: int | None = None
    """All if not given."""


Work = Callable[[Call, Any, Any], Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """One thing that can be done."""

    method: str
    path: str
    summary: str
    work: Work
    answer: Any = None
    """The model of the answer; ``None`` for an empty one, :class:`Response` for what is no JSON."""
    access: Access = Access.READ
    query: type[Query] | None = None
    body: type[Body] | None = None
    status: int = 200
    refusals: tuple[int, ...] = ()
    """Further statuses that this operation may answer with."""
    example: Any = None
    """Of the body."""
    lists: tuple[str, ...] = ("items",)
    """With a query of :class:`Part`: the lists of the answer, which are gone through one after the other."""


def problem(error: HttpError) -> Response:
    """An error as RFC 9457 wants it."""
    title = _TITLES.get(error.status, "Error")
    body = {"type": "about:blank", "title": title, "status": error.status}
    if error.message:
        body["detail"] = error.message
    if error.code:
        body["code"] = error.code
    if error.hint:
        body["hint"] = error.hint
    return Response(to_json(body), error.status, error.headers, media_type="application/problem+json")


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Wrong media type",
    416: "No such range",
    422: "Wrong input",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Not now",
    504: "No answer in time",
}


def cursor(*place: Any) -> str:
    """A place in a list, opaque to the caller."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(text: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The place that a cursor means.

    Raises:
        HttpError: 400, it is none of ours.
    """
    if text is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != len(kinds)
        or not all(isinstance(value, kind) for value, kind in zip(found, kinds, strict=True))
        or any(isinstance(value, int) and not -(1 << 62) < value < 1 << 62 for value in found)
    ):
        raise HttpError(400, "The cursor is none of ours")
    return tuple(found)


def route(operation: Operation) -> Route:
    """The route of an operation."""

    async def handler(call: Call) -> Response:
        query = body = None
        if operation.query is not None:
            query = _checked(operation.query, dict(call.request.query_params), "query")
            limit = getattr(query, "limit", 1)
            if limit is not None and not 1 <= limit <= 1000:
                raise HttpError(422, "query.limit: has to be between 1 and 1000")
        elif set(call.query) - {"access_token"}:
            raise HttpError(422, f"query: unknown parameter {next(iter(call.query))}")
        if operation.body is not None:
            found = await call.json()
            if not isinstance(found, dict):
                raise HttpError(422, "body: a JSON object is required")
            body = _checked(operation.body, found, "body")
        outcome = await operation.work(call, query, body)
        if isinstance(outcome, Response):
            return outcome
        if operation.answer is None:
            return Response(None, operation.status)
        if isinstance(query, Part):
            outcome = {**outcome, **_part(outcome, operation.lists, query)}
        data = outcome if isinstance(outcome, bytes) else to_json(outcome)
        return _tagged(call, data, operation.status)

    chosen: Handler = handler
    return Route(operation.method, operation.path, chosen, operation.access)


def _part(outcome: dict[str, Any], lists: Iterable[str], query: Part) -> dict[str, Any]:
    place = read_cursor(query.cursor, int)
    start = max(0, place[0]) if place else 0
    whole = sum(len(outcome[name]) for name in lists)
    end = whole if query.limit is None else start + query.limit
    found: dict[str, Any] = {**outcome, "next": cursor(end) if end < whole else None}
    before = 0
    for name in lists:
        items: Sequence[Any] = outcome[name]
        found[name] = items[max(0, start - before) : max(0, end - before)]
        before += len(items)
    return found


def _checked(model: type[BaseModel], found: dict[str, Any], where: str) -> BaseModel:
    if where == "query":
        found = {name: value for name, value in found.items() if name != "access_token"}
    try:
        if where == "query":
            return model.model_validate(found)
        return model.model_validate_json(to_json(found), strict=True)
    except (ValidationError, ValueError) as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join([where, *map(str, first["loc"])])
            raise HttpError(422, f"{name}: {first['msg']}") from None
        raise HttpError(422, f"{where}: cannot be read") from None


def _tagged(call: Call, data: bytes, status: int) -> Response:
    headers = {}
    if call.request.method in ("GET", "HEAD") and status == 200:
        tag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if call.knows(tag):
            return Response(None, 304, headers)
    return Response(data, status, headers, media_type="application/json")


def document(
    operations: Iterable[Operation],
    version: str,
    base: str,
    *,
    token_in_query: Iterable[tuple[str, ...]] = (),
) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        token_in_query: paths, in pieces with ``*`` for what varies, that take the credential in the query.
    """
    in_query = {"/" + "/".join(pieces) for pieces in token_in_query}
    schemas: dict[str, Any] = {
        "Problem": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "code": {
                    "type": "string",
                    "description": "Which of the client's refusals it is: user_offline, user_unknown, "
                    "room_refused, too_many_requests, not_connected, no_reply and the like.",
                },
                "hint": {"type": "string", "description": "What can be done about it, if anybody knows."},
            },
            "required": ["type", "title", "status"],
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Wrong input",
                    "status": 422,
                    "detail": "query.limit: has to be between 1 and 1000",
                }
            ],
        }
    }
    paths: dict[str, Any] = {}
    for operation in operations:
        described = _described(operation, schemas)
        if operation.method == "GET" and re.sub(r"\{[^}]*\}", "*", operation.path) in in_query:
            described["security"] = [{"key": []}, {"login": []}, {"token": []}]
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "soulmesh",
            "version": version,
            "summary": "The Soulseek client as a daemon.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": f"{base}/api/v1"}],
        "security": [{"key": []}, {"login": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "login": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "token": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "access_token",
                    "description": "A key or a login, where a browser can send no header.",
                },
            },
        },
    }


def _described(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    words = operation.path.strip("/").replace("{", "").replace("}", "").replace("/", "_") or "root"
    found: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{words}",
        "summary": operation.summary,
        "responses": _responses(operation, schemas),
    }
    parameters = [
        {"name": piece[1:-1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for piece in operation.path.split("/")
        if piece.startswith("{")
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        for name, described in schema["properties"].items():
            wanted = {key: value for key, value in described.items() if key != "title"}
            if name == "limit":
                usual = {} if wanted["default"] is None else {"default": wanted["default"]}
                wanted = {"type": "integer", "minimum": 1, "maximum": 1000, **usual}
            required = name in schema.get("required", ())
            parameters.append({"name": name, "in": "query", "required": required, "schema": wanted})
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        content: dict[str, Any] = {"schema": _schema(operation.body, schemas)}
        if operation.example is not None:
            content["example"] = operation.example
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    if operation.access is Access.PUBLIC:
        found["security"] = []
    return found


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if operation.answer is Response:
        good["content"] = {"*/*": {}}
    elif operation.answer is not None:
        good["content"] = {
            "application/json": {
                "schema": _schema(operation.answer, schemas),
                "example": example(operation.answer),
            }
        }
    found = {str(operation.status): good}
    # 503: while another client takes over, any request may be told to come again.
    refused = {400, 401, 403, 404, 405, 413, 415, 422, 500, 503, *operation.refusals}
    wrong = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted(refused):
        found[str(status)] = {"description": _TITLES[status], "content": wrong}
    if operation.method == "GET" and operation.answer not in (None, Response):
        found["304"] = {"description": "Nothing new."}
    return found


def _schema(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    return {"$ref": f"#/components/schemas/{model.__name__}"}
