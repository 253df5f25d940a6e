"""Telling the outside: webhooks and scripts, from an outbox on disk.

An event and what has to be delivered of it are written in one transaction, so a
crash loses neither; what was not confirmed is delivered again after a restart.
Receivers recognise repetitions by the event's id.

Each hook has places of its own: one that does not answer holds up no other.

A body is signed when the hook has a secret: ``X-Soulmesh-Signature: t=TIME,v1=HEX``
is the HMAC-SHA256 of ``TIME.BODY``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx

from soulmesh import log
from soulmesh.config import Script, Settings, Webhook
from soulmesh.daemon.eventlog import EventLog
from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.hub import Told
from soulmesh.daemon.kinds import matches
from soulmesh.daemon.store import Store
from soulmesh.daemon.written import to_text
from soulmesh.net.child import Child

__all__ = ["Hooks", "pause_after", "sign"]

logger = log.get("daemon.hooks")

AT_ONCE = 4
"""Deliveries of one hook that may be under way."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
LOOK_EVERY = 30.0
LARGEST_REPLY = 64 * 1024
_LONGEST_COMPLAINT = 64 * 1024


def pause_after(attempts: int) -> float:
    """Seconds before the next attempt, after so many that failed."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 20)))


def sign(secret: str, body: bytes, moment: int) -> str:
    """The header that says who sent a body, and when."""
    mac = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


@dataclass(frozen=True, slots=True)
class _Delivery:
    number: int
    event: str
    kind: str
    hook: str
    body: str
    attempts: int


class Hooks:
    """Delivers events to webhooks and scripts.

    Args:
        settings: asked anew for each event, so that changed hooks count at once.
        scripts: the folder in which scripts run.
    """

    def __init__(
        self,
        store: Store,
        events: EventLog,
        settings: Callable[[], Settings],
        wall_clock: Callable[[], datetime],
        scripts: Path,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._wall_clock = wall_clock
        self._scripts = scripts
        self._transport = transport
        self._wake = asyncio.Event()
        self._running: dict[int, tuple[str, asyncio.Task[None]]] = {}
        """What is under way, by its number: the hook, and the task."""
        self._clients: dict[bool, asyncio.Task[httpx.AsyncClient]] = {}
        """HTTP clients that check certificates, and that do not."""
        self._wanting: tuple[Settings | None, dict[str, list[str]]] = (None, {})
        """Who wants which kind, by these settings."""
        self._swept: Settings | None = None
        """The settings for which the outbox was last rid of hooks that they do not have."""
        self.delivered = 0
        self.failed = 0
        events.on_event = self._enqueue
        events.after_event = self._wake.set

    def _enqueue(self, db: sqlite3.Connection, key: str, kind: str, body: str, ours: str) -> None:
        """In the transaction that keeps the event. Scripts run here, and get ``ours``."""
        hooks = self._who_wants(kind)
        scripts = [hook for hook in hooks if hook.startswith("script:")]
        self._put(db, [hook for hook in hooks if hook not in scripts], key, kind, body)
        self._put(db, scripts, key, kind, ours)

    def _put(self, db: sqlite3.Connection, hooks: list[str], key: str, kind: str, body: str) -> None:
        now = self._wall_clock().timestamp()
        db.executemany(
            "INSERT INTO outbox (event, kind, hook, body, due) VALUES (?, ?, ?, ?, ?)",
            [(key, kind, hook, body, now) for hook in hooks],
        )

    def notice(self, told: Told) -> None:
        """An event of our own stream: for those who asked for it, with the same data."""
        hooks = self._who_wants(told.kind)
        if not hooks:
            return
        facts = {"id": told.id, "timestamp": instant(self._wall_clock()), "type": told.kind, "version": 0}
        body = f'{to_text(facts)[:-1]},"data":{told.data.decode()}}}'
        self._store.post(lambda db: self._put(db, hooks, told.id, told.kind, body))
        self._wake.set()

    def _who_wants(self, kind: str) -> list[str]:
        settings = self._settings()
        # Asked on the loop and in the thread of the store.
        by_settings, wanting = self._wanting
        if by_settings is not settings:
            wanting = {}
            self._wanting = (settings, wanting)
        if kind not in wanting:
            wanting[kind] = [
                *(f"webhook:{name}" for name, hook in settings.webhooks.items() if matches(hook.on, kind)),
                *(f"script:{name}" for name, hook in settings.scripts.items() if matches(hook.on, kind)),
            ]
        return wanting[kind]

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                pause = await self._start_due()
                self._wake.clear()
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            tasks = [task for _, task in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for client in await asyncio.gather(*self._clients.values(), return_exceptions=True):
                if isinstance(client, httpx.AsyncClient):
                    await client.aclose()
            self._clients.clear()

    async def pending(
        self, after: int = 0, limit: int = 100
    ) -> tuple[list[dict[str, object]], int | None, int]:
        """What is not delivered yet, oldest first; the place of the last of these if there are more; how
        many there are in all."""

        def read(db: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int]:
            rows = db.execute(
                "SELECT number, event, kind, hook, attempts, due, problem FROM outbox"
                " WHERE number > ? ORDER BY number LIMIT ?",
                (after, limit + 1),
            ).fetchall()
            return rows, db.execute("SELECT count(*) FROM outbox").fetchone()[0]

        rows, waiting = await self._store.run(read)
        names = ("event", "kind", "hook", "attempts", "due", "problem")
        found = [dict(zip(names, row[1:], strict=True)) for row in rows[:limit]]
        return found, rows[limit - 1][0] if len(rows) > limit else None, waiting

    async def _start_due(self) -> float:
        """Begin what is due; returns how long to wait for the next."""
        settings = self._settings()
        hooks = [f"webhook:{name}" for name in settings.webhooks]
        hooks += [f"script:{name}" for name in settings.scripts]
        now = self._wall_clock().timestamp()
        busy: dict[str, list[int]] = {hook: [] for hook in hooks}
        for number, (hook, _) in self._running.items():
            busy.setdefault(hook, []).append(number)
        sweep = settings is not self._swept
        self._swept = settings

        def read(db: sqlite3.Connection) -> tuple[list[_Delivery], float | None]:
            if sweep:
                marks = ",".join("?" * len(hooks))
                db.execute(f"DELETE FROM outbox WHERE hook NOT IN ({marks})", hooks)
            due = []
            for hook in hooks:
                marks = ",".join("?" * len(busy[hook]))
                due += db.execute(
                    "SELECT number, event, kind, hook, body, attempts FROM outbox"
                    f" WHERE hook = ? AND due <= ? AND number NOT IN ({marks}) ORDER BY number LIMIT ?",
                    (hook, now, *busy[hook], max(0, AT_ONCE - len(busy[hook]))),
                ).fetchall()
            soonest = db.execute("SELECT min(due) FROM outbox WHERE due > ?", (now,)).fetchone()[0]
            return [_Delivery(*row) for row in due], soonest

        due, soonest = await self._store.run(read)
        for delivery in due:
            task = asyncio.create_task(self._deliver(delivery), name=f"deliver {delivery.hook}")
            self._running[delivery.number] = (delivery.hook, task)
            task.add_done_callback(lambda _, number=delivery.number: self._ended(number))  # type: ignore[misc]
        return LOOK_EVERY if soonest is None else max(0.05, min(LOOK_EVERY, soonest - now))

    def _ended(self, number: int) -> None:
        self._running.pop(number, None)
        self._wake.set()

    async def _deliver(self, delivery: _Delivery) -> None:
        settings = self._settings()
        what, _, name = delivery.hook.partition(":")
        hook = settings.webhooks.get(name) if what == "webhook" else None
        script = settings.scripts.get(name) if what == "script" else None
        if hook is None and script is None:
            # It was taken out of the settings meanwhile.
            await self._forget(delivery)
            return
        problem = await self._post(hook, delivery) if hook is not None else None
        if script is not None:
            problem = await self._run_script(name, script, delivery)
        if problem is None:
            self.delivered += 1
            await self._forget(delivery)
            return
        attempts = delivery.attempts + 1
        most = (hook or script).attempts  # type: ignore[union-attr]
        if attempts >= most:
            self.failed += 1
            logger.error("given up telling", hook=delivery.hook, delivery=delivery.event, problem=problem)
            await self._forget(delivery)
            return
        logger.warning("could not tell", hook=delivery.hook, problem=problem, attempt=attempts)
        due = self._wall_clock().timestamp() + pause_after(attempts)
        await self._store.run(
            lambda db: db.execute(
                "UPDATE outbox SET attempts = ?, due = ?, problem = ? WHERE number = ?",
                (attempts, due, problem[:500], delivery.number),
            )
        )

    async def _forget(self, delivery: _Delivery) -> None:
        await self._store.run(
            lambda db: db.execute("DELETE FROM outbox WHERE number = ?", (delivery.number,))
        )

    async def _post(self, hook: Webhook, delivery: _Delivery) -> str | None:
        """What went wrong, or ``None``."""
        body = delivery.body.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "soulmesh",
            "x-soulmesh-event": delivery.kind,
            "x-soulmesh-delivery": delivery.event,
            **hook.headers,
        }
        if hook.secret is not None:
            moment = int(self._wall_clock().timestamp())
            headers["x-soulmesh-signature"] = sign(hook.secret.get_secret_value(), body, moment)
        try:
            # Redirects are not followed: a receiver must not send us elsewhere with our signature.
            client = await self._client(verify=not hook.ignore_certificate_errors)
            async with (
                asyncio.timeout(hook.timeout),
                client.stream(
                    "POST", hook.url, content=body, headers=headers, timeout=hook.timeout
                ) as response,
            ):
                return None if response.is_success else f"it answered {response.status_code}"
        except TimeoutError:
            return "no answer in time"
        except httpx.LocalProtocolError:
            # Its words quote the header.
            return "its headers cannot be sent: a name or a value has characters that are not allowed"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    async def _client(self, *, verify: bool) -> httpx.AsyncClient:
        """The client for all webhooks that check certificates, or do not."""
        if verify not in self._clients:
            self._clients[verify] = asyncio.create_task(_new_client(verify, self._transport))
        making = self._clients[verify]
        try:
            # Who stops waiting does not take it from the others.
            return await asyncio.shield(making)
        except OSError:
            # The next delivery looks for the certificates again.
            self._clients.pop(verify, None)
            raise

    async def _run_script(self, name: str, script: Script, delivery: _Delivery) -> str | None:
        """What went wrong, or ``None``.

        Names from strangers are in the environment alone, on no command line.
        """
        self._scripts.mkdir(parents=True, exist_ok=True)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SOULMESH_")},
            "SLSKD_SCRIPT_DATA": delivery.body,
            "SOULMESH_EVENT": delivery.kind,
        }
        command: str | list[str]
        if script.command:
            command = script.command
        elif script.executable:
            command = [script.executable, *script.args]
        else:
            return f"the script {name} has neither command nor executable"
        try:
            async with (
                asyncio.timeout(script.timeout),
                Child(
                    command, listen="stderr", own_session=True, env=environment, cwd=self._scripts
                ) as child,
            ):
                said = await child.tail(_LONGEST_COMPLAINT)
                status = await child.wait()
        except TimeoutError:
            return f"it ran longer than {script.timeout:g} s"
        except OSError as error:
            return f"it cannot be run: {error.strerror or error}"
        if status:
            last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
            return f"it ended with {status}: {last[0][:200]}"
        return None


async def _new_client(verify: bool, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    # Reading all certificates takes a tenth of a second: not on the loop.
    context = await asyncio.to_thread(httpx.create_ssl_context, verify=verify)
    # A receiver's cookies are of no use to it, and none of another's business.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(verify=context, transport=transport, cookies=no_cookies)
