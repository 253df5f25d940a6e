"""`soulmesh uploads push`: what is shown of it, and how it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from soulmesh.cli.following import StillWaiting
from soulmesh.cli.output import Output
from soulmesh.cli.push import NotTaken, follow
from soulmesh.core.transfer import State
from tests.client.transfers.street import street, until
from tests.support.loops import virtual

SONG = bytes(range(256)) * 4000


@virtual
async def test_files_that_are_taken_are_shown_and_named(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", accept_pushes="everyone"), await there.move_in("eve")
        names = [eve.share(rf"gifts\{number}.mp3", SONG) for number in (1, 2)]
        said, errors = io.StringIO(), io.StringIO()
        uploads = [await eve.transfers.push("ann", name) for name in names]
        await follow(Output(stdout=said, stderr=errors), uploads, wait=False)
        assert said.getvalue().splitlines() == ["sent 1.mp3 to ann", "sent 2.mp3 to ann"]
        assert "2 of 2 files" in errors.getvalue()
        for transfer in ann.transfers:
            await transfer.wait()


@virtual
async def test_who_does_not_take_it_and_who_is_not_there_end_it_with_a_reason(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        await there.move_in("ann", accept_pushes="nobody")
        eve = await there.move_in("eve")
        name = eve.share(r"gifts\a.mp3", SONG)
        said = io.StringIO()
        out = Output(json=True, stdout=said)
        with pytest.raises(NotTaken, match=r"ann did not take a\.mp3: ") as failure:
            await follow(out, [await eve.transfers.push("ann", name)], wait=True)
        assert "downloads.accept_pushes" in failure.value.hint
        assert json.loads(said.getvalue())["state"] in ("failed", "cancelled")
        with pytest.raises(StillWaiting, match="offline"):
            await follow(out, [await eve.transfers.push("bob", name)], wait=False)


@virtual
async def test_a_file_that_waits_for_its_user_is_offered_anew_and_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        await there.move_in("ann", accept_pushes="everyone")
        eve = await there.move_in("eve")
        name = eve.share(r"gifts\a.mp3", SONG)
        there.offline.add("ann")
        first = await eve.transfers.push("ann", name)
        await until(first, State.OFFLINE)
        there.offline.discard("ann")
        again = await eve.transfers.push("ann", name)
        assert again is first
        await first.wait()
        assert len(list(eve.transfers)) == 1
