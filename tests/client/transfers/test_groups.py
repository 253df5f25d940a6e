"""Groups of users at work, and rules tried on what they asked for."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from soulmesh.client.transfers import Journal
from soulmesh.client.transfers.journal_file import VERSION
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import DEFAULT_GROUPS, Group, QueueRules
from soulmesh.wire import peer
from tests.client.transfers.street import Street, street, until
from tests.support.loops import virtual

SONG = bytes(1000)


async def asks(there: Street, name: str, path: str) -> None:
    await there.houses[name].links.send("eve", peer.PeerTransferQueue(path))
    await asyncio.sleep(1)


@virtual
async def test_who_turns_out_to_share_nothing_waits_behind_all_others(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=QueueRules(slots=1, leech_files=1))
        path = eve.share(r"Music\1.flac", SONG)
        hog, poor, ann = (there.stranger(name) for name in ("hog", "poor", "ann"))
        for someone in (hog, poor, ann):
            await asks(there, someone.username, path)
        # The server answers AddUser only now.
        eve.presence.shares("poor", files=0, folders=0)
        assert eve.transfers.uploads.group_of("poor") == "leechers"
        await hog.hears(peer.PeerTransferRequest)
        # He hangs up; the next in turn is ann, though poor asked before her.
        await hog.say("eve", peer.PeerTransferReply(1, False, reason="Cancelled"))
        [to_hog] = [t for t in eve.transfers if t.username == "hog"]
        await eve.transfers.cancel(to_hog.id)
        offer = await ann.hears(peer.PeerTransferRequest)
        assert offer.filename == path
        assert poor.heard.empty()


@virtual
async def test_a_named_group_has_limits_of_its_own(tmp_path: Path) -> None:
    band = Group(tier=0, max_files=2, users=frozenset({"ann"}))
    rules = QueueRules(slots=0, groups={**DEFAULT_GROUPS, "band": band, "default": Group(max_files=1)})
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=rules)
        paths = [eve.share(rf"Music\{n}.flac", SONG) for n in range(3)]
        ann, bob = there.stranger("ann"), there.stranger("bob")
        for path in paths:
            await asks(there, "ann", path)
            await asks(there, "bob", path)
        assert (await ann.hears(peer.PeerTransferQueueFailed)).reason == "Too many files"
        assert [(await bob.hears(peer.PeerTransferQueueFailed)).filename for _ in range(2)] == paths[1:]
        assert eve.transfers.uploads.queue.waiting_of("ann")[0] == 2


@virtual
async def test_a_user_put_into_a_group_moves_up_at_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        path = eve.share(r"Music\1.flac", SONG)
        there.stranger("ann"), there.stranger("bob")
        await asks(there, "ann", path)
        await asks(there, "bob", path)
        bobs = next(t for t in eve.transfers if t.username == "bob")
        assert eve.transfers.place(bobs) == 2
        named = {**DEFAULT_GROUPS, "band": Group(tier=0, users=frozenset({"bob"}))}
        eve.transfers.settings = type(eve.settings)(
            downloads=eve.downloads, queue=QueueRules(slots=0, groups=named)
        )
        assert eve.transfers.place(bobs) == 1


@virtual
async def test_rules_are_tried_on_what_was_really_asked_for(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        journal = Journal(tmp_path / "eve.sqlite", threaded=False)
        eve = await there.move_in("eve", journal, queue=QueueRules(slots=1), upload_limit=100)
        ann = await there.move_in("ann")
        paths = [eve.share(rf"Music\{n}.flac", SONG * 100) for n in range(3)]
        transfers = [await ann.transfers.download("eve", path) for path in paths]
        for transfer in transfers:
            await until(transfer, State.FINISHED)
        await asyncio.sleep(1)
        trial = await eve.transfers.try_rules(QueueRules(slots=1))
        [lot] = trial.lots
        assert (lot.username, lot.files, lot.served, trial.requests) == ("ann", 3, 3, 3)
        # 100,000 bytes at 100 bytes per second: each waits for those before it.
        assert [round(wait, -2) for wait in lot.waits] == [0, 1000, 2000]
        strict = QueueRules(slots=1, groups={"default": Group(max_files=1)})
        [lot] = (await eve.transfers.try_rules(strict)).lots
        assert lot.refused == {"Too many files": 1}
        assert (await eve.transfers.try_rules(strict, days=0.0001)).requests == 0
        # To try is not to do.
        assert eve.transfers.settings.queue == QueueRules(slots=1)


@virtual
async def test_a_journal_of_an_older_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    journal = Journal(path, threaded=False)
    await journal.open()
    await journal.close()
    db = sqlite3.connect(path)
    db.executescript(
        "DROP TABLE requests; CREATE TABLE requests"
        " (at REAL NOT NULL, username TEXT NOT NULL, grp TEXT NOT NULL, size INTEGER NOT NULL, seconds REAL);"
        " INSERT INTO requests VALUES (1, 'ann', 'default', 5, NULL); PRAGMA user_version = 1;"
    )
    db.close()
    journal = Journal(path, threaded=False)
    await journal.open()
    assert await journal.requests(0) == []
    await journal.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()
