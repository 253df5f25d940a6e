"""``/options``: the settings in slskd's shape, secrets masked; the configuration file as text."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.responses import PlainTextResponse, Response

from soulmesh import settings as reading
from soulmesh.config import Settings, parse_address
from soulmesh.daemon.choices import client_settings, transfer_settings
from soulmesh.daemon.http.call import Call, Properties
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.identity import Role
from soulmesh.daemon.http.replies import empty, form, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.masked_file import masked_file, unmasked_file
from soulmesh.daemon.masks import MASK, masked_headers, masked_settings, masked_url
from soulmesh.daemon.service import Service, authenticator
from soulmesh.errors import ConfigError

__all__ = ["options_form", "routes"]

UNLIMITED = 2147483647
LARGEST_FILE = 1 << 20


def _masked(secret: object) -> str | None:
    return MASK if secret else None


def options_form(service: Service, settings: Settings) -> dict[str, Any]:
    """The options, as consumers read them. What we have not is absent."""
    web = settings.web
    host, port = parse_address(settings.network.server)
    downloads = Path(settings.downloads.folder).expanduser().absolute()
    return {
        "debug": settings.log.level == "debug",
        "headless": not (web.username and web.password),
        "remoteConfiguration": settings.remote_configuration,
        "remoteFileManagement": settings.remote_file_management,
        "instanceName": settings.instance_name,
        "flags": {
            "noConnect": not settings.account.username,
            "noShareScan": False,
            "noVersionCheck": True,
            "logSQL": False,
        },
        "relay": {"enabled": False, "mode": "controller"},
        "directories": {
            "incomplete": service.seen(settings.downloads.incomplete or downloads / ".incomplete"),
            "downloads": service.seen(downloads),
        },
        "shares": {
            "directories": [service.seen(Path(folder)) for folder in settings.shares.folders],
            "filters": [],
            "cache": {"storageMode": "disk", "workers": os.cpu_count() or 1},
        },
        "transfers": {
            "upload": {
                "slots": settings.transfers.upload_slots,
                "speedLimit": settings.transfers.upload_limit_kib or UNLIMITED,
            },
            "download": {
                "slots": UNLIMITED,
                "speedLimit": settings.transfers.download_limit_kib or UNLIMITED,
                "retry": {
                    "attempts": UNLIMITED if settings.transfers.retry else 0,
                    "delay": 180_000,
                    "maxDelay": 3_600_000,
                    "partial": "resume",
                },
                "destination": {
                    "subdirectory": "${SOURCE_DIRECTORY}",
                    "exists": "rename",
                    "permissions": {},
                },
            },
            "groups": {
                "default": {"upload": {"priority": 2, "strategy": "roundrobin"}},
                "leechers": {
                    "thresholds": {"files": 1, "directories": 1},
                    "upload": {"priority": 3, "strategy": "roundrobin", "slots": 1},
                },
                "blacklisted": {"members": [], "patterns": [], "cidrs": []},
                "userDefined": {},
            },
        },
        "blacklist": {"enabled": False},
        "filters": {"search": {"request": []}},
        "rooms": service.engine.rooms(),
        "web": form(
            port=web.port,
            ipAddress=web.host,
            https={"disabled": web.certificate is None, "force": False},
            urlBase=web.url_base,
            logging=False,
            authentication=form(
                disabled=not web.authentication,
                username=web.username,
                password=_masked(web.password),
                jwt=form(key=MASK, ttl=int(web.jwt_lifetime * 3_600_000)),
                apiKey=_masked(web.api_key),
                apiKeys={
                    name: {"key": MASK, "role": entry.role, "cidr": entry.cidr}
                    for name, entry in web.api_keys.items()
                },
            ),
        ),
        "retention": form(search=int(settings.history.searches * 1440) or None),
        "logger": {"disk": False, "noColor": False},
        "metrics": form(
            enabled=settings.metrics.enabled,
            url=settings.metrics.path,
            authentication=form(
                disabled=not settings.metrics.authentication,
                username=settings.metrics.username,
                password=_masked(settings.metrics.password),
            ),
        ),
        "feature": {"swagger": False},
        "soulseek": form(
            address=host,
            port=port,
            username=settings.account.username,
            password=_masked(
                settings.account.password
                or settings.account.password_file
                or settings.account.password_command
            ),
            listenIpAddress="0.0.0.0",
            listenPort=settings.network.listen_port,
        ),
        "integrations": {
            "vpn": {"enabled": False},
            "webhooks": {
                name: {
                    "on": hook.on,
                    "call": {
                        "url": masked_url(hook.url),
                        "headers": [
                            {"name": header, "value": value}
                            for header, value in masked_headers(hook.headers).items()
                        ],
                        "ignoreCertificateErrors": hook.ignore_certificate_errors,
                    },
                    "timeout": int(hook.timeout * 1000),
                    "retry": {"attempts": hook.attempts},
                }
                for name, hook in settings.webhooks.items()
            },
            "scripts": {name: {"on": script.on} for name, script in settings.scripts.items()},
        },
    }


def _by_key(found: dict[str, Any]) -> dict[str, Any]:
    """The values of a file by their dotted keys, but for those that are acted on when they are read: a
    command that tells the password, and how to log."""
    values = {}
    for key in reading.keys(Settings):
        if key.startswith(("account.", "log.")):
            continue
        value: Any = found
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            values[key] = value
    return values


class OptionPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def current(self, _call: Call) -> Response:
        """``GET /options``."""
        return reply(options_form(self._service, self._service.settings))

    async def startup(self, _call: Call) -> Response:
        """``GET /options/startup``."""
        return reply(options_form(self._service, self._service.startup))

    async def patch(self, call: Call) -> Response:
        """``PATCH /options``: listening address and port, until the next restart."""
        if not self._service.settings.remote_configuration:
            raise HttpError(403, "Remote configuration is disabled")
        found = await call.json()
        if found is None:
            return empty(204)
        if not isinstance(found, dict):
            raise HttpError(400, "A JSON object is required")
        soulseek = Properties(found).get("soulseek") or {}
        if not isinstance(soulseek, dict):
            raise HttpError(400, "Soulseek has to be an object")
        given = Properties(soulseek)
        port = given.integer("listenPort")
        address = given.text("listenIpAddress")
        changes: dict[str, Any] = {}
        if port is not None and not 1024 <= port <= 65535:
            raise HttpError(400, "ListenPort has to be between 1024 and 65535")
        if address is not None:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise HttpError(400, f"{address} is no IP address") from None
        if self._service.reload is not None and port is not None:
            changes["network.listen_port"] = port
        if self._service.reload is not None and address is not None:
            # The client's word for all addresses is none.
            unbound = ipaddress.ip_address(address).is_unspecified
            changes["network.local_address"] = "" if unbound else address
        if changes:
            await self._reload(changes)
        return reply({"soulseek": form(listenIpAddress=address, listenPort=port)})

    async def debug(self, _call: Call) -> Response:
        """``GET /options/debug``: our own settings as they are, without secrets."""
        settings = self._service.settings
        if not (settings.remote_configuration and settings.log.level == "debug"):
            raise HttpError(403)
        return PlainTextResponse(json.dumps(masked_settings(settings), indent=2))

    async def location(self, _call: Call) -> Response:
        """``GET /options/yaml/location``."""
        return reply(str(self._file()))

    async def read(self, _call: Call) -> Response:
        """``GET /options/yaml``: the file as one string, secrets masked. Ours is TOML."""
        file = self._file()
        text = await self._text(file)
        try:
            return reply(await asyncio.to_thread(masked_file, text))
        except ValueError as error:
            raise HttpError(500, f"{file} is not shown, for its secrets cannot be told: {error}") from None

    async def write(self, call: Call) -> Response:
        """``PUT /options/yaml``: secrets that come back masked stay; the old file is kept beside it."""
        file = self._file()
        text = await self._meant(file, await call.quoted(limit=LARGEST_FILE))
        problem = await self._problem(call, text)
        if problem is not None:
            raise HttpError(400, problem)

        def store() -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.exists():
                backup = file.with_name(f"{file.name}.bak")
                backup.write_bytes(file.read_bytes())
                backup.chmod(0o600)
            beside = file.with_name(f".{file.name}.new")
            # A password may stand in it.
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as new:
                new.write(text)
            os.replace(beside, file)

        try:
            await asyncio.to_thread(store)
        except OSError as error:
            raise HttpError(500, f"{file} cannot be written: {error.strerror or error}") from None
        await self._reload({})
        return empty(200)

    async def validate(self, call: Call) -> Response:
        """``POST /options/yaml/validate``: an empty answer is a good one."""
        file = self._file()
        said = await call.quoted(limit=LARGEST_FILE)
        try:
            problem = await self._problem(call, await self._meant(file, said))
        except HttpError as error:
            if error.status != 400:
                raise
            problem = error.message
        return empty(200) if problem is None else reply(problem)

    async def _text(self, file: Path) -> str:
        try:
            return await asyncio.to_thread(file.read_text, "utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise HttpError(500, f"{file} cannot be read: {error}") from None

    async def _meant(self, file: Path, said: str) -> str:
        """What somebody means who was shown the file masked.

        Raises:
            HttpError: 400, it is no TOML, or a mask stands for nothing.
        """
        if MASK not in said:
            return said
        old = await self._text(file)
        try:
            return await asyncio.to_thread(unmasked_file, said, old)
        except tomllib.TOMLDecodeError as error:
            raise HttpError(400, f"The text is not TOML: {error}") from None
        except ValueError as error:
            raise HttpError(400, str(error)) from None

    async def _problem(self, call: Call, text: str) -> str | None:
        try:
            # What the next start would refuse is refused now.
            found = tomllib.loads(text)
            settings = Settings.model_validate(found)
            authenticator(settings, self._service.world.wall_clock, self._service.signing)
            transfer_settings(settings)
            client_settings(settings)
            # Who may only read could look at the disk with it.
            if self._service.check_file is not None and call.identity.role is Role.ADMINISTRATOR:
                await self._service.check_file(_by_key(found))
        except tomllib.TOMLDecodeError as error:
            return f"The text is not TOML: {error}"
        except ValidationError as error:
            return "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
            )
        except ConfigError as error:
            return str(error)
        return None

    async def _reload(self, overlay: dict[str, Any]) -> None:
        if self._service.reload is None:
            return
        try:
            await self._service.reload(overlay)
        except ConfigError as error:
            raise HttpError(400, str(error)) from None

    def _file(self) -> Path:
        if not self._service.settings.remote_configuration:
            raise HttpError(403, "Remote configuration is disabled")
        if self._service.config_file is None:
            raise HttpError(404, "The daemon was started without a configuration file")
        return self._service.config_file


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = OptionPaths(service)
    return [
        Route("GET", "/options", paths.current),
        Route("PATCH", "/options", paths.patch, Access.ADMIN),
        Route("GET", "/options/startup", paths.startup),
        Route("GET", "/options/debug", paths.debug, Access.LOGIN),
        Route("GET", "/options/yaml/location", paths.location, Access.LOGIN),
        Route("GET", "/options/yaml", paths.read, Access.LOGIN),
        Route("PUT", "/options/yaml", paths.write, Access.LOGIN),
        Route("POST", "/options/yaml/validate", paths.validate),
    ]
