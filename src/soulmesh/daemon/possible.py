"""Whether a daemon could start with some settings, and which of those that were kept must be left out.

What the start refuses has to be refused when it is said, not by a start that
nobody watches; and what has become impossible since (a folder, an address, a
certificate that is gone) is no reason to stay away.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from soulmesh.client.reach import Reach
from soulmesh.config import Settings
from soulmesh.daemon.checks import check_folder, check_listening
from soulmesh.daemon.choices import client_settings, transfer_settings
from soulmesh.daemon.http.serving import read_certificate
from soulmesh.daemon.kinds import check_hooks
from soulmesh.daemon.knobs import value_of
from soulmesh.daemon.service import authenticator
from soulmesh.errors import ConfigError, NetworkError, SoulmeshError
from soulmesh.net.tcp import see_that_we_can_listen

__all__ = ["Around", "obstacles", "possible_part"]


@dataclass(frozen=True)
class Around:
    """What a look at settings has to know besides them.

    ``ours`` are ports that we listen on ourselves, ``None`` before the start, when all are looked at.
    """

    wall_clock: Callable[[], datetime]
    ours: Collection[int] | None = None


def obstacles(settings: Settings, around: Around, before: Settings | None = None) -> list[ConfigError]:
    """What a start with these settings would fail with.

    It looks at the disk and binds ports, so it takes time; nothing of it stays.

    Args:
        before: those that we go by; what does not differ from them is not looked at.
    """
    found = []
    for keys, check in _CHECKS:
        if before is not None and all(value_of(settings, key) == value_of(before, key) for key in keys):
            continue
        try:
            check(settings, around)
        except ConfigError as error:
            found.append(error)
        except (SoulmeshError, ValueError) as error:
            found.append(ConfigError(str(error)))
        except OSError as error:
            # Names that no file system takes.
            found.append(ConfigError(f"{keys[0]}: {error.strerror or error}"))
    return found


def possible_part(
    kept: Mapping[str, Any], problems: Callable[[Mapping[str, Any]], set[str]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The part of some values with which a start is possible, and why each of the others is left out.

    Args:
        kept: values by key.
        problems: what is wrong with the settings when such values are in them; empty if nothing is.
    """
    part, out = dict(kept), {}
    wrong = problems(part)
    # First those without which it is better, and nothing else is worse: the rest may belong together.
    for key in kept:
        without = {other: value for other, value in part.items() if other != key}
        less = problems(without) if wrong else wrong
        if less < wrong:
            out[key] = "; ".join(sorted(wrong - less))
            part, wrong = without, less
    bare = problems({}) if wrong else wrong
    if not wrong - bare:
        return part, out
    # Else each that adds no trouble, as long as one is found: one may need another.
    rest, part, added = part, {}, True
    while added:
        added = False
        for key in [key for key in rest if key not in part]:
            new = problems({**part, key: rest[key]}) - bare
            if new:
                out[key] = "; ".join(sorted(new))
                continue
            part[key], added = rest[key], True
            out.pop(key, None)
    return part, out


def _bindable(setting: str, host: str, port: int, interface: str = "") -> None:
    try:
        see_that_we_can_listen(host, port, interface or None)
    except NetworkError as error:
        raise ConfigError(f"{setting}: {error}") from None


def _web_place(settings: Settings, around: Around) -> None:
    web = settings.web
    _bindable("web.host", web.host, 0)
    if web.port not in (around.ours or ()):
        _bindable("web.port", web.host, web.port)


def _network_place(settings: Settings, around: Around) -> None:
    network = settings.network
    if network.local_address:
        _bindable("network.local_address", network.local_address, 0, network.interface)
    setting = "network.listen_host" if network.listen_host else "network.interface"
    _bindable(setting, network.listen_host, 0, network.interface)
    if around.ours is None:
        # While we run the port itself is tried by moving to it.
        host = network.listen_host or network.local_address
        _bindable("network.listen_port", host, network.listen_port, network.interface)


def _certificate(settings: Settings, _around: Around) -> None:
    web = settings.web
    if web.certificate is not None:
        read_certificate(str(web.certificate), str(web.certificate_key) if web.certificate_key else None)


def _folders(settings: Settings, _around: Around) -> None:
    check_folder(_absolute(settings.downloads.folder), "the folder of downloads", make=False)


def _data(settings: Settings, _around: Around) -> None:
    check_folder(_absolute(settings.daemon.data), "the data folder", make=False)


def _absolute(path: Path) -> Path:
    return Path(path).expanduser().absolute()


def _keys_and_logins(settings: Settings, around: Around) -> None:
    authenticator(settings, around.wall_clock, secrets.token_bytes(32))


def _client(settings: Settings, _around: Around) -> None:
    client_settings(settings)
    Reach.of(settings.network)


def _transfers(settings: Settings, _around: Around) -> None:
    transfer_settings(settings)


def _hooks(settings: Settings, _around: Around) -> None:
    check_hooks(settings)


def _listening(settings: Settings, _around: Around) -> None:
    check_listening(settings)


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Settings, Around], None]], ...] = (
    (("daemon.data",), _data),
    (("downloads.folder",), _folders),
    (("web",), _listening),
    (("web",), _keys_and_logins),
    (("web.certificate", "web.certificate_key"), _certificate),
    (("web.host", "web.port"), _web_place),
    (("network", "client", "governor"), _client),
    (
        ("network.listen_host", "network.listen_port", "network.local_address", "network.interface"),
        _network_place,
    ),
    (("downloads", "transfers"), _transfers),
    (("webhooks", "scripts"), _hooks),
)
"""The settings that a part of the start depends on, and that part."""
