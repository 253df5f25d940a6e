"""Who calls, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["ANONYMOUS", "NO_AUTHENTICATION", "Identity", "Role"]


class Role(Enum):
    """What a credential is good for."""

    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"
    GUEST = "Guest"
    ADMINISTRATOR = "Administrator"

    @property
    def writes(self) -> bool:
        """Whether this role may change anything."""
        return self in (Role.READ_WRITE, Role.ADMINISTRATOR)

    @classmethod
    def named(cls, name: str) -> Role | None:
        """The role of this name in any case, ``None`` if there is none."""
        for role in cls:
            if role.value.lower() == name.strip().lower().replace("_", ""):
                return role
        return None


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose credential was checked."""

    name: str
    role: Role
    logged_in: bool = False
    """By name and password, rather than by an API key."""


ANONYMOUS = Identity("", Role.GUEST)
"""Nobody in particular: for what needs no credential."""

NO_AUTHENTICATION = Identity("Anonymous", Role.ADMINISTRATOR, logged_in=True)
"""Everybody, when authentication is switched off."""
