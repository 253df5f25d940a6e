"""Which bus the settings ask for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from random import Random

from soulmesh.errors import ConfigError
from soulmesh.server.bus.port import Bus
from soulmesh.server.settings import BusSection
from soulmesh.server.store.choose import DriverMissing

__all__ = ["bus_maker"]

_SCHEMES = ("redis", "rediss", "unix")


def bus_maker(section: BusSection, random: Random) -> Callable[[], Bus]:
    """Makes buses as the settings say.

    Raises:
        ConfigError: the address is none that there is a bus for.
        DriverMissing: the package for it is not installed.
    """
    scheme, separator, _ = section.url.partition("://")
    if scheme not in _SCHEMES or not separator:
        raise ConfigError(
            f"bus.url must begin with redis://, rediss:// or unix://, and not with {scheme[:20]!r}"
        )
    if importlib.util.find_spec("redis") is None:
        raise DriverMissing("bus.url", "redis", "redis")
    from soulmesh.server.bus.redis import RedisBus

    return lambda: RedisBus(section.url, section.network, random)
