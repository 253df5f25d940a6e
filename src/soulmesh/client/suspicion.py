"""Answers that only echo the query: sent by programs that share nothing, to everybody who searches.

Each rule is small, has a name, and is counted where it strikes; nothing is
hidden without a trace.
"""

from __future__ import annotations

import re

from soulmesh.wire.peer import PeerSearchReply

__all__ = ["suspicious"]

_WORDS = re.compile(r"[^\W_]+")
_ENOUGH = 3
"""Fewer files prove nothing."""


def suspicious(query: str, reply: PeerSearchReply) -> str | None:
    """The rule that an answer breaks; ``None`` for an ordinary one.

    - ``same size``: several files with different names, every one of exactly the same size;
    - ``echo``: every file is named by the words of the query and nothing else, in one folder
      that is named so as well.
    """
    files = reply.results or reply.locked_results or ()
    if len(files) >= _ENOUGH:
        names = {file.filename for file in files}
        sizes = {file.filesize for file in files}
        if len(sizes) == 1 and len(names) == len(files) and sizes != {0}:
            return "same size"
    wanted = set(_WORDS.findall(query.lower()))
    if len(wanted) >= 2 and files and all(_echoes(file.filename, wanted) for file in files):
        return "echo"
    return None


def _echoes(path: str, wanted: set[str]) -> bool:
    """Whether folder and name say no word beyond the query (and an ending)."""
    folder, _, name = path.rpartition("\\")
    stem = name.rpartition(".")[0] or name
    last = folder.rpartition("\\")[2]
    return set(_WORDS.findall(stem.lower())) == wanted and set(_WORDS.findall(last.lower())) <= wanted
