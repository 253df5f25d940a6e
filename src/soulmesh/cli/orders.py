"""`soulmesh pause`, `resume`, `retry`, `cancel` and `prefer`: each says what it did, or why nothing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.session import journal_path, transfer_settings
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.cli.transfers import PriorityOption, look
from soulmesh.client.transfers import IsFinished
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import FINAL, State
from soulmesh.errors import NotFound, Refused
from soulmesh.net.world import World

__all__ = ["cancel", "outcome", "pause", "prefer", "resume", "retry"]

NumberArgument = Annotated[
    list[int],
    typer.Argument(metavar="NUMBER...", help="Transfers by their numbers, as `soulmesh transfers` shows."),
]

_CONCERNS = {
    "pause": frozenset(State) - FINAL - {State.PAUSED, State.SAVING},
    "resume": frozenset({State.PAUSED}),
    "retry": frozenset(
        {State.DELAYED, State.OFFLINE, State.NO_ROOM, State.PAUSED, State.FAILED, State.CANCELLED}
    ),
    "cancel": frozenset(State) - {State.FINISHED, State.CANCELLED},
}
_DONE = {"pause": "paused", "resume": "goes on", "retry": "tried again", "cancel": "cancelled"}


def outcome(verb: str, state: str) -> str | None:
    """What an order does to a transfer that was in ``state``, in words; ``None`` if it does nothing."""
    return _DONE[verb] if State(state) in _CONCERNS[verb] else None


def _nothing(verb: str, state: str) -> str:
    return f"{state}, there is nothing to {verb}"


@run.command
async def pause(numbers: NumberArgument, daemon: DaemonOption = None, api_key: ApiKeyOption = None) -> None:
    """Stop transfers until you resume them."""
    await _order("pause", numbers, daemon, api_key)


@run.command
async def resume(numbers: NumberArgument, daemon: DaemonOption = None, api_key: ApiKeyOption = None) -> None:
    """Let paused transfers go on."""
    await _order("resume", numbers, daemon, api_key)


@run.command
async def retry(numbers: NumberArgument, daemon: DaemonOption = None, api_key: ApiKeyOption = None) -> None:
    """Try transfers again now, whatever was said before."""
    await _order("retry", numbers, daemon, api_key)


@run.command
async def cancel(numbers: NumberArgument, daemon: DaemonOption = None, api_key: ApiKeyOption = None) -> None:
    """Give transfers up."""
    await _order("cancel", numbers, daemon, api_key)


@run.command
async def prefer(
    numbers: NumberArgument,
    priority: PriorityOption = 1,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Let downloads go before others from the same user that wait for their turn, or after them."""
    out = run.output()
    given = settings.load()
    running = await daemon_for(given, daemon, api_key)
    if running is not None:
        from soulmesh.cli.afar_list import key_of

        async with running[0] as there:
            for number in numbers:
                await there.transfers.set_priority((await key_of(there, number))["id"], priority)
                out.line(f"{number}: priority {priority}")
        return
    path = journal_path(given)
    if not path.exists():
        raise NotFound("there are no transfers yet")
    for number in numbers:
        order = {"verb": "priority", "id": number, "priority": priority}
        done = await give_order(path, order, World.real().wall_clock())
        told = "" if done else ", told the soulmesh that runs"
        out.line(f"{number}: priority {priority}{told}")


async def _order(verb: str, numbers: list[int], daemon: str | None, key: str | None) -> None:
    out = run.output()
    given = settings.load()
    running = await daemon_for(given, daemon, key)
    if running is not None:
        async with running[0] as there:
            for number in numbers:
                out.line(f"{number}: {await _afar(there, verb, number)}")
        return
    path = journal_path(given)
    if not path.exists():
        raise NotFound("there are no transfers yet")
    for number in numbers:
        state = await _state(given, number)
        root = transfer_settings(given).incomplete_root
        done = await give_order(
            path, {"verb": verb, "id": number}, World.real().wall_clock(), incomplete=root
        )
        said = outcome(verb, state) if state is not None else _DONE[verb]
        if not done:
            out.line(f"{number}: told the soulmesh that runs to {verb} it")
        elif said is None:
            out.line(f"{number}: {_nothing(verb, state or '')}")
        else:
            later = " when soulmesh runs" if verb in ("resume", "retry") else ""
            out.line(f"{number}: {said}{later}")


async def _afar(there: Any, verb: str, number: int) -> str:
    """Have a daemon do it; what to say of it.

    Raises:
        NotFound: there is no such transfer.
        IsFinished: it cannot be tried again.
    """
    from soulmesh.cli.afar_list import key_of

    row = await key_of(there, number)
    state = row["state"]
    if verb == "retry" and state == State.FINISHED.value and not row["batch"]:
        raise IsFinished(row["path"].rpartition("\\")[2], row["local_path"], download=_is_download(row))
    said = outcome(verb, state)
    if said is None and not (verb == "retry" and state == State.FINISHED.value):
        return _nothing(verb, state)
    # Of a finished file the move of its folder may be tried again.
    try:
        await getattr(there.transfers, verb)(row["id"])
    except Refused:
        if state != State.FINISHED.value:
            raise
        # It is finished, and so is its folder.
        name = row["path"].rpartition("\\")[2]
        raise IsFinished(name, row["local_path"], download=_is_download(row)) from None
    return said or "its folder is moved"


def _is_download(row: dict[str, Any]) -> bool:
    return bool(row["direction"] == "download")


async def _state(given: settings.Settings, number: int) -> str | None:
    journal = await look(given)
    if journal is None:
        return None
    try:
        record = await journal.get(number)
    finally:
        await journal.close()
    return record.state.value if record is not None else None
