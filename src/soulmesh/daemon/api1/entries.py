"""Settings that are tables over ``/api/v1``: webhooks, scripts and further API keys, each by its name.

For administrators alone: an address may carry a secret, and a script is a command on this machine.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, SecretStr, StringConstraints

from soulmesh.config import ApiKeySettings, Script, Webhook
from soulmesh.daemon.api1.operations import Body, Operation
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.knobs import fields
from soulmesh.daemon.masks import MASK, masked_headers, masked_url, unmasked_headers, unmasked_url
from soulmesh.daemon.service import Service
from soulmesh.errors import ConfigError

__all__ = ["operations"]

_KINDS: dict[str, tuple[str, type[BaseModel]]] = {
    "webhooks": ("webhooks", Webhook),
    "scripts": ("scripts", Script),
    "keys": ("web.api_keys", ApiKeySettings),
}
"""What a kind is called in the settings, and what one of it looks like."""


class EntryField(BaseModel):
    """A field of an entry, described like a setting."""

    name: str
    description: str
    type: str
    choices: list[str] | None
    minimum: float | None
    maximum: float | None
    required: bool
    default: Any


class Entry(BaseModel):
    """One of a kind. Secrets are ``null``, ``secrets`` names those that are set. Of an address only where it
    leads is shown, of headers their names; the rest is ``*****``."""

    name: str
    values: dict[str, Any]
    secrets: list[str]


class EntryKind(BaseModel):
    """All of one kind."""

    kind: str
    key: str
    """The setting that they are."""
    changed_here: bool
    """Set over HTTP, which goes before the file."""
    fields: list[EntryField]
    entries: list[Entry]


class EntryKinds(BaseModel):
    """Every kind."""

    editable: bool
    """Whether they can be changed from here: only where ``remote_configuration`` is on."""
    file: str | None
    """The configuration file, which is where they are written otherwise."""
    items: list[EntryKind]


class EntryValues(Body):
    """What one is to be. Secrets that are left out, ``null`` or ``*****`` stay; an empty one is taken away.
    What is given as it was shown (an address, a header) stays too."""

    values: dict[Annotated[str, StringConstraints(max_length=100)], Any]


def _shown(value: Any) -> Any:
    """As it is written in the settings; secrets in plain, for those who keep them."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _shown(inner) for key, inner in value.items()}
    return value


def _whole(entry: BaseModel) -> dict[str, Any]:
    """What differs from the defaults, secrets in plain."""
    found = {}
    for name, field in type(entry).model_fields.items():
        value = _shown(getattr(entry, name))
        default = None if field.is_required() else _shown(field.get_default(call_default_factory=True))
        if field.is_required() or value != default:
            found[name] = value
    return found


class _Entries:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def all(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        service = self._service
        items = []
        for kind, (key, model) in _KINDS.items():
            items.append(
                {
                    "kind": kind,
                    "key": key,
                    "changed_here": key in service.changed_here(),
                    "fields": fields(model),
                    "entries": [_entry(name, entry) for name, entry in sorted(self._table(kind).items())],
                }
            )
        return {
            "editable": service.settings.remote_configuration and service.change_settings is not None,
            "file": str(service.config_file) if service.config_file else None,
            "items": items,
        }

    async def put(self, call: Call, _query: None, body: EntryValues) -> dict[str, Any]:
        kind, name = self._kind(call), call.path["name"]
        model = _KINDS[kind][1]
        table = self._table(kind)
        old = _whole(table[name]) if name in table else {}
        values = {}
        for field, value in body.values.items():
            known = model.model_fields.get(field)
            if known is None:
                raise HttpError(422, f"body.values.{field}: there is no such field")
            if _secret(known) and value in (None, MASK):
                value = _unsaid(value, old.get(field), field)
            try:
                if field == "headers" and isinstance(value, dict):
                    value = unmasked_headers(value, old.get(field, {}))
                elif field == "url" and isinstance(value, str):
                    value = unmasked_url(value, old.get(field))
            except ValueError as error:
                raise HttpError(422, f"body.values.{field}: {error}") from None
            if value is not None and value != "":
                values[field] = value
        for field in old:
            if field not in body.values and _secret(model.model_fields[field]):
                values[field] = old[field]
        whole = {one: _whole(entry) for one, entry in table.items()}
        settings = await self._change(kind, {**whole, name: values})
        return _entry(name, self._table(kind, settings)[name])

    async def remove(self, call: Call, _query: None, _body: None) -> None:
        kind, name = self._kind(call), call.path["name"]
        table = self._table(kind)
        if name not in table:
            raise HttpError(404, "There is none of this name")
        await self._change(kind, {one: _whole(entry) for one, entry in table.items() if one != name})

    async def _change(self, kind: str, table: dict[str, Any]) -> Any:
        service = self._service
        if not service.settings.remote_configuration:
            raise HttpError(403, "The settings cannot be changed from here: remote_configuration is off")
        if service.change_settings is None:
            raise HttpError(503, "The settings cannot be changed")
        key = _KINDS[kind][0]
        try:
            settings = await service.change_settings({key: table})
        except ConfigError as error:
            raise HttpError(422, f"body.values: {error}") from None
        service.hub.tell("settings.changed", {"keys": [key]})
        return settings

    def _table(self, kind: str, settings: Any = None) -> dict[str, BaseModel]:
        found: Any = settings or self._service.settings
        for part in _KINDS[kind][0].split("."):
            found = getattr(found, part)
        return dict(found)

    def _kind(self, call: Call) -> str:
        kind = call.path["kind"]
        if kind not in _KINDS:
            raise HttpError(404, "There is no such kind: webhooks, scripts or keys")
        if not call.path["name"].strip():
            raise HttpError(422, "path.name: may not be empty")
        return str(kind)


def _secret(field: Any) -> bool:
    return "SecretStr" in str(field.annotation)


def _unsaid(value: object, old: Any, field: str) -> Any:
    """A secret that was not said, or as secrets are shown elsewhere: the one before."""
    if value == MASK and old is None:
        raise HttpError(422, f"body.values.{field}: has no value yet: {MASK} only stands for one")
    return old


def _entry(name: str, entry: BaseModel) -> dict[str, Any]:
    values, secrets = {}, []
    for field, known in type(entry).model_fields.items():
        value = getattr(entry, field)
        if _secret(known):
            if value is not None:
                secrets.append(field)
            value = None
        elif field == "headers":
            value = masked_headers(value)
        elif field == "url":
            value = masked_url(value)
        values[field] = value
    return {"name": name, "values": values, "secrets": secrets}


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Entries(service)
    one = "/settings/entries/{kind}/{name}"
    return [
        Operation(
            "GET",
            "/settings/entries",
            "Webhooks, scripts and keys, by name",
            work.all,
            EntryKinds,
            Access.ADMIN,
        ),
        Operation(
            "PUT",
            one,
            "Add or change one",
            work.put,
            Entry,
            Access.ADMIN,
            body=EntryValues,
            refusals=(503,),
            example={"values": {"url": "https://example.org/hook", "on": ["DownloadFileComplete"]}},
        ),
        Operation("DELETE", one, "Remove one", work.remove, access=Access.ADMIN, status=204, refusals=(503,)),
    ]
