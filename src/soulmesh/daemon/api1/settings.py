"""The settings over ``/api/v1``, each with its explanation; and what a first start has to know."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel

from soulmesh.core.reasons import reason_code
from soulmesh.daemon.api1.common import client_of
from soulmesh.daemon.api1.operations import Body, Operation
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.identity import ANONYMOUS
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.knobs import NEEDS_RESTART, as_said, knobs
from soulmesh.daemon.service import Service
from soulmesh.errors import ConfigError

__all__ = ["operations"]


class Knob(BaseModel):
    """One setting. Secrets are masked: ``value`` only says whether there is one."""

    key: str
    section: str
    title: str
    description: str
    type: str
    """``boolean``, ``integer``, ``number``, ``text``, ``path``, ``list``, ``map``, ``secret``, ``choice``."""
    choices: list[str] | None
    minimum: float | None
    maximum: float | None
    nullable: bool
    default: Any
    value: Any
    set: bool
    """Whether it differs from the default."""
    restart: bool
    """A change counts from the next start."""
    changed_here: bool
    """Set over HTTP, which goes before file, environment and options."""
    examples: list[Any]


class Knobs(BaseModel):
    """All settings."""

    editable: bool
    """Whether they can be changed from here by this caller."""
    items: list[Knob]


class Changes(Body):
    """Values by key; ``null`` takes back what was set from here."""

    values: dict[str, Any]


class Changed(Knobs):
    """All settings as they are about to be."""

    restart: bool
    """Something of it counts only from the next start."""


class Setup(BaseModel):
    """What is missing before it is of use."""

    account: bool
    username: str | None
    account_from_settings: bool
    logged_in: bool
    problem: str | None
    problem_code: str
    nothing_shared: bool
    shared_files: int
    roots: int
    downloads_folder: str
    downloads_shared: bool
    remote_configuration: bool
    listen_port: int


class WhoAmI(BaseModel):
    """The caller, as far as a credential was sent."""

    authentication: bool
    login: bool
    """Whether there is a name and a password to log in with."""
    name: str | None
    role: str | None
    writes: bool
    administrator: bool


class Away(Body):
    """Whether others see us as away."""

    away: bool


class _Settings:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def keys(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        settings = self._service.settings
        return {"editable": self._editable(call), "items": knobs(settings, self._service.changed_here())}

    def _editable(self, call: Call) -> bool:
        administrator = call.identity.role.value == "Administrator"
        return (
            administrator and self._service.settings.remote_configuration and self._service.reload is not None
        )

    async def change(self, call: Call, _query: None, body: Changes) -> dict[str, Any]:
        if not self._service.settings.remote_configuration:
            raise HttpError(403, "The settings cannot be changed from here: remote_configuration is off")
        if self._service.change_settings is None:
            raise HttpError(503, "The settings cannot be changed")
        if "remote_configuration" in body.values or "daemon.data" in body.values:
            raise HttpError(422, "body.values: this one is set where the daemon is started")
        try:
            values = as_said(body.values, self._service.settings)
            settings = await self._service.change_settings(values)
        except (ConfigError, ValueError) as error:
            raise HttpError(422, f"body.values: {error}") from None
        self._service.hub.tell("settings.changed", {"keys": sorted(values)})
        return {
            "editable": self._editable(call),
            "items": knobs(settings, self._service.changed_here()),
            "restart": any(key in NEEDS_RESTART for key in values),
        }

    async def setup(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        service = self._service
        settings, link, shares = service.settings, service.engine.link, service.engine.shares
        downloads = await asyncio.to_thread(service.downloads.resolve)
        shared = [root.local_path for root in shares.roots]
        return {
            "account": link.username is not None,
            "username": link.username,
            "account_from_settings": bool(settings.account.username),
            "logged_in": link.logged_in,
            "problem": link.problem,
            "problem_code": reason_code(link.problem or ""),
            "nothing_shared": shares.files == 0,
            "shared_files": shares.files,
            "roots": len(shared),
            "downloads_folder": str(service.downloads),
            "downloads_shared": any(downloads.is_relative_to(root) for root in shared),
            "remote_configuration": settings.remote_configuration,
            "listen_port": getattr(service.engine, "listen_port", settings.network.listen_port),
        }

    async def who(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        authenticator = self._service.authenticator
        host = call.request.client.host if call.request.client else ""
        found = authenticator.identify(call.request.headers, host) or ANONYMOUS
        known = found is not ANONYMOUS
        return {
            "authentication": authenticator.enabled,
            "login": authenticator.has_login,
            "name": found.name if known else None,
            "role": found.role.value if known else None,
            "writes": known and found.role.writes,
            "administrator": known and found.role.value == "Administrator",
        }

    async def away(self, _call: Call, _query: None, body: Away) -> None:
        client_of(self._service).set_away(body.away)


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Settings(service)
    return [
        Operation("GET", "/settings/keys", "Every setting, explained", work.keys, Knobs),
        Operation(
            "PATCH",
            "/settings",
            "Change settings, now and for later starts",
            work.change,
            Changed,
            Access.ADMIN,
            body=Changes,
            refusals=(503,),
            example={"values": {"transfers.upload_slots": 5, "downloads.verify": True}},
        ),
        Operation("GET", "/setup", "What is missing before it is of use", work.setup, Setup),
        Operation("GET", "/session", "Who is calling, and how to log in", work.who, WhoAmI, Access.PUBLIC),
        Operation(
            "PUT",
            "/account/away",
            "Whether others see us as away",
            work.away,
            access=Access.WRITE,
            body=Away,
            status=204,
            refusals=(503,),
            example={"away": True},
        ),
    ]
