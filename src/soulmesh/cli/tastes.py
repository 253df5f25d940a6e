"""``soulmesh wish`` and ``soulmesh interests``: what we look for, and what we like."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Literal, cast

import typer

from soulmesh.cli import run
from soulmesh.cli.access import Access, with_access
from soulmesh.cli.kept import Kept, kept
from soulmesh.cli.logged_in import local, logged_in
from soulmesh.cli.output import Column, JsonOption, Output, clean, moment
from soulmesh.cli.patience import patient
from soulmesh.cli.session import open_client
from soulmesh.cli.staying import tell_absence, while_logged_in
from soulmesh.cli.through import stand_in
from soulmesh.client.book import AddressBook
from soulmesh.client.client import Client
from soulmesh.client.transfers import JournalInUse
from soulmesh.client.wishes import WishFound, WishFulfilled

__all__ = ["interests_app", "wish_app"]

wish_app = typer.Typer(help="Searches that repeat themselves.", no_args_is_help=True)
interests_app = typer.Typer(
    help="What you like and hate, and what the server makes of it.", no_args_is_help=True
)

QueryArgument = Annotated[str, typer.Argument(help="What to look for.")]
ItemArgument = Annotated[str, typer.Argument(help="What it is about: a band, a style, anything.")]

_SCORED = [Column("score", "Score", right=True), Column("name", "Item", wide=True)]


@wish_app.command("add")
@kept
@patient
async def add(
    here: Kept,
    out: Output,
    query: QueryArgument,
    filter: Annotated[str, typer.Option("--filter", "-f", help="Which results count.")] = "",
    download: Annotated[
        Literal["no", "once", "best"],
        typer.Option(
            "--download", "-d", help="Download the first result that counts, or the best of each round."
        ),
    ] = "no",
) -> None:
    """Wish for something: it is searched for while soulmesh runs."""
    wish = await here.wishes.add(
        query,
        filter=here.filters.read(filter).text,
        download="" if download == "no" else download,
    )
    out.line(f"wished for {clean(wish.query)}")
    out.record({"query": wish.query, "filter": wish.filter, "download": wish.download})


@wish_app.command("remove")
@kept
@patient
async def remove(here: Kept, out: Output, query: QueryArgument) -> None:
    """Wish for it no more."""
    await here.wishes.remove(query)
    out.line(f"no wish for {clean(query)} any more")


@wish_app.command("list")
@kept
@patient
async def list_wishes(here: Kept, out: Output) -> None:
    """List the wishes."""
    if not out.table(
        [
            Column("found", "Found", right=True),
            Column("last_sent", "Last searched", moment),
            Column("download", "Download"),
            Column("state", "State"),
            Column("filter", "Filter"),
            Column("query", "Wish", wide=True),
        ],
        [
            {
                "query": w.query,
                "filter": w.filter,
                "found": w.found,
                "last_sent": w.last_sent,
                "download": w.download,
                "state": "here" if w.fulfilled else "coming" if w.goal else "open",
            }
            for w in here.wishes.all
        ],
    ):
        out.note("no wishes yet: soulmesh wish add QUERY")


@wish_app.command("run")
@run.command
@with_access
async def run_wishes(access: Access, json: JsonOption = False) -> None:
    """Search for the wishes in turn and show what is found, until Ctrl-C.

    What they download is in the list of transfers like all else, and goes on whenever soulmesh runs.
    """
    out = run.output(json=json)
    given = access.settings()
    running = await access.running(given)
    if running is not None:
        async with stand_in(*running) as there:
            tell_absence(there.events, out)
            await _tell_wishes(cast(Client, there), out)
        return
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(open_client(given))
        except JournalInUse:
            out.note(
                "another soulmesh of this account runs, and searches for the wishes: `soulmesh wish list` and"
                " `soulmesh transfers` show what it found"
            )
            return
        if client.server.greeting:
            out.note(f"{client.username} is logged in at {client.server.host}:{client.server.port}")
        await while_logged_in(client, out, _tell_wishes(client, out))


async def _tell_wishes(client: Client, out: Output) -> None:
    out.note(f"{len(client.wishes.all)} wishes, one every {client.wishes.interval:.0f} s; Ctrl-C leaves")
    async for event in client.events.stream(WishFound, WishFulfilled):
        if isinstance(event, WishFulfilled):
            out.line(f"{clean(event.query)}: downloaded")
            out.record({"query": event.query, "fulfilled": True})
        if isinstance(event, WishFound):
            hit = event.hit
            out.line(f"{clean(event.query)}: {clean(hit.username)} has {clean(hit.file.remote_path)}")
            out.record(
                {
                    "query": event.query,
                    "username": hit.username,
                    "remote_path": hit.file.remote_path,
                    "size": hit.file.size,
                }
            )


@interests_app.command("list")
@local
async def list_interests(book: AddressBook, out: Output) -> None:
    """List what you like and hate."""
    rows = [{"kind": "like", "item": item} for item in sorted(book.interests)]
    rows += [{"kind": "hate", "item": item} for item in sorted(book.hated)]
    if not out.table([Column("kind", ""), Column("item", "Interest", wide=True)], rows):
        out.note("no interests yet: soulmesh interests like ITEM")


def _change(name: str, help: str) -> None:
    @interests_app.command(name, help=help)
    @logged_in
    @patient
    async def change(client: Client, out: Output, item: ItemArgument) -> None:
        getattr(client.interests, name)(item)
        await client.privileges.check()
        out.line(f"{name}: {clean(item)}")
        out.record({"done": name, "item": item})


_change("like", "Like something.")
_change("unlike", "Like it no more.")
_change("hate", "Hate something.")
_change("unhate", "Hate it no more.")


@interests_app.command("recommend")
@logged_in
@patient
async def recommend(
    client: Client,
    out: Output,
    everybody: Annotated[bool, typer.Option("--global", help="By everybody's taste, not by yours.")] = False,
    item: Annotated[str | None, typer.Option("--item", help="By those who like this.")] = None,
) -> None:
    """Show what the server recommends."""
    if item is not None:
        scored = await client.interests.related(item)
    else:
        ask = client.interests.global_recommendations if everybody else client.interests.recommendations
        found = await ask()
        # The server scores what people hate below zero, and sends it as a list of its own.
        scored = (
            *found.recommended,
            *(pair for pair in found.discouraged if pair not in found.recommended),
        )
    if not out.table(_SCORED, [{"name": name, "score": score} for name, score in scored]):
        out.note("the server recommends nothing")


@interests_app.command("similar")
@logged_in
@patient
async def similar_users(
    client: Client,
    out: Output,
    item: Annotated[str | None, typer.Option("--item", help="Who likes this, instead.")] = None,
) -> None:
    """Show users with a taste like yours."""
    if item is not None:
        fans = await client.interests.fans(item)
        if not out.table([Column("name", "User")], [{"name": name} for name in fans]):
            out.note(f"nobody likes {clean(item)}")
        return
    similar = await client.interests.similar_users()
    if not out.table(_SCORED, [{"name": name, "score": score} for name, score in similar]):
        out.note("nobody has a taste like yours")


@interests_app.command("of")
@logged_in
@patient
async def of(
    client: Client, out: Output, username: Annotated[str, typer.Argument(help="The user's name.")]
) -> None:
    """Show what a user likes and hates."""
    await client.users.look_up(username)
    found = await client.interests.of(username)
    rows = [{"kind": "like", "item": item} for item in found.liked]
    rows += [{"kind": "hate", "item": item} for item in found.hated]
    if not out.table([Column("kind", ""), Column("item", "Interest", wide=True)], rows):
        out.note(f"{clean(username)} has told the server of nothing that it likes or hates")
