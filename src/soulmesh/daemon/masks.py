"""What is shown of settings that may carry a secret of somebody else's: a webhook's address and headers.

The user part, the path and the query of an address are what many receivers let
us in by. So nobody is shown them, administrators neither; what comes back as it
was shown stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from soulmesh.config import Settings

__all__ = [
    "COMMANDS",
    "MASK",
    "masked_headers",
    "masked_settings",
    "masked_url",
    "unmasked_headers",
    "unmasked_url",
]

MASK = "*****"
COMMANDS = ("account.password_command", "network.forwarded_port_command")
"""Settings that are commands, which may hold a secret."""


def masked_url(url: str) -> str:
    """Where an address leads: scheme, host and port; all else as :data:`MASK`."""
    try:
        found = urlsplit(url)
        host, port = found.hostname, found.port
    except ValueError:
        return MASK
    if not found.scheme or not host:
        return MASK
    place = f"[{host}]" if ":" in host else host
    origin = f"{found.scheme}://{place}" + (f":{port}" if port is not None else "")
    if "@" not in found.netloc and url in (origin, f"{origin}/"):
        return url
    return f"{origin}/{MASK}"


def unmasked_url(said: str, old: str | None) -> str:
    """The address that somebody means who was shown :func:`masked_url` of the old one.

    Raises:
        ValueError: a part of it is the mask.
    """
    if old is not None and said == masked_url(old):
        return old
    if MASK in said:
        raise ValueError("write the whole address; only as it was shown it stays as it is")
    return said


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Their names."""
    return dict.fromkeys(headers, MASK)


def unmasked_headers(said: Mapping[str, Any], old: Mapping[str, str]) -> dict[str, Any]:
    """The headers that somebody means who was shown :func:`masked_headers` of the old ones.

    Raises:
        ValueError: one that was not there before is the mask.
    """
    found = {}
    for name, value in said.items():
        if value == MASK and name not in old:
            raise ValueError(f"the header {name} has no value yet")
        found[name] = old[name] if value == MASK else value
    return found


def masked_settings(settings: Settings) -> dict[str, Any]:
    """All settings for JSON, without secrets and without commands that may hold one."""
    found: dict[str, Any] = settings.model_dump(mode="json")
    for hook in found["webhooks"].values():
        hook["url"] = masked_url(hook["url"])
        hook["headers"] = masked_headers(hook["headers"])
    for script in found["scripts"].values():
        script["command"] = script["command"] and MASK
        script["args"] = [MASK for _ in script["args"]]
    for key in COMMANDS:
        section, _, name = key.partition(".")
        found[section][name] = found[section][name] and MASK
    return found
