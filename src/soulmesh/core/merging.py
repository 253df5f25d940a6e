"""What two programs made of one file, put together.

Each read it once and keeps it in memory; before one writes, it looks what the other
made of it meanwhile. What only one of them changed is as that one has it; of what both
changed, the one that writes now is right.
"""

from __future__ import annotations

from typing import Any

__all__ = ["merged"]

_NOTHING = object()


def merged(before: Any, ours: Any, theirs: Any) -> Any:
    """Our changes since ``before``, made to ``theirs``.

    All three are values of JSON. Objects are merged key by key; of lists it counts what is in them:
    what we added is there, what we took away is not, and theirs stands first.
    """
    if ours == before:
        return theirs
    if theirs == before:
        return ours
    if isinstance(ours, dict) and isinstance(theirs, dict):
        old = before if isinstance(before, dict) else {}
        found = {}
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            value = merged(*(one.get(key, _NOTHING) for one in (old, ours, theirs)))
            if value is not _NOTHING:
                found[key] = value
        return found
    if isinstance(ours, list) and isinstance(theirs, list):
        known = before if isinstance(before, list) else []
        # Long lists are of text; what is no key is compared one by one.
        try:
            had, have, there = set(known), set(ours), set(theirs)
        except TypeError:
            had, have, there = known, ours, theirs  # type: ignore[assignment]
        stay = [one for one in theirs if one in have or one not in had]
        return stay + [one for one in ours if one not in had and one not in there]
    return ours
