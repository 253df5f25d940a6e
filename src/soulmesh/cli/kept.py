"""Commands on what we keep ourselves: wishes, and what was said. They need no account and log in nowhere.

::

    @kept
    async def list_wishes(kept: Kept, out: Output) -> None: ...

gives a command that reads and writes the files of the data folder, or has the daemon do it that
runs with them: then the function gets :mod:`soulmesh.cli.standin` in the place of :class:`Kept`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, cast

from soulmesh.cli import run, settings
from soulmesh.cli.logged_in import LOCAL_OPTIONS, command, data_folder
from soulmesh.cli.output import Output
from soulmesh.cli.patience import patience
from soulmesh.cli.through import daemon_for, stand_in
from soulmesh.client.book import AddressBook
from soulmesh.client.chat_store import ChatStore, Line
from soulmesh.client.filters import SavedFilters
from soulmesh.client.settings import ClientSettings
from soulmesh.client.wishes import WishList
from soulmesh.net.world import World

__all__ = ["Kept", "kept"]

P = ParamSpec("P")


class _Chat:
    """What was said, as :class:`soulmesh.client.chat.Chat` has it."""

    def __init__(self, store: ChatStore) -> None:
        self._store = store

    async def history(self, place: str, *, limit: int = 100, words: str = "") -> list[Line]:
        """The newest lines of a conversation, or of ``#`` and a room."""
        return await self._store.lines(place, limit=limit, words=words)

    async def mark_read(self, place: str) -> None:
        """All that is there was read."""
        await self._store.mark_read(place)

    async def forget(self, place: str) -> None:
        """Delete all of it."""
        await self._store.forget(place)


class Kept:
    """What such a command may use of a client."""

    def __init__(self, book: AddressBook, wishes: WishList, chat: ChatStore) -> None:
        self.filters = SavedFilters(book)
        self.wishes = wishes
        self.chat = _Chat(chat)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Kept]:
    world = World.real()
    book = AddressBook(world, folder / "people.json")
    wishes = WishList(world, folder / "wishes.json", shortest_query=ClientSettings().shortest_query)
    said = folder / "chat.sqlite"
    # Looking makes no file.
    chat = ChatStore(said if said.exists() else None)
    async with AsyncExitStack() as stack:
        await book.load()
        stack.push_async_callback(book.close)
        await wishes.load()
        await chat.open()
        stack.push_async_callback(chat.close)
        yield Kept(book, wishes, chat)


def kept(function: Callable[Concatenate[Kept, Output, P], Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    """Make a command of a function that needs nothing but what is kept in the data folder."""

    async def run_it(
        *args: Any, json: bool, data: Path | None, daemon: str | None, api_key: str | None, **kwargs: Any
    ) -> None:
        out = run.output(json=json)
        async with patience(kwargs.get("timeout")) as given:
            running = await daemon_for(settings.load(), daemon, api_key, data=data)
            if running is not None:
                async with stand_in(*running) as there:
                    await function(cast(Kept, there), out, *args, **kwargs)
                    given.enough()
                return
            async with _opened(data_folder(data)) as here:
                await function(here, out, *args, **kwargs)

    return command(function, run_it, LOCAL_OPTIONS)
