"""Another source of the same file, when the one that was asked comes to nothing, or a better one shows up.

Whether that happens by itself is a setting: never, when a source fails for good
(``File not shared.``, ``Banned``, tries used up), or also when no byte came for
a while and somebody else has the file who satisfies the user's rule, a filter
(:mod:`soulmesh.client.filters`) such as ``free speed>500k``.

The same file is one of the same size and kind, with a name that is alike, and of
the same length where both are known. Of what was asked for by its name alone the
size is what its owner says of it, in an answer to the search or of its folder.
One source is asked at a time: the old download ends in the moment in which the
new one begins, and their unfinished files are never mixed. Files of a goal are
left to the goal, which has candidates of its own.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import re
from collections.abc import Callable

from soulmesh.client.errors import ClientError
from soulmesh.client.events import Events
from soulmesh.client.filters import Filter
from soulmesh.client.results import FoundFile, Hit, rank
from soulmesh.client.searches import Searches
from soulmesh.client.tasks import Tasks
from soulmesh.client.transfers import Transfer, TransferMoved, Transfers
from soulmesh.core.transfer import FINAL, State
from soulmesh.errors import NotFound, SoulmeshError, UsageError

__all__ = ["NoOtherSource", "Sources", "alike", "words_for"]

log = logging.getLogger(__name__)

LISTEN = 20.0
"""Seconds for which answers are taken."""
LOOK_EVERY = 60.0
LOOK_AGAIN_AFTER = 6 * 3600.0
"""Seconds before the same download is looked for again."""
MOST_PER_ROUND = 1
"""Searches in one round: the server bans whoever searches too often."""
ASK_WITHIN = 20.0
"""Seconds for the owner to say how large its file is."""
LIKENESS = 0.85
_WAITING = frozenset({State.ASKING, State.QUEUED, State.DELAYED, State.OFFLINE})
_NOT_WAITING = FINAL | {State.PAUSED, State.NO_ROOM}


class NoOtherSource(NotFound):
    """Nobody else was found who has the same file."""

    hint = "`soulmesh search` may show other copies of it"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"nobody else was found who has {self.name}"


class Sources:
    """Looks for other users who have what we want."""

    def __init__(
        self,
        events: Events,
        transfers: Transfers,
        searches: Callable[[], Searches],
        online: Callable[[], bool],
    ) -> None:
        self._transfers = transfers
        self._searches = searches
        self._online = online
        self._tasks = Tasks("other sources")
        self._looking: dict[int, asyncio.Task[None]] = {}
        self._looked: dict[int, float] = {}
        self._idle: dict[int, tuple[int, float]] = {}
        self._successors: dict[int, Transfer] = {}
        self._one_at_a_time = asyncio.Lock()
        self._undo = events.on(TransferMoved, self._moved)

    async def start(self) -> None:
        """Begin to look after downloads that wait."""
        self._tasks.start(self._look_around(), "looking around")

    async def close(self) -> None:
        """Stop looking."""
        self._undo()
        await self._tasks.close()

    async def find(self, transfer: Transfer, keep: Filter | None = None) -> list[Hit]:
        """Search for others who have the same file, best first.

        Raises:
            UsageError: it is no download, is here already, or nobody says how large it is.
            SearchRefused, NotConnected: nobody can be asked.
        """
        if transfer.is_download and transfer.finished:
            raise UsageError(f"{transfer.name} is here already: {transfer.local_path}")
        if not transfer.is_download:
            raise UsageError(f"{transfer.name} is an upload, and comes from nowhere else")
        wanted = FoundFile(transfer.remote_path, transfer.size or 0)
        search = self._searches().search(words_for(wanted), timeout=LISTEN, interactive=False)
        hits = [hit async for hit in search]
        if transfer.size is None:
            await self._learn(transfer, hits)
        tried = {transfer.username, *transfer.more.get("tried", ())}
        length = transfer.more.get("length")
        wanted = FoundFile(transfer.remote_path, transfer.size or 0, ((1, length),) if length else ())
        found = [
            hit
            for hit in hits
            if hit.username not in tried and not hit.locked and alike(wanted, hit.file)
            if keep is None or keep(hit)
        ]
        return sorted(found, key=rank)

    async def _learn(self, transfer: Transfer, hits: list[Hit]) -> None:
        """How large the file is, as its owner says.

        Raises:
            UsageError: that cannot be found out.
        """
        files = [hit.file for hit in hits if hit.username == transfer.username]
        said = next((file for file in files if file.remote_path == transfer.remote_path), None)
        if said is None:
            folder = transfer.remote_path.rpartition("\\")[0]
            try:
                async with asyncio.timeout(ASK_WITHIN):
                    files = await self._transfers.batches.files_of(transfer.username, folder)
            except (ClientError, SoulmeshError, TimeoutError) as error:
                log.info("%s does not say how large %s is: %s", transfer.username, transfer.name, error)
                files = []
            said = next((file for file in files if file.remote_path == transfer.remote_path), None)
        if said is None:
            raise UsageError(f"nobody says how large {transfer.name} is, so it cannot be told from others")
        transfer.download.size = said.size
        if said.length:
            transfer.more["length"] = said.length

    async def take(self, transfer: Transfer, keep: Filter | None = None) -> Transfer:
        """Find another source and turn to it: the new download, in place of the old one.

        Raises:
            NoOtherSource: there is none.
            UsageError, SearchRefused, NotConnected: see :meth:`find`.
        """
        async with self._one_at_a_time:
            self._looked[transfer.id] = asyncio.get_running_loop().time()
            found = await self.find(transfer, keep)
            if not found:
                raise NoOtherSource(transfer.name)
            # It may have come meanwhile, or have been taken off the list.
            self._transfers.get(transfer.id)
            if transfer.finished or transfer.state in (State.SAVING, State.RUNNING):
                raise UsageError(f"{transfer.name} is on its way from {transfer.username} already")
            best = found[0]
            new = await self._transfers.take_over(
                transfer, best.username, best.file.remote_path, best.file.size
            )
            self._successors[transfer.id] = new
            return new

    async def successor(self, transfer: Transfer) -> Transfer | None:
        """What took a download's place; waits while another source is looked for. ``None`` if nothing did."""
        looking = self._looking.get(transfer.id)
        if looking is not None:
            await asyncio.wait([looking])
        return self._successors.get(transfer.id)

    # Within.

    def _moved(self, event: TransferMoved) -> None:
        if event.direction != "download":
            return
        if event.new in _NOT_WAITING:
            self._idle.pop(event.transfer, None)
        elif event.new in _WAITING:
            self._notice(self._transfers.get(event.transfer))
        if event.new is not State.FAILED or event.old is State.FAILED:
            return
        if self._transfers.settings.other_sources == "never":
            return
        transfer = self._transfers.get(event.transfer)
        if self._mine(transfer):
            self._look_for(transfer, None)

    def _notice(self, transfer: Transfer) -> float:
        """Since when no byte has come of it."""
        now = asyncio.get_running_loop().time()
        done, since = self._idle.get(transfer.id, (-1, now))
        if done != transfer.done:
            self._idle[transfer.id] = (transfer.done, now)
            return now
        return since

    def _mine(self, transfer: Transfer) -> bool:
        """Whether it is ours to look for: goals look after their files themselves."""
        if transfer.more.get("pushed"):
            return False
        return all(goal.batch != transfer.batch or not goal.batch for goal in self._transfers.goals)

    def _look_for(self, transfer: Transfer, keep: Filter | None) -> None:
        if transfer.id not in self._looking:
            task = self._tasks.start(self._replace(transfer, keep), f"for {transfer.name}")
            self._looking[transfer.id] = task
            task.add_done_callback(lambda _: self._looking.pop(transfer.id, None))

    async def _replace(self, transfer: Transfer, keep: Filter | None) -> None:
        try:
            new = await self.take(transfer, keep)
        except (ClientError, SoulmeshError) as error:
            log.info("no other source for %s: %s", transfer.name, error)
        else:
            log.info("%s comes from %s now", transfer.name, new.username)

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            settings = self._transfers.settings
            if settings.other_sources == "never" or not self._online():
                continue
            rule = Filter.parse(settings.better_source) if settings.better_source else None
            due = [transfer for transfer in self._transfers if self._due(transfer)]
            for transfer in due[:MOST_PER_ROUND]:
                self._look_for(transfer, None if transfer.state is State.FAILED else rule)

    def _due(self, transfer: Transfer) -> bool:
        """Whether another source should be looked for now."""
        now = asyncio.get_running_loop().time()
        if not transfer.is_download or not self._mine(transfer):
            return False
        if now - self._looked.get(transfer.id, float("-inf")) < LOOK_AGAIN_AFTER:
            return False
        if transfer.state is State.FAILED:
            return True
        settings = self._transfers.settings
        if settings.other_sources != "better" or transfer.state not in _WAITING:
            return False
        return now - self._notice(transfer) >= settings.better_after


def words_for(file: FoundFile) -> str:
    """What to search for: the words of the file's name, and of its folder where the name says little."""
    stem = file.name.rpartition(".")[0] or file.name
    words = _words(stem)
    if len(words) < 2:
        words += [word for word in _words(file.folder.rpartition("\\")[2]) if word not in words]
    return " ".join(words[:8]) or stem


def _words(text: str) -> list[str]:
    """Words without numbers of tracks: other people number otherwise."""
    found = re.findall(r"\w+", text.replace("_", " "))
    return [word for word in dict.fromkeys(found) if len(word) > 1 and not (word.isdigit() and len(word) < 4)]


def alike(one: FoundFile, other: FoundFile) -> bool:
    """Whether two users' files are the same, as far as can be told from outside."""
    if one.size != other.size or one.extension != other.extension:
        return False
    if one.length is not None and other.length is not None and abs(one.length - other.length) > 2:
        return False
    mine, theirs = _plain(one.name), _plain(other.name)
    if mine == theirs:
        return True
    return difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= LIKENESS


def _plain(name: str) -> str:
    """The name in small letters, without its number, ending and signs."""
    return " ".join(_words((name.rpartition(".")[0] or name).casefold()))
