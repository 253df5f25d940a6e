"""The daemon, put together: checks, database, client, HTTP, and the settings as they change."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from starlette.responses import PlainTextResponse, Response

from soulmesh import log
from soulmesh.config import Settings
from soulmesh.daemon import metrics
from soulmesh.daemon.api0.api import api as api0
from soulmesh.daemon.api1.api import api as api1
from soulmesh.daemon.checks import check_folder, check_listening, check_shared, is_local
from soulmesh.daemon.engine import Account, ClientEngine
from soulmesh.daemon.hooks import Hooks
from soulmesh.daemon.http import page
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty
from soulmesh.daemon.http.routing import Access, Route, Router
from soulmesh.daemon.http.serving import HttpServer
from soulmesh.daemon.http.shell import Api, Shell, base_path
from soulmesh.daemon.kinds import check_hooks
from soulmesh.daemon.logbook import Logbook
from soulmesh.daemon.metrics_auth import may_scrape
from soulmesh.daemon.possible import Around, obstacles, possible_part
from soulmesh.daemon.remote import PLACE_FILE
from soulmesh.daemon.service import Service
from soulmesh.daemon.store import Store
from soulmesh.errors import ConfigError, SoulmeshError
from soulmesh.net.disk import write_whole
from soulmesh.net.world import World

__all__ = ["Daemon"]

logger = log.get("daemon")

ACCOUNT_FILE = "account.json"
"""Who to be on the network, when that was said over HTTP instead of in the settings."""
SETTINGS_FILE = "settings.json"
"""What was set over HTTP; it goes before options, environment and the configuration file."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the configuration file."""

WAYS_OUT = frozenset({"network.local_address", "network.interface", "network.proxy"})
"""Who chose how to leave this machine does not go online another way when that cannot be had."""

Load = Callable[[Mapping[str, Any]], tuple[Settings, Account]]
"""Reads the settings anew, with some keys over them; raises ConfigError."""


class Daemon:
    """Everything, from start to stop. Use it with ``async with``.

    Args:
        load: reads the settings.
        config_file: watched for changes, if there is one.
    """

    def __init__(self, load: Load, *, config_file: Path | None = None, world: World | None = None) -> None:
        self._load = load
        self._overlay: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}
        self._left_out: dict[str, str] = {}
        self._unused: dict[str, Any] = {}
        self._config_file = config_file
        self._world = world or World.real()
        self._stack = contextlib.AsyncExitStack()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self._wishing = asyncio.Lock()
        self.again = False
        """Whether it is to begin anew after it ended."""
        self.logbook = Logbook()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Where HTTP is served."""
        return self.http.url

    async def stopped(self) -> None:
        """Wait until somebody ends it over HTTP."""
        await self._stopping.wait()

    async def _start(self) -> None:
        settings, account = self._load(self._overlay)
        self._stack.callback(self.logbook.remove)
        if settings.remote_configuration:
            settings, account = await self._with_kept(settings, account)
        self.logbook.install()
        file = str(settings.daemon.data / SETTINGS_FILE)
        for key, reason in self._left_out.items():
            logger.error("a setting is left out", key=key, reason=reason, file=file)
        check_listening(settings)
        check_hooks(settings)
        self._data = data = await asyncio.to_thread(_check_folders, settings)
        account = await asyncio.to_thread(self._account, settings, account)
        store = Store(data / "daemon.sqlite")
        await store.open()
        self._stack.push_async_callback(store.close)
        self.engine = ClientEngine(self._world, settings, account, data)
        for key in self._left_out.keys() & WAYS_OUT:
            self.engine.stay_out(f"{key} of {file} is left out: {self._left_out[key]}")
        service = Service(self.engine, store, self._world, settings, logbook=self.logbook)
        self.service = service
        service.config_file = self._config_file
        service.reload = self._reload_soon
        service.restart = self._end
        service.change_settings = self._change_settings
        service.check_file = self._check_file
        service.changed_here = lambda: self._kept.keys()
        service.set_account = self._set_account
        self.engine.on_new_client = service.follow
        await self.engine.open()
        self._stack.push_async_callback(self.engine.close)
        self.hooks = Hooks(
            store, service.events, lambda: service.settings, self._world.wall_clock, data / "scripts"
        )
        service.hub.outward = self.hooks.notice
        await service.start()
        self._stack.push_async_callback(service.close)
        service.spawn(self.hooks.run(), "hooks")
        service.spawn(self._watch(), "watch the configuration file")
        web = settings.web
        self.http = HttpServer(
            self._application(service),
            web.host,
            web.port,
            certificate=str(web.certificate) if web.certificate else None,
            key=str(web.certificate_key) if web.certificate_key else None,
        )
        await self.http.start()
        self._stack.push_async_callback(self.http.stop)
        self._stack.callback(service.hub.end)
        self._leave_a_trace(data)

    def _leave_a_trace(self, data: Path) -> None:
        """Tell commands of the same user where we are, and a key that only this machine may use."""
        place = data / PLACE_FILE
        url = self.http.url + self.service.settings.web.url_base.rstrip("/")
        found = {"url": url, "key": self.service.local_key}
        if self.http.certificate is not None:
            found["certificate"] = self.http.certificate
        write_whole(place, json.dumps(found))
        self._stack.callback(place.unlink, missing_ok=True)

    def _application(self, service: Service) -> Shell:
        return Shell(
            [api0(service), api1(service, self.hooks), _missing_api(), _plain(service)],
            lambda: service.authenticator,
            base=lambda: base_path(service.settings.web.url_base),
            local_only=lambda: is_local(service.settings.web.host),
        )

    def _end(self, again: bool) -> None:
        self.again = again
        self._stopping.set()

    # -- settings that change

    async def reload(self) -> None:
        """Read the settings again and go by them.

        Raises:
            ConfigError, SoulmeshError: they are wrong, or cannot be had; then everything stays as it was.
        """
        async with self._reloading:
            await self._reload_now()

    async def _reload_now(self) -> None:
        settings, account = self._load(self._together)
        self.logbook.install()
        await self._check(settings)
        account = await asyncio.to_thread(self._account, settings, account)
        before = self.service.settings
        self.service.apply(settings)
        try:
            await self.engine.apply(settings, account)
        except SoulmeshError:
            self.service.apply(before)
            raise
        logger.info("settings read again")
        self.service.hub.tell("settings.applied", {})

    async def _with_kept(self, settings: Settings, account: Account) -> tuple[Settings, Account]:
        """With what was set over HTTP in an earlier run, but for what would make the start impossible."""
        place = settings.daemon.data / SETTINGS_FILE
        try:
            kept = dict(json.loads(await asyncio.to_thread(place.read_text, encoding="utf-8")))
        except FileNotFoundError:
            return settings, account
        except (OSError, ValueError, TypeError) as error:
            logger.error("what was set over HTTP is left out", file=str(place), reason=str(error))
            return settings, account
        if not kept:
            return settings, account
        self._kept, self._left_out = await asyncio.to_thread(possible_part, kept, self._problems)
        self._unused = {key: kept[key] for key in self._left_out}
        return self._load(self._together)

    def _problems(self, kept: Mapping[str, Any]) -> set[str]:
        """What a start with these of what was set over HTTP would fail with."""
        try:
            settings, _ = self._load({**kept, **self._overlay})
        except ConfigError as error:
            return {str(error)}
        return {str(error) for error in obstacles(settings, Around(self._world.wall_clock))}

    @property
    def _together(self) -> dict[str, Any]:
        return {**self._kept, **self._overlay}

    async def _change_settings(self, values: Mapping[str, Any]) -> Settings:
        """For our own API: check, keep, and go by them."""
        async with self._wishing:
            settings = await self._checked({**_merged(self._kept, values), **self._overlay})
            # What was taken back meanwhile stays so.
            before, unused = self._kept, self._unused
            self._unused = {key: value for key, value in unused.items() if key not in values}
            try:
                await self._keep(_merged(before, values))
            except OSError:
                self._unused = unused
                raise

        async def take_back() -> None:
            await self._keep(_without(self._kept, values, before))

        self.service.spawn(self._reload_quietly(take_back), "reload")
        return settings

    async def _checked(self, over: Mapping[str, Any]) -> Settings:
        """The settings with some keys over them, if a daemon could start with what is new in them.

        Raises:
            ConfigError: it could not.
        """
        try:
            settings, _ = self._load(over)
            await self._check(settings)
        except ConfigError:
            # Reading settings sets logging up by them.
            with contextlib.suppress(ConfigError):
                self._load(self._together)
            raise
        finally:
            self.logbook.install()
        return settings

    async def _check(self, settings: Settings) -> None:
        around = Around(self._world.wall_clock, (self.http.port,))
        found = await asyncio.to_thread(obstacles, settings, around, self.service.settings)
        if found:
            raise found[0]

    async def _keep(self, values: dict[str, Any]) -> None:
        before, self._kept = self._kept, values
        async with self._keeping:
            try:
                # What is wished meanwhile is in it, too; so is what this start had to leave out: the next
                # one may not have to.
                text = json.dumps({**self._unused, **self._kept}, indent=1)
                await asyncio.to_thread(write_whole, self._data / SETTINGS_FILE, text)
            except OSError:
                if self._kept is values:
                    self._kept = before
                raise

    async def _set_account(self, username: str, password: str) -> None:
        """Somebody said over HTTP who to be; it is kept in the data folder."""
        text = json.dumps({"username": username, "password": password})
        await asyncio.to_thread(write_whole, self._data / ACCOUNT_FILE, text)
        await self.reload()

    def _account(self, settings: Settings, account: Account) -> Account:
        """The account of the settings, else the one that was given over HTTP."""
        if settings.account.username:
            return account
        kept = Path(settings.daemon.data).expanduser() / ACCOUNT_FILE
        try:
            found = json.loads(kept.read_text(encoding="utf-8"))
            return Account(str(found["username"]), str(found["password"]))
        except (OSError, ValueError, KeyError, TypeError):
            return account

    async def _check_file(self, values: dict[str, Any]) -> None:
        """For the API: see that a daemon could start with these values of a file, before it is written."""
        await self._checked({**values, **self._together})

    async def _reload_soon(self, overlay: dict[str, Any]) -> Settings:
        """For the API: check now, go by them in a moment."""
        async with self._wishing:
            settings = await self._checked({**self._kept, **self._overlay, **overlay})
            before, self._overlay = self._overlay, {**self._overlay, **overlay}

        async def take_back() -> None:
            self._overlay = _without(self._overlay, overlay, before)

        self.service.spawn(self._reload_quietly(take_back), "reload")
        return settings

    async def _reload_quietly(self, take_back: Callable[[], Awaitable[None]] | None = None) -> None:
        """Fail to the log alone; what cannot be had is taken back, or all that follows would fail with it."""
        async with self._reloading:
            try:
                await self._reload_now()
            except (ConfigError, SoulmeshError) as error:
                logger.error("the settings stay as they were", reason=str(error))
                # Before anything else is tried: what was wished meanwhile has its own turn after this.
                if take_back is not None:
                    await take_back()

    async def _watch(self) -> None:
        if self._config_file is None:
            return
        seen = await asyncio.to_thread(_state_of, self._config_file)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = await asyncio.to_thread(_state_of, self._config_file)
            if now != seen:
                seen = now
                await self._reload_quietly()


def _check_folders(settings: Settings) -> Path:
    """See that our folders can be used; returns the data folder."""
    data = Path(settings.daemon.data).expanduser().absolute()
    check_folder(data, "the data folder")
    check_folder(Path(settings.downloads.folder).expanduser().absolute(), "the folder of downloads")
    for folder in settings.shares.folders:
        problem = check_shared(Path(folder).expanduser().absolute())
        if problem is not None:
            logger.warning("a shared folder cannot be used", problem=problem)
    return data


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _missing_api() -> Api:
    """Below ``/api`` what does not exist is an empty 404, never a page."""
    return Api(("api",), Router(), _quiet, lambda _error: None, {}, {})


def _quiet(error: HttpError) -> Response:
    return empty(error.status, error.headers)


def _plain(service: Service) -> Api:
    """The page, ``/health`` and ``/metrics``: paths outside of any API."""

    async def health(_call: Call) -> Response:
        return PlainTextResponse("Healthy")

    async def scrape(call: Call) -> Response:
        settings = service.settings.metrics
        if not settings.enabled:
            raise HttpError(404)
        if not may_scrape(settings, call.request.headers.get("authorization", "")):
            raise HttpError(401, headers={"www-authenticate": 'Basic realm="metrics"'})
        return Response(metrics.as_text(service), media_type=metrics.TEXT)

    router = Router([Route("GET", "/health", health, Access.PUBLIC), *page.routes(page.PageFiles())])
    path = service.settings.metrics.path
    taken = ("api", "static", "health", "")
    if path.strip("/").lower().partition("/")[0] not in taken:
        router.add(Route("GET", path, scrape, Access.PUBLIC))
    return Api((), router, _quiet, lambda _error: None, {}, {})


def _merged(kept: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """With other values; ``None`` takes one away."""
    return {key: value for key, value in {**kept, **values}.items() if value is not None}


def _without(now: Mapping[str, Any], wished: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without one wish: each of its keys as it was, unless another wish has changed it since."""
    found = dict(now)
    for key, value in wished.items():
        if found.get(key) == value:
            if key in before:
                found[key] = before[key]
            else:
                found.pop(key, None)
    return found
