"""The operations of ``/api/v1`` by subject, as methods.

Each returns what the API answers, as it came: dictionaries, lists of them, or nothing. Lists
that come in pages are asynchronous iterators over all items. Sizes are bytes, speeds bytes per
second, times ISO 8601 in UTC. All raise as :meth:`soulmesh.daemon.remote.Daemon.ask` does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

__all__ = [
    "Batches",
    "Chat",
    "Filters",
    "Goals",
    "Interests",
    "Rooms",
    "Searches",
    "Settings",
    "Shares",
    "Transfers",
    "Users",
    "Wishes",
]

Row = dict[str, Any]
Files = Iterable[tuple[str, int | None] | tuple[str, int | None, int | None]]
"""Remote paths with their sizes, and with their seconds where a search told them."""


class Asking(Protocol):
    """What a part needs: see :class:`soulmesh.daemon.remote.Daemon`."""

    async def ask(self, method: str, path: str, /, body: Any = None, **query: Any) -> Any: ...

    def pages(self, path: str, /, **query: Any) -> AsyncIterator[Row]: ...


def q(name: object) -> str:
    """A name as one piece of a path."""
    return quote(str(name), safe="")


def _wanted(files: Files) -> list[Row]:
    rows: list[Row] = []
    for path, size, *length in files:
        rows.append({"path": path, "size": size or 0})
        if length and length[0]:
            rows[-1]["length"] = length[0]
    return rows


class _Part:
    def __init__(self, daemon: Asking) -> None:
        self._ask = daemon.ask
        self._pages = daemon.pages


class Searches(_Part):
    """Searches, and their results as somebody looks at them."""

    async def begin(
        self,
        text: str,
        *,
        silence: float = 15.0,
        response_limit: int = 250,
        file_limit: int = 25_000,
        username: str | None = None,
        room: str | None = None,
    ) -> Row:
        """Search everywhere, or ask one user or one room.

        Args:
            silence: seconds without an answer after which it ends.
        """
        body = {
            "text": text,
            "silence": silence,
            "response_limit": response_limit,
            "file_limit": file_limit,
            "username": username,
            "room": room,
        }
        given = {name: value for name, value in body.items() if value is not None}
        found: Row = await self._ask("POST", "/searches", given)
        return found

    def all(self) -> AsyncIterator[Row]:
        """All searches, oldest first."""
        return self._pages("/searches")

    async def get(self, search: str) -> Row:
        """One search."""
        found: Row = await self._ask("GET", f"/searches/{q(search)}")
        return found

    def answers(self, search: str) -> AsyncIterator[Row]:
        """What came so far: one answer per user, in the order in which they came."""
        return self._pages(f"/searches/{q(search)}/results", limit=1000)

    async def files(
        self,
        search: str,
        *,
        filter: str = "",
        sort: str = "arrival",
        order: str = "asc",
        group: str = "none",
        offset: int = 0,
        limit: int = 100,
    ) -> Row:
        """A window into the files: ``items``, ``total`` rows, ``hits`` past the filter, ``all`` files."""
        found: Row = await self._ask(
            "GET",
            f"/searches/{q(search)}/files",
            filter=filter or None,
            sort=sort,
            order=order,
            group=group,
            offset=offset,
            limit=limit,
        )
        return found

    async def matches(self, search: str, filter: str, *, offset: int = 0) -> Row:
        """Which files pass a filter, by their numbers in the order of arrival, from one on."""
        found: Row = await self._ask("GET", f"/searches/{q(search)}/matches", filter=filter, offset=offset)
        return found

    async def stop(self, search: str) -> None:
        """End it, keeping what came."""
        await self._ask("POST", f"/searches/{q(search)}/stop")

    async def forget(self, search: str) -> None:
        """End it and drop its results."""
        await self._ask("DELETE", f"/searches/{q(search)}")


class Filters(_Part):
    """Filters of results that have a name."""

    async def all(self) -> dict[str, str]:
        """Texts by name."""
        return {one["name"]: one["text"] for one in (await self._ask("GET", "/filters"))["items"]}

    async def save(self, name: str, text: str) -> None:
        """Keep one."""
        await self._ask("PUT", f"/filters/{q(name)}", {"text": text})

    async def remove(self, name: str) -> None:
        """Forget one."""
        await self._ask("DELETE", f"/filters/{q(name)}")

    async def check(self, text: str) -> Row:
        """``valid``, and where not: ``problem`` and ``position``."""
        found: Row = await self._ask("POST", "/filters/check", {"text": text})
        return found


class Transfers(_Part):
    """Downloads and uploads."""

    def running(self, direction: str | None = None) -> AsyncIterator[Row]:
        """Those that are not over."""
        return self._pages("/transfers", direction=direction, limit=1000)

    def history(self, direction: str | None = None) -> AsyncIterator[Row]:
        """Those that are over, newest first."""
        return self._pages("/history", direction=direction, limit=1000)

    async def clear(self, direction: str | None = None) -> None:
        """List those that are over no more."""
        await self._ask("DELETE", "/history", direction=direction)

    async def download(self, username: str, files: Files, *, destination: str | None = None) -> Row:
        """Want files of a user; ``taken`` are ids, ``refused`` says what was not taken and why."""
        body: Row = {"username": username, "files": _wanted(files)}
        if destination is not None:
            body["destination"] = destination
        found: Row = await self._ask("POST", "/downloads", body)
        return found

    async def download_folder(
        self,
        username: str,
        folder: str,
        *,
        destination: str | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
    ) -> Row:
        """Want all files of a folder and of those below it: ``batch`` and ``taken``.

        Args:
            destination: below the downloads; by default the folder's own name.
            whole: nothing appears there before everything is here.
            may_miss: endings of files that a whole folder can do without.
        """
        body: Row = {"username": username, "folder": folder, "whole": whole, "may_miss": list(may_miss)}
        if destination is not None:
            body["destination"] = destination
        found: Row = await self._ask("POST", "/downloads/folder", body)
        return found

    async def get(self, transfer: str) -> Row:
        """One transfer."""
        found: Row = await self._ask("GET", f"/transfers/{q(transfer)}")
        return found

    async def why(self, transfer: str) -> Row:
        """Why it is where it is: ``now``, and the ``past`` line by line."""
        found: Row = await self._ask("GET", f"/transfers/{q(transfer)}/why")
        return found

    async def pause(self, transfer: str) -> Row:
        """Stop it until :meth:`resume`."""
        return await self._turn(transfer, "pause")

    async def resume(self, transfer: str) -> Row:
        """Let it go on."""
        return await self._turn(transfer, "resume")

    async def retry(self, transfer: str) -> Row:
        """Try it now, whatever was said before."""
        return await self._turn(transfer, "retry")

    async def _turn(self, transfer: str, verb: str) -> Row:
        found: Row = await self._ask("POST", f"/transfers/{q(transfer)}/{verb}")
        return found

    async def elsewhere(self, transfer: str) -> Row:
        """Find another user who has the same file, and get it there."""
        return await self._turn(transfer, "elsewhere")

    async def push(self, username: str, paths: Iterable[str]) -> Row:
        """Offer files of ours (remote paths) to a user who did not ask: ``taken`` and ``refused``."""
        found: Row = await self._ask("POST", "/uploads", {"username": username, "paths": list(paths)})
        return found

    async def try_rules(self, rules: Mapping[str, Any], *, days: float = 7.0) -> Row:
        """What rules of the upload queue would have made of the requests of the last days."""
        found: Row = await self._ask("POST", "/uploads/try", {"rules": dict(rules), "days": days})
        return found

    async def set_priority(self, transfer: str, priority: int) -> Row:
        """Higher goes first among the files of one user."""
        found: Row = await self._ask("PUT", f"/transfers/{q(transfer)}/priority", {"priority": priority})
        return found

    async def cancel(self, transfer: str) -> None:
        """Give it up."""
        await self._ask("POST", f"/transfers/{q(transfer)}/cancel")

    async def remove(self, transfer: str) -> None:
        """Give it up, and list it no more."""
        await self._ask("DELETE", f"/transfers/{q(transfer)}")

    async def act(self, action: str, transfers: Iterable[str]) -> Row:
        """``pause``, ``resume``, ``retry``, ``cancel`` or ``remove`` many: ``done`` and ``refused``."""
        found: Row = await self._ask("POST", "/transfers/actions", {"action": action, "ids": list(transfers)})
        return found


class Batches(_Part):
    """Files that are wanted together."""

    def all(self) -> AsyncIterator[Row]:
        """All batches, the newest first."""
        return self._pages("/batches")

    async def want(
        self,
        username: str,
        name: str,
        files: Files,
        *,
        destination: str | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
    ) -> Row:
        """Want files of a user that belong together; see :meth:`Transfers.download_folder` for the rest."""
        body: Row = {
            "username": username,
            "name": name,
            "files": _wanted(files),
            "whole": whole,
            "may_miss": list(may_miss),
        }
        if destination is not None:
            body["destination"] = destination
        found: Row = await self._ask("POST", "/batches", body)
        return found

    async def get(self, batch: str) -> Row:
        """One batch: ``state``, ``reason``, ``destination``, how many files and bytes are here."""
        found: Row = await self._ask("GET", f"/batches/{q(batch)}")
        return found

    def files(self, batch: str) -> AsyncIterator[Row]:
        """Its transfers."""
        return self._pages(f"/batches/{q(batch)}/files", limit=1000)

    async def pause(self, batch: str) -> Row:
        """Let all of it rest."""
        return await self._turn(batch, "pause")

    async def resume(self, batch: str) -> Row:
        """Go on with what rests."""
        return await self._turn(batch, "resume")

    async def retry(self, batch: str) -> Row:
        """Try now what waits or has failed, and the move of its folder."""
        return await self._turn(batch, "retry")

    async def cancel(self, batch: str) -> Row:
        """Give up what is not here yet; what is here stays."""
        return await self._turn(batch, "cancel")

    async def forget(self, batch: str) -> None:
        """List it no more; its transfers stay."""
        await self._ask("DELETE", f"/batches/{q(batch)}")

    async def _turn(self, batch: str, verb: str) -> Row:
        found: Row = await self._ask("POST", f"/batches/{q(batch)}/{verb}")
        return found


class Goals(_Part):
    """What is wanted, from whoever has it."""

    def all(self) -> AsyncIterator[Row]:
        """All goals, the newest first."""
        return self._pages("/goals")

    async def want(
        self,
        name: str,
        candidates: Iterable[tuple[str, Files]],
        *,
        destination: str | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        patience: float | None = None,
    ) -> Row:
        """Want one of several copies, best first: (user, files) each."""
        body: Row = {
            "name": name,
            "candidates": [{"username": user, "files": _wanted(files)} for user, files in candidates],
            "whole": whole,
            "may_miss": list(may_miss),
        }
        if destination is not None:
            body["destination"] = destination
        if patience is not None:
            body["patience"] = patience
        found: Row = await self._ask("POST", "/goals", body)
        return found

    async def get(self, goal: str) -> Row:
        """One goal."""
        found: Row = await self._ask("GET", f"/goals/{q(goal)}")
        return found

    async def add(self, goal: str, username: str, files: Files) -> Row:
        """Another copy was found."""
        body = {"username": username, "files": _wanted(files)}
        found: Row = await self._ask("POST", f"/goals/{q(goal)}/candidates", body)
        return found

    async def pause(self, goal: str) -> Row:
        """Let it rest."""
        return await self._turn(goal, "pause")

    async def resume(self, goal: str) -> Row:
        """Go on with it."""
        return await self._turn(goal, "resume")

    async def cancel(self, goal: str) -> Row:
        """Want it no longer; what is here stays."""
        return await self._turn(goal, "cancel")

    async def _turn(self, goal: str, verb: str) -> Row:
        found: Row = await self._ask("POST", f"/goals/{q(goal)}/{verb}")
        return found


class Wishes(_Part):
    """What is searched for again and again."""

    async def all(self) -> list[Row]:
        """All wishes."""
        found: list[Row] = (await self._ask("GET", "/wishes"))["items"]
        return found

    def found(self, query: str) -> AsyncIterator[Row]:
        """What was found for a wish so far, newest first."""
        return self._pages("/wishes/results", query=query, limit=1000)

    async def add(self, query: str, *, filter: str = "", download: str = "") -> Row:
        """Wish for something; ``download`` the first hit (``once``) or the ``best`` of a round."""
        body = {"query": query, "filter": filter, "download": download}
        found: Row = await self._ask("POST", "/wishes", body)
        return found

    async def remove(self, query: str) -> None:
        """Wish for it no more."""
        await self._ask("DELETE", "/wishes", query=query)


class Users(_Part):
    """Other users: who they are, what they share, what we think of them."""

    def all(self, which: str = "all") -> AsyncIterator[Row]:
        """Those we know: ``friends``, ``banned``, ``watched``, ``noted`` or ``all``."""
        return self._pages("/users", which=which, limit=1000)

    async def get(self, username: str) -> Row:
        """What the server says now, and we."""
        found: Row = await self._ask("GET", f"/users/{q(username)}")
        return found

    async def address(self, username: str) -> Row:
        """Where it listens: ``host``, ``port``, ``obfuscated_port``."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/address")
        return found

    async def privileges(self) -> int:
        """Seconds that our own privileges last."""
        return int((await self._ask("GET", "/account/privileges"))["seconds_left"])

    async def give_privileges(self, username: str, days: int) -> int:
        """Give days of our privileges away; returns the seconds that are left."""
        found = await self._ask("POST", f"/users/{q(username)}/privileges", {"days": days})
        return int(found["seconds_left"])

    async def info(self, username: str) -> Row:
        """What the user says of itself; ``picture`` in base64."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/info")
        return found

    async def befriend(self, username: str) -> None:
        """Put it on the list of friends."""
        await self._ask("PUT", f"/users/{q(username)}/friend")

    async def unfriend(self, username: str) -> None:
        """Take it off that list."""
        await self._ask("DELETE", f"/users/{q(username)}/friend")

    async def ban(self, username: str) -> None:
        """Have nothing to do with it."""
        await self._ask("PUT", f"/users/{q(username)}/ban")

    async def unban(self, username: str) -> None:
        """Take the ban back."""
        await self._ask("DELETE", f"/users/{q(username)}/ban")

    async def watch(self, username: str) -> None:
        """Be told when it comes and goes."""
        await self._ask("PUT", f"/users/{q(username)}/watch")

    async def unwatch(self, username: str) -> None:
        """Be told no more."""
        await self._ask("DELETE", f"/users/{q(username)}/watch")

    async def note(self, username: str, text: str) -> None:
        """Write something down; empty text takes it away."""
        await self._ask("PUT", f"/users/{q(username)}/note", {"text": text})

    async def bans(self) -> Row:
        """``names`` and ``ranges`` of addresses that are kept out."""
        found: Row = await self._ask("GET", "/bans")
        return found

    async def ban_range(self, text: str) -> None:
        """Ban an address or a range."""
        await self._ask("PUT", "/bans/ranges", {"range": text})

    async def unban_range(self, text: str) -> None:
        """Take that back."""
        await self._ask("DELETE", "/bans/ranges", range=text)

    async def export_bans(self) -> str:
        """All bans, a line each."""
        return str((await self._ask("GET", "/bans/list"))["text"])

    async def import_bans(self, text: str) -> int:
        """Add bans from such a text or from a block list; how many lines were taken."""
        return int((await self._ask("POST", "/bans/list", {"text": text}))["taken"])

    async def folder(self, username: str, folder: str) -> list[Row]:
        """One folder, asked of its owner: ``name`` and ``files`` of it and of those below."""
        found: list[Row] = (await self._ask("GET", f"/users/{q(username)}/folder", folder=folder))["items"]
        return found

    async def browse(self, username: str) -> Row:
        """Ask for everything that a user shares; how far it is."""
        found: Row = await self._ask("POST", f"/users/{q(username)}/browse")
        return found

    async def browsing(self, username: str) -> Row:
        """How far it has come: ``folders``, ``files``, ``done`` and ``total`` bytes, ``complete``."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/browse")
        return found

    async def end_browsing(self, username: str) -> None:
        """Forget the list."""
        await self._ask("DELETE", f"/users/{q(username)}/browse")

    def folders(self, username: str) -> AsyncIterator[Row]:
        """All folders of the list, as they come, until it is complete."""
        return self._pages(f"/users/{q(username)}/browse/folders", limit=1000)

    def tree(self, username: str, parent: str = "") -> AsyncIterator[Row]:
        """The folders right below another one."""
        return self._pages(f"/users/{q(username)}/browse/tree", parent=parent, limit=1000)

    def files(self, username: str, folder: str) -> AsyncIterator[Row]:
        """The files of one folder of the list."""
        return self._pages(f"/users/{q(username)}/browse/files", folder=folder, limit=1000)

    async def find(self, username: str, words: str, *, offset: int = 0, limit: int = 500) -> list[Row]:
        """Files of the list with all the words in their path; ``limit`` is a thousand at most."""
        at = f"/users/{q(username)}/browse/find"
        found: list[Row] = (await self._ask("GET", at, words=words, offset=offset, limit=limit))["items"]
        return found


class Interests(_Part):
    """What we and others like and hate."""

    async def get(self) -> Row:
        """Ours: ``liked`` and ``hated``."""
        found: Row = await self._ask("GET", "/interests")
        return found

    async def of(self, username: str) -> Row:
        """Somebody's."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/interests")
        return found

    async def like(self, item: str) -> None:
        """Like something."""
        await self._ask("PUT", f"/interests/liked/{q(item)}")

    async def unlike(self, item: str) -> None:
        """Like it no more."""
        await self._ask("DELETE", f"/interests/liked/{q(item)}")

    async def hate(self, item: str) -> None:
        """Hate something."""
        await self._ask("PUT", f"/interests/hated/{q(item)}")

    async def unhate(self, item: str) -> None:
        """Hate it no more."""
        await self._ask("DELETE", f"/interests/hated/{q(item)}")

    async def recommendations(self, kind: str = "mine", *, item: str | None = None) -> list[tuple[str, int]]:
        """Scored items: by our taste (``mine``), ``global``, similar ``users``, or related to an item."""
        found = await self._ask("GET", "/recommendations", kind=kind, item=item)
        return [(one["item"], one["score"]) for one in found["items"]]

    async def discouraged(self, kind: str = "mine") -> list[tuple[str, int]]:
        """What is advised against, by the same measure."""
        found = await self._ask("GET", "/recommendations", kind=kind)
        return [(one["item"], one["score"]) for one in found.get("discouraged", ())]

    async def fans(self, item: str) -> list[str]:
        """Users who like something."""
        found: list[str] = (await self._ask("GET", f"/interests/fans/{q(item)}"))["items"]
        return found


class Rooms(_Part):
    """Chat rooms."""

    def all(self, words: str = "") -> AsyncIterator[Row]:
        """The server's list, or those with some words in their names."""
        return self._pages("/rooms", words=words or None, limit=1000)

    async def joined(self) -> list[Row]:
        """The rooms that we are in, with unread lines."""
        found: list[Row] = (await self._ask("GET", "/rooms/joined"))["items"]
        return found

    async def get(self, room: str) -> Row:
        """One of them: users, operators, members, the wall."""
        found: Row = await self._ask("GET", _room(room))
        return found

    async def join(self, room: str, *, private: bool = False, create: bool = True) -> Row:
        """Enter a room, making it if it is not there; without ``create`` that is :class:`NotThere`."""
        found: Row = await self._ask(
            "PUT", _room(room), private="true" if private else None, create=None if create else "false"
        )
        return found

    async def leave(self, room: str) -> None:
        """Leave it."""
        await self._ask("DELETE", _room(room))

    def members(self, room: str) -> AsyncIterator[Row]:
        """Who is in it, with what the server says of each."""
        return self._pages(f"{_room(room)}/members", limit=1000)

    async def messages(
        self, room: str, *, before: int | None = None, limit: int = 100, words: str = ""
    ) -> Row:
        """``items``, oldest first, and ``before`` for what was said earlier; only those with all
        ``words``."""
        found: Row = await self._ask(
            "GET", f"{_room(room)}/messages", before=before, limit=limit, words=words or None
        )
        return found

    async def say(self, room: str, text: str) -> None:
        """Say something in it."""
        await self._ask("POST", f"{_room(room)}/messages", {"text": text})

    async def mark_read(self, room: str) -> None:
        """All that was said is read."""
        await self._ask("PUT", f"{_room(room)}/read")

    async def set_ticker(self, room: str, text: str) -> None:
        """Our line on its wall."""
        await self._ask("PUT", f"{_room(room)}/ticker", {"text": text})

    async def favourites(self) -> dict[str, bool]:
        """Rooms that are entered at each login, and whether as private ones."""
        found = await self._ask("GET", "/rooms/favourites")
        return {row["name"]: row["private"] for row in found["items"]}

    async def favour(self, room: str, *, private: bool = False) -> None:
        """Enter it at each login."""
        await self._ask("PUT", f"{_room(room)}/favourite", private="true" if private else None)

    async def unfavour(self, room: str) -> None:
        """Enter it no more by itself."""
        await self._ask("DELETE", f"{_room(room)}/favourite")

    async def grant_membership(self, room: str, username: str) -> None:
        """Make somebody a member of a private room."""
        await self._ask("PUT", f"{_room(room)}/members/{q(username)}")

    async def revoke_membership(self, room: str, username: str) -> None:
        """End a membership."""
        await self._ask("DELETE", f"{_room(room)}/members/{q(username)}")

    async def grant_operator(self, room: str, username: str) -> None:
        """Make a member an operator."""
        await self._ask("PUT", f"{_room(room)}/operators/{q(username)}")

    async def revoke_operator(self, room: str, username: str) -> None:
        """Make an operator a plain member."""
        await self._ask("DELETE", f"{_room(room)}/operators/{q(username)}")

    async def drop_membership(self, room: str) -> None:
        """Give up our membership."""
        await self._ask("DELETE", f"{_room(room)}/membership")

    async def drop_ownership(self, room: str) -> None:
        """Give up a room of ours."""
        await self._ask("DELETE", f"{_room(room)}/ownership")

    async def accept_invitations(self, on: bool) -> None:
        """Whether others may make us members."""
        await self._ask("PUT", "/rooms/invitations", {"on": on})

    async def public_feed(self, on: bool) -> None:
        """Hear what is said in all public rooms."""
        await self._ask("PUT", "/rooms/feed", {"on": on})


def _room(room: str) -> str:
    return f"/rooms/joined/{q(room)}"


class Chat(_Part):
    """Private messages."""

    def conversations(self) -> AsyncIterator[Row]:
        """All conversations, those with the newest message first."""
        return self._pages("/conversations", limit=1000)

    async def messages(
        self, username: str, *, before: int | None = None, limit: int = 100, words: str = ""
    ) -> Row:
        """``items``, oldest first, and ``before`` for what was written earlier; only those with all
        ``words``."""
        found: Row = await self._ask(
            "GET", f"{_talk(username)}/messages", before=before, limit=limit, words=words or None
        )
        return found

    async def write(self, username: str, text: str) -> None:
        """Write to somebody."""
        await self._ask("POST", f"{_talk(username)}/messages", {"text": text})

    async def mark_read(self, username: str) -> None:
        """All that was written is read."""
        await self._ask("PUT", f"{_talk(username)}/read")

    async def hide(self, username: str) -> None:
        """Show it no more; its messages stay."""
        await self._ask("DELETE", _talk(username))


def _talk(username: str) -> str:
    return f"/conversations/{q(username)}"


class Shares(_Part):
    """What we share."""

    async def get(self) -> Row:
        """Counts, the scan, and ``roots``."""
        found: Row = await self._ask("GET", "/shares")
        return found

    async def add(
        self,
        path: str,
        *,
        name: str | None = None,
        audience: Iterable[str] = (),
        locked: bool = False,
        exclude: Iterable[str] = (),
        hidden: bool = False,
    ) -> Row:
        """Share a folder of the daemon's machine."""
        body: Row = {
            "path": path,
            "audience": list(audience),
            "locked": locked,
            "exclude": list(exclude),
            "hidden": hidden,
        }
        if name is not None:
            body["name"] = name
        found: Row = await self._ask("POST", "/shares/roots", body)
        return found

    async def change(self, root: int, **changes: Any) -> Row:
        """``audience``, ``locked``, ``exclude`` or ``hidden`` of a shared folder."""
        found: Row = await self._ask("PATCH", f"/shares/roots/{root}", changes)
        return found

    async def remove(self, root: int) -> None:
        """Share it no more."""
        await self._ask("DELETE", f"/shares/roots/{root}")

    async def scan(self) -> None:
        """Scan anew."""
        await self._ask("POST", "/shares/scan")

    async def explain(self, path: str) -> Row:
        """Why a path is shared, or why not."""
        found: Row = await self._ask("GET", "/shares/explain", path=path)
        return found

    def problems(self) -> AsyncIterator[Row]:
        """What could not be read."""
        return self._pages("/shares/problems", limit=1000)

    async def cancel_scan(self) -> None:
        """Stop scanning."""
        await self._ask("DELETE", "/shares/scan")


class Settings(_Part):
    """The daemon's settings, its account and its connection."""

    async def get(self) -> Row:
        """All values, secrets masked."""
        found: Row = (await self._ask("GET", "/settings"))["items"]
        return found

    async def keys(self) -> Row:
        """Every setting with explanation, type and limits; ``editable`` from here or not."""
        found: Row = await self._ask("GET", "/settings/keys")
        return found

    async def change(self, values: Mapping[str, Any]) -> Row:
        """Set values by key; ``None`` takes back what was set like this."""
        found: Row = await self._ask("PATCH", "/settings", {"values": dict(values)})
        return found

    async def entries(self) -> list[Row]:
        """Webhooks, scripts and keys by name, each kind with its fields; secrets masked."""
        found: list[Row] = (await self._ask("GET", "/settings/entries"))["items"]
        return found

    async def put_entry(self, kind: str, name: str, values: Mapping[str, Any]) -> None:
        """Add or change one: ``kind`` is webhooks, scripts or keys. A secret that is left out stays."""
        await self._ask("PUT", f"/settings/entries/{q(kind)}/{q(name)}", {"values": dict(values)})

    async def remove_entry(self, kind: str, name: str) -> None:
        """Remove one."""
        await self._ask("DELETE", f"/settings/entries/{q(kind)}/{q(name)}")

    async def setup(self) -> Row:
        """What is missing before it is of use."""
        found: Row = await self._ask("GET", "/setup")
        return found

    async def set_account(self, username: str, password: str) -> None:
        """Who to be on the network, when the settings do not say."""
        await self._ask("PUT", "/account", {"username": username, "password": password})

    async def set_away(self, away: bool) -> None:
        """Whether others see us as away."""
        await self._ask("PUT", "/account/away", {"away": away})

    async def connect(self) -> None:
        """Log in, and stay in."""
        await self._ask("PUT", "/connection")

    async def disconnect(self) -> None:
        """Log out."""
        await self._ask("DELETE", "/connection")
