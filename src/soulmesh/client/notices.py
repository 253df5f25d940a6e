"""What the server says in words: private messages from ``server``, read back into facts.

Many refusals come only as a sentence for people (messages.md, "Server notices").
Each known sentence stands here once, with what it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["About", "Notice", "read_notice"]


class About(Enum):
    """What a notice is about; the values are the operations of :class:`soulmesh.client.rooms.Rooms`."""

    JOIN = "join"
    GRANT_MEMBERSHIP = "grant membership"
    REVOKE_MEMBERSHIP = "revoke membership"
    GRANT_OPERATOR = "grant operator"
    REVOKE_OPERATOR = "revoke operator"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, understood."""

    about: tuple[About, ...]
    refused: bool
    """False: it only tells that something happened."""
    room: str | None
    username: str | None
    text: str


_GRANTS = (About.GRANT_MEMBERSHIP, About.GRANT_OPERATOR)

# The room or user may hold any printable character, so each sentence is matched as a whole.
_SENTENCES: tuple[tuple[str, tuple[About, ...], bool], ...] = (
    (r"The room you are trying to enter \((?P<room>.*)\) is registered as private\.", (About.JOIN,), True),
    (r"Room \((?P<room>.*)\) is registered as public\.", (About.JOIN,), False),
    (r"Could not create room\. Reason: Room name empty\.", (About.JOIN,), True),
    (
        r"Could not create room\. Reason: Room name (?P<room>.*) longer than 24 characters\.",
        (About.JOIN,),
        True,
    ),
    (
        r"Could not create room\. Reason: Room name (?P<room>.*) contains (?:leading or trailing spaces"
        r"|multiple following spaces|invalid characters)\.",
        (About.JOIN,),
        True,
    ),
    (r"Could not create room\. Reason: .*", (About.JOIN,), True),
    (r"user (?P<user>.*) is not logged in\.?", _GRANTS, True),
    (
        r"user (?P<user>.*) hasn't enabled private room add\. please message them and ask them to do so "
        r"before trying to add them again\.",
        (About.GRANT_MEMBERSHIP,),
        True,
    ),
    (r"user (?P<user>.*) is the owner of room (?P<room>.*)", (About.GRANT_MEMBERSHIP,), True),
    (r"user (?P<user>.*) is already a member of room (?P<room>.*)", (About.GRANT_MEMBERSHIP,), True),
    (r"user (?P<user>.*) must first be a member of room (?P<room>.*)", (About.GRANT_OPERATOR,), True),
    (r"user (?P<user>.*) is already an operator of room (?P<room>.*)", (About.GRANT_OPERATOR,), True),
    (r"User (?P<user>.*) is now a member of room (?P<room>.*)", (About.GRANT_MEMBERSHIP,), False),
    (
        r"User \[(?P<user>.*)\] was added as a member of room \[(?P<room>.*)\] by operator \[.*\]",
        (About.GRANT_MEMBERSHIP,),
        False,
    ),
    (r"User (?P<user>.*) is no longer a member of room (?P<room>.*)", (About.REVOKE_MEMBERSHIP,), False),
    (r"User (?P<user>.*) is now an operator of room (?P<room>.*)", (About.GRANT_OPERATOR,), False),
    (r"User (?P<user>.*) is no longer an operator of room (?P<room>.*)", (About.REVOKE_OPERATOR,), False),
)
_COMPILED = tuple((re.compile(pattern, re.DOTALL), about, refused) for pattern, about, refused in _SENTENCES)


def read_notice(text: str) -> Notice | None:
    """The fact behind a sentence of the server; ``None`` if it is no known one."""
    for pattern, about, refused in _COMPILED:
        found = pattern.fullmatch(text.strip())
        if found is not None:
            groups = found.groupdict()
            return Notice(about, refused, groups.get("room"), groups.get("user"), text)
    return None
