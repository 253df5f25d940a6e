"""All settings with their explanations, types, limits and values, for whoever shows them to a person."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from soulmesh import settings as reading
from soulmesh.config import Settings
from soulmesh.daemon.masks import MASK, unmasked_headers, unmasked_url

__all__ = ["NEEDS_RESTART", "as_said", "fields", "knobs", "value_of"]

NEEDS_RESTART = (
    "web.host",
    "web.port",
    "web.certificate",
    "web.certificate_key",
    "daemon.data",
    "metrics.path",
)
"""What a running daemon cannot change: it goes by these from the next start."""
_HIDDEN_PARTS = frozenset(
    {"password_command", "forwarded_port_command", "webhooks", "scripts", "web.api_keys"}
)
"""No secrets by their type, but commands and addresses that may carry one."""
_TABLES = ("webhooks", "scripts", "web.api_keys")
_SECRETS = ("secret", "key")
"""Of what stands in these tables."""


def knobs(settings: Settings, changed: typing.Collection[str]) -> list[dict[str, Any]]:
    """Every setting.

    Args:
        settings: with the values of now.
        changed: keys that were set over HTTP.
    """
    found = []
    for key, field in reading.keys(Settings).items():
        section, _, name = key.rpartition(".")
        value = value_of(settings, key)
        kind, choices = _kind(field)
        secret = kind == "secret" or _hidden(key)
        default = field.get_default(call_default_factory=True)
        least, most = _limits(field)
        found.append(
            {
                "key": key,
                "section": section,
                "title": name.replace("_", " "),
                "description": " ".join((field.description or "").split()),
                "type": kind,
                "choices": choices,
                "minimum": least,
                "maximum": most,
                "nullable": _nullable(field),
                "default": None if secret else _plain(default),
                "value": (MASK if value not in (None, {}, [], "") else None) if secret else _plain(value),
                "set": value != default,
                "restart": key in NEEDS_RESTART,
                "changed_here": key in changed,
                "examples": [_plain(example) for example in field.examples or ()],
            }
        )
    return found


def as_said(values: typing.Mapping[str, typing.Any], settings: Settings) -> dict[str, Any]:
    """What somebody means who was shown :func:`knobs`: what is hidden, and comes back so, stays as it is.

    Raises:
        ValueError: nothing is behind the mask.
    """
    found, known = {}, reading.keys(Settings)
    for key, value in values.items():
        if value == MASK and key in known and (_kind(known[key])[0] == "secret" or _hidden(key)):
            if value_of(settings, key) in (None, {}, [], ""):
                raise ValueError(f"{key} has no value yet: {MASK} only stands for one")
            continue
        if key in _TABLES and isinstance(value, dict):
            table = value_of(settings, key)
            value = {
                name: _entry_said(f"{key}.{name}", entry, table.get(name))
                if isinstance(entry, dict)
                else entry
                for name, entry in value.items()
            }
        found[key] = value
    return found


def _entry_said(key: str, said: dict[str, Any], old: BaseModel | None) -> dict[str, Any]:
    """The same of one in a table of settings: of its address and headers, and of its secrets."""
    found = {}
    for name, value in said.items():
        before = getattr(old, name, None)
        if name in _SECRETS and value == MASK:
            if not isinstance(before, SecretStr):
                raise ValueError(f"{key}.{name} has no value yet: {MASK} only stands for one")
            value = before.get_secret_value()
        elif name == "url" and isinstance(value, str):
            value = unmasked_url(value, before)
        elif name == "headers" and isinstance(value, dict):
            value = unmasked_headers(value, before or {})
        found[name] = value
    return found


def _hidden(key: str) -> bool:
    return key in _HIDDEN_PARTS or key.rpartition(".")[2] in _HIDDEN_PARTS


def fields(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The fields of an entry in a table of settings (a webhook, a key), described like settings."""
    found = []
    for name, field in model.model_fields.items():
        kind, choices = _kind(field)
        least, most = _limits(field)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        found.append(
            {
                "name": name,
                "description": " ".join((field.description or "").split()),
                "type": kind,
                "choices": choices,
                "minimum": least,
                "maximum": most,
                "required": field.is_required(),
                "default": _plain(default),
            }
        )
    return found


def value_of(settings: Settings, key: str) -> Any:
    """The value of a setting, by its dotted key."""
    found: Any = settings
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _kinds(annotation: Any) -> typing.Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _kinds(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for inner in typing.get_args(annotation):
            yield from _kinds(inner)
    elif annotation is not type(None):
        yield annotation


def _nullable(field: FieldInfo) -> bool:
    return field.default is None


def _kind(field: FieldInfo) -> tuple[str, list[str] | None]:
    kind = next(_kinds(field.annotation), str)
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return "choice", [str(choice) for choice in typing.get_args(kind)]
    if origin is list:
        return "list", None
    if origin is dict:
        return "map", None
    named = {bool: "boolean", int: "integer", float: "number", str: "text", Path: "path", SecretStr: "secret"}
    return named.get(kind, "text"), None


def _limits(field: FieldInfo) -> tuple[float | None, float | None]:
    least = most = None
    for one in field.metadata:
        if isinstance(one, annotated_types.Ge):
            least = typing.cast(float, one.ge)
        elif isinstance(one, annotated_types.Gt):
            least = typing.cast(float, one.gt)
        elif isinstance(one, annotated_types.Le):
            most = typing.cast(float, one.le)
        elif isinstance(one, annotated_types.Lt):
            most = typing.cast(float, one.lt)
    return least, most


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
