"""The daemon itself over ``/api/v1``: status, connection, searches, shares, governor, logs, diagnosis."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

from pydantic_core import to_json

import soulmesh
from soulmesh.daemon import metrics
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.operations import Operation, Page, cursor, read_cursor
from soulmesh.daemon.doctor import examine
from soulmesh.daemon.hooks import Hooks
from soulmesh.daemon.http.auth import Attempts
from soulmesh.daemon.http.call import Call, guid
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.searching import SearchRequest
from soulmesh.daemon.service import Service

__all__ = ["operations"]


def _search(body: bytes) -> dict[str, Any]:
    """A stored search, in the words of this API."""
    found = json.loads(body)
    return {
        "id": found["id"],
        "text": found["searchText"],
        "state": found["state"],
        "complete": found["isComplete"],
        "responses": found["responseCount"],
        "files": found["fileCount"],
        "locked_files": found["lockedFileCount"],
        "started": found["startedAt"],
        "ended": found.get("endedAt"),
    }


class _Daemon:
    """The work."""

    def __init__(self, service: Service, hooks: Hooks | None) -> None:
        self._service = service
        self._engine = service.engine
        self._hooks = hooks
        self._attempts = Attempts(asyncio.get_running_loop().time)

    async def status(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        service, link, tree, shares = self._service, self._engine.link, self._engine.tree, self._engine.shares
        return {
            "version": soulmesh.__version__,
            "username": link.username,
            "logged_in": link.logged_in,
            "link": link.state,
            "problem": link.problem,
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

    async def diagnosis(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": [finding.form() for finding in await examine(self._service)]}

    async def logs(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        found, last = self._service.logbook.page(place[0] if place else 0, query.limit)
        return {"items": found, "next": cursor(last) if found else query.cursor}

    async def deliveries(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        if self._hooks is None:
            return {"items": [], "delivered": 0, "failed": 0}
        items = await self._hooks.pending()
        return {"items": items, "delivered": self._hooks.delivered, "failed": self._hooks.failed}

    # -- searches

    async def search(self, _call: Call, _query: None, body: models.NewSearch) -> dict[str, Any]:
        text = body.text.strip()
        if len(text) < 3 or not any(character.isalnum() for character in text):
            raise HttpError(422, "body.text: nothing to search for")
        request = SearchRequest(
            text,
            silence=body.silence,
            response_limit=body.response_limit,
            file_limit=body.file_limit,
            filter=False,
        )
        record = await self._service.searches.start(request)
        return _search(to_json(record.form()))

    async def searches(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        start = max(0, place[0]) if place else 0
        found = await self._service.searches.all()
        items = [_search(body) for body in found[start : start + query.limit]]
        more = start + query.limit < len(found)
        return {"items": items, "next": cursor(start + query.limit) if more else None}

    async def one_search(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        body = await self._service.searches.get(_id(call))
        if body is None:
            raise HttpError(404, "There is no such search")
        return _search(body)

    async def results(self, call: Call, query: Page, _body: None) -> bytes:
        place = read_cursor(query.cursor, int)
        start = max(0, place[0]) if place else 0
        found = await self._service.searches.page(_id(call), start, query.limit)
        if found is None:
            raise HttpError(404, "There is no such search")
        total, bodies = found
        after = start + len(bodies)
        following = cursor(after) if after < total else None
        return b'{"items":[%s],"total":%d,"next":%s}' % (b",".join(bodies), total, to_json(following))

    async def stop_search(self, call: Call, _query: None, _body: None) -> None:
        if not await self._service.searches.stop(_id(call)):
            raise HttpError(404, "There is no such search")

    async def delete_search(self, call: Call, _query: None, _body: None) -> None:
        if not await self._service.searches.delete(_id(call)):
            raise HttpError(404, "There is no such search")

    # -- shares

    async def scan(self, _call: Call, _query: None, _body: None) -> None:
        if not self._engine.scan():
            raise HttpError(409, "A scan is under way")

    async def cancel_scan(self, _call: Call, _query: None, _body: None) -> None:
        if not self._engine.cancel_scan():
            raise HttpError(404, "No scan is under way")


def _masked(found: Any, name: str = "") -> Any:
    """Settings without what is nobody's business: keys, passwords, and headers of webhooks."""
    if name in ("headers", "url", "command", "args") or any(
        word in name for word in ("password_command", "proxy")
    ):
        return "*****" if found else found
    if isinstance(found, dict):
        return {key: _masked(value, key) for key, value in found.items()}
    return found


def _id(call: Call) -> str:
    found = guid(call.path["id"])
    if found is None:
        raise HttpError(404, "There is no such search")
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
        Operation("GET", "/governor", "How often the server may be asked", work.governor, models.Paces),
        Operation("GET", "/statistics", "Numbers by name", work.statistics, models.Statistics),
        Operation("GET", "/diagnosis", "What the doctor finds", work.diagnosis, models.Diagnosis),
        Operation("GET", "/logs", "Recent lines of the log", work.logs, models.Log, query=Page),
        Operation("GET", "/deliveries", "What hooks were not told yet", work.deliveries, models.Deliveries),
        Operation(
            "POST",
            "/searches",
            "Search everywhere",
            work.search,
            models.Search,
            write,
            body=models.NewSearch,
            status=201,
            refusals=(409, 429),
            example={"text": "quiet harbor tidal maps", "silence": 15},
        ),
        Operation("GET", "/searches", "All searches", work.searches, models.Searches, query=Page),
        Operation("GET", "/searches/{id}", "One search", work.one_search, models.Search),
        Operation("GET", "/searches/{id}/results", "Its answers", work.results, models.Results, query=Page),
        Operation("POST", "/searches/{id}/stop", "End it", work.stop_search, access=write, status=204),
        Operation("DELETE", "/searches/{id}", "Forget it", work.delete_search, access=write, status=204),
        Operation("POST", "/shares/scan", "Scan anew", work.scan, access=write, status=202, refusals=(409,)),
        Operation("DELETE", "/shares/scan", "Stop scanning", work.cancel_scan, access=write, status=204),
    ]
