"""The daemon itself over ``/api/v1``: status, connection, governor, statistics, logs, diagnosis."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Literal

from pydantic import BaseModel

import soulmesh
from soulmesh.core.reasons import reason_code
from soulmesh.daemon import metrics
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.operations import Operation, Page, Part, Query, cursor, read_cursor
from soulmesh.daemon.doctor import examine
from soulmesh.daemon.hooks import Hooks
from soulmesh.daemon.http.auth import Attempts
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.sampling import Sampler, sample_row, search_counts
from soulmesh.daemon.service import Service

__all__ = ["operations"]


class Span(Query):
    """How far back."""

    span: Literal["minutes", "day"] = "minutes"


class Sample(BaseModel):
    """Speeds at a moment: bytes per second, searches per second; ``at`` in seconds since the epoch."""

    at: float
    download: int
    upload: int
    searches: float
    """Searches of others that came by."""
    forwarded: float
    """Those that were passed on to children."""
    answered: float


class Speeds(BaseModel):
    """Samples, oldest first, so many seconds apart."""

    step: float
    items: list[Sample]


class SearchRates(BaseModel):
    """Searches of others per second, mean over the last minute."""

    seen: float
    forwarded: float
    """Copies passed on to children."""
    answered: float


class TreeState(BaseModel):
    """The distributed network around us, and what became of the searches that it brought."""

    username: str | None
    parent: str | None
    level: int
    root: str | None
    children: list[str]
    most_children: int
    searches_per_second: float
    rates: SearchRates
    speed: int | None
    """Our upload speed as the server sees it, in bytes per second; ``null`` until it has told."""
    min_speed: int
    """KiB per second that the server wants us to have before we have children."""
    speed_ratio: int
    """Tenths of a KiB per second that it wants us to have for each child."""
    searches: dict[str, int]
    """How many since the start, and what became of them."""


class _Daemon:
    """The work."""

    def __init__(self, service: Service, hooks: Hooks | None) -> None:
        self._service = service
        self._engine = service.engine
        self._hooks = hooks
        self._attempts = Attempts(asyncio.get_running_loop().time)
        self._sampler = Sampler(service)
        service.spawn(self._sampler.run(), "samples of speeds")

    async def status(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        service, link, tree, shares = self._service, self._engine.link, self._engine.tree, self._engine.shares
        return {
            "version": soulmesh.__version__,
            "username": link.username,
            "logged_in": link.logged_in,
            "link": link.state,
            "problem": link.problem,
            "problem_code": reason_code(link.problem or ""),
            "next_attempt": instant(link.next_attempt),
            "server": service.settings.network.server,
            "listen_port": getattr(self._engine, "listen_port", service.settings.network.listen_port),
            "parent": tree.parent,
            "level": tree.level,
            "children": list(tree.children),
            "searches_per_second": tree.searches_per_second,
            "shared_files": shares.files,
            "shared_folders": shares.folders,
            "scanning": shares.scanning,
            "scan_progress": shares.progress,
            "running_downloads": len(service.ledger.running("download")),
            "running_uploads": len(service.ledger.running("upload")),
            "privileged_seconds": self._engine.privileged_seconds,
            "last_event": service.hub.last,
        }

    async def connect(self, _call: Call, _query: None, _body: None) -> None:
        self._engine.connect()

    async def disconnect(self, _call: Call, _query: None, _body: None) -> None:
        await self._engine.disconnect()

    async def log_in(self, call: Call, _query: None, body: models.Credentials) -> dict[str, Any]:
        authenticator = self._service.authenticator
        authenticator.require_login()
        host = call.request.client.host if call.request.client else ""
        wait = self._attempts.wait(host)
        if wait > 0:
            raise HttpError(429, "Too many failed logins", {"retry-after": str(math.ceil(wait))})
        found = authenticator.log_in(body.username, body.password)
        if found is None:
            self._attempts.failed(host)
            raise HttpError(401)
        self._attempts.succeeded(host)
        return {"token": found["token"], "name": found["name"], "expires": found["expires"]}

    async def account(self, _call: Call, _query: None, body: models.Account) -> None:
        if self._service.settings.account.username:
            raise HttpError(409, "The account is set by the settings: change it there")
        if self._service.set_account is None:
            raise HttpError(503, "The account cannot be changed")
        await self._service.set_account(body.username, body.password)

    async def settings(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": _masked(self._service.settings.model_dump(mode="json"))}

    async def governor(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        items = [
            {
                "subject": pace.subject,
                "count": pace.count,
                "seconds": pace.seconds,
                "wait": pace.wait if math.isfinite(pace.wait) else -1.0,
            }
            for pace in self._engine.governor()
        ]
        return {"items": items}

    async def statistics(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": {name: float(value) for name, _, _, value in metrics.samples(self._service)}}

    async def speeds(self, _call: Call, query: Span, _body: None) -> dict[str, Any]:
        step, found = self._sampler.samples(query.span)
        return {"step": step, "items": [sample_row(one) for one in found]}

    async def tree(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        tree = self._engine.tree
        return {
            "username": self._engine.link.username,
            "parent": tree.parent,
            "level": tree.level,
            "root": tree.root,
            "children": list(tree.children),
            "most_children": tree.most_children,
            "searches_per_second": tree.searches_per_second,
            "rates": self._sampler.rates(),
            "speed": tree.speed,
            "min_speed": tree.min_speed,
            "speed_ratio": tree.speed_ratio,
            "searches": search_counts(self._engine),
        }

    async def diagnosis(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": [finding.form() for finding in await examine(self._service)]}

    async def logs(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        found, last = self._service.logbook.page(place[0] if place else 0, query.limit)
        return {"items": found, "next": cursor(last) if last is not None else None}

    async def deliveries(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        if self._hooks is None:
            return {"items": [], "delivered": 0, "failed": 0, "waiting": 0, "next": None}
        items, last, waiting = await self._hooks.pending(place[0] if place else 0, query.limit)
        return {
            "items": items,
            "delivered": self._hooks.delivered,
            "failed": self._hooks.failed,
            "waiting": waiting,
            "next": cursor(last) if last is not None else None,
        }


def _masked(found: Any, name: str = "") -> Any:
    """Settings without what is nobody's business: keys, passwords, and headers of webhooks."""
    if name in ("headers", "url", "command", "args") or any(
        word in name for word in ("password_command", "proxy")
    ):
        return "*****" if found else found
    if isinstance(found, dict):
        return {key: _masked(value, key) for key, value in found.items()}
    return found


def operations(service: Service, hooks: Hooks | None) -> list[Operation]:
    """What is served here."""
    work = _Daemon(service, hooks)
    write = Access.WRITE
    return [
        Operation("GET", "/status", "The whole of it at a glance", work.status, models.Status),
        Operation("PUT", "/connection", "Log in, and stay in", work.connect, access=write, status=204),
        Operation("DELETE", "/connection", "Log out", work.disconnect, access=write, status=204),
        Operation(
            "POST",
            "/session",
            "Log in to the daemon",
            work.log_in,
            models.Session,
            Access.PUBLIC,
            body=models.Credentials,
            refusals=(429,),
            example={"username": "admin", "password": "correct horse"},
        ),
        Operation(
            "PUT",
            "/account",
            "Say who to be on the network, when the settings do not",
            work.account,
            access=Access.ADMIN,
            body=models.Account,
            status=204,
            refusals=(409, 503),
            example={"username": "lantern_owl", "password": "correct horse"},
        ),
        Operation("GET", "/settings", "All settings, secrets masked", work.settings, models.Settings),
        Operation(
            "GET", "/governor", "How often the server may be asked", work.governor, models.Paces, query=Part
        ),
        Operation("GET", "/statistics", "Numbers by name", work.statistics, models.Statistics),
        Operation("GET", "/statistics/speeds", "Speeds over time", work.speeds, Speeds, query=Span),
        Operation("GET", "/tree", "The distributed network around us", work.tree, TreeState),
        Operation("GET", "/diagnosis", "What the doctor finds", work.diagnosis, models.Diagnosis),
        Operation("GET", "/logs", "Recent lines of the log", work.logs, models.Log, query=Page),
        Operation(
            "GET",
            "/deliveries",
            "What hooks were not told yet, oldest first",
            work.deliveries,
            models.Deliveries,
            query=Page,
        ),
    ]
