"""Files of ours that something has overwritten: noticed, said, made again, and no setting lost."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from soulmesh import wire
from soulmesh.client.shares import Audience, NotShared, Shares
from soulmesh.client.shares.explain import explain
from soulmesh.client.shares.kept import kept_roots
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.client.shares.store import Store, StoreDamaged
from soulmesh.wire.peer import PeerSharesReply
from tests.client.shares.support import fill, open_shares, share

FRIENDS = Audience(everyone=False, friends=True, groups=frozenset({"choir"}), locked=True)


def shared_once(tmp_path: Path) -> None:
    """Two shared folders, scanned; all of it on disk."""
    shares = open_shares(tmp_path / "data")
    fill(tmp_path / "music", [f"album {n:02}/song {k}.txt" for n in range(40) for k in range(10)])
    fill(tmp_path / "some", ["secret song.txt", "left out.tmp"])
    share(shares, tmp_path / "music")
    gone = share(shares, tmp_path, b"Gone")
    share(shares, tmp_path / "some", b"Some", FRIENDS, exclude=("*.tmp",), hidden=True)
    shares.remove_root(gone.id)
    asyncio.run(shares.scan())
    shares.close()


def overwrite_middle(path: Path) -> None:
    """All but the first page and the last."""
    data = bytearray(path.read_bytes())
    data[4096:-4096] = b"\xaa" * (len(data) - 8192)
    path.write_bytes(data)


def offered(shares: Shares, query: str = "song") -> int:
    return len(asyncio.run(shares.search(query, username="bob", limit=1000)).results)


def check_settings(shares: Shares) -> None:
    assert [(root.id, root.name) for root in shares.roots] == [(1, b"Music"), (3, b"Some")]
    some = shares.roots[1]
    assert (some.audience, some.exclude, some.hidden) == (FRIENDS, ("*.tmp",), True)


def test_an_overwritten_database_is_noticed_by_the_next_scan_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared_once(tmp_path)
    before = (tmp_path / "data" / "roots.json").read_text()
    overwrite_middle(tmp_path / "data" / "shares.sqlite")
    shares = open_shares(tmp_path / "data")
    outcome = asyncio.run(shares.scan())
    check_settings(shares)
    assert offered(shares) == 400
    assert {found.root: found.files for found in outcome.roots} == {"Music": 400, "Some": 1}
    assert "damaged" in caplog.text
    assert "2 shared folders are as they were" in caplog.text
    assert (tmp_path / "data" / "shares.sqlite.damaged").exists()
    assert (tmp_path / "data" / "roots.json").read_text() == before
    assert not shares.needs_index
    assert asyncio.run(shares.scan()).index == "unchanged"
    shares.close()


@pytest.mark.parametrize("damage", ["rubbish", "beginning"])
def test_what_is_no_database_any_more_is_put_aside_when_it_is_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    shared_once(tmp_path)
    path = tmp_path / "data" / "shares.sqlite"
    data = path.read_bytes()
    path.write_bytes(b"rubbish" * 1000 if damage == "rubbish" else b"\xaa" * 50_000 + data[50_000:])
    with pytest.raises(StoreDamaged):
        Store(path)
    shares = open_shares(tmp_path / "data")
    assert "was put aside as shares.sqlite.damaged" in caplog.text
    check_settings(shares)
    assert shares.needs_index
    asyncio.run(shares.scan())
    assert offered(shares) == 400
    assert share(shares, tmp_path / "data", b"New").id == 4  # the number of the removed one is not used again
    shares.close()


def test_a_client_goes_on_while_another_process_mends_the_database(tmp_path: Path) -> None:
    shared_once(tmp_path)
    ours = open_shares(tmp_path / "data")
    theirs = open_shares(tmp_path / "data")
    with open(tmp_path / "data" / "shares.sqlite", "r+b") as file:
        file.seek(4096)
        file.write(b"\xaa" * 4096 * 8)
    fill(tmp_path / "music", ["new/a new song.txt"])
    assert offered(ours) == 400
    outcome = asyncio.run(theirs.scan())
    assert outcome.rescued is not None
    assert outcome.index == "rebuilt"
    assert ours.changed_elsewhere()
    asyncio.run(ours.refresh())
    assert not ours.changed_elsewhere()
    assert offered(ours) == 401
    found = asyncio.run(ours.resolve(rb"Music\new\a new song.txt", "bob"))
    assert found.local_path == tmp_path / "music" / "new" / "a new song.txt"
    ours.close()
    theirs.close()


def test_the_roots_are_read_from_the_damaged_file_where_they_were_not_kept(tmp_path: Path) -> None:
    shared_once(tmp_path)
    path = tmp_path / "data" / "shares.sqlite"
    (tmp_path / "data" / "roots.json").unlink()
    data = bytearray(path.read_bytes())
    data[-8192:-4096] = b"\xaa" * 4096
    path.write_bytes(data)
    shares = open_shares(tmp_path / "data")
    assert asyncio.run(shares.scan()).rescued is not None
    check_settings(shares)
    assert offered(shares) == 400
    shares.close()


def test_when_nothing_of_the_roots_is_left_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared_once(tmp_path)
    (tmp_path / "data" / "roots.json").write_text('{"roots": [{}]}')
    (tmp_path / "data" / "shares.sqlite").write_bytes(b"rubbish" * 1000)
    shares = open_shares(tmp_path / "data")
    assert "the list of shared folders is lost" in caplog.text
    assert not shares.roots
    shares.close()


def test_an_overwritten_index_is_noticed_said_and_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared_once(tmp_path)
    (index,) = (tmp_path / "data").glob("index-*")
    data = bytearray(index.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 16] = bytes(16)
    index.write_bytes(data)
    shares = open_shares(tmp_path / "data")
    assert shares.needs_index
    assert "is damaged; the next scan writes the index again" in caplog.text
    assert offered(shares) == 0
    assert asyncio.run(shares.scan()).index == "rebuilt"
    assert offered(shares) == 400
    check_settings(shares)
    shares.close()


def test_an_index_that_is_overwritten_while_it_is_open_is_written_anew_by_the_next_scan(
    tmp_path: Path,
) -> None:
    shared_once(tmp_path)
    shares = open_shares(tmp_path / "data")
    base = shares.index.base
    with open(base.path, "r+b") as file:
        file.seek(base.file.offset("postings"))
        file.write(b"\xaa" * base.file.section("postings").nbytes)
    with pytest.raises(DamagedFile, match="postings is damaged"):
        offered(shares)
    assert shares.needs_index
    assert asyncio.run(shares.scan()).index == "rebuilt"
    assert offered(shares) == 400
    shares.close()


def everything_kept(tmp_path: Path) -> Path:
    """A copy of the data with everything in it that is ever written, the log of the database included."""
    fill(tmp_path / "music", [f"album {n}/song {k}.txt" for n in range(6) for k in range(5)])
    shares = open_shares(tmp_path / "data")
    share(shares, tmp_path / "music")
    share(shares, tmp_path / "music" / "album 1", b"Some", FRIENDS, exclude=("*.tmp",))
    asyncio.run(shares.scan())
    fill(tmp_path / "music", ["new/a new song.txt"])
    asyncio.run(shares.scan())
    asyncio.run(shares.browse("bob"))
    shutil.copytree(tmp_path / "data", tmp_path / "kept")
    shares.close()
    names = {path.name.partition("-")[0] for path in (tmp_path / "kept").iterdir()}
    assert names == {"browse", "empty.shares", "index", "roots.json", "scan.lock", "shares.sqlite"}
    assert (tmp_path / "kept" / "shares.sqlite-wal").exists()
    return tmp_path / "kept"


def damaged(data: bytes, rng: Random) -> bytes:
    """Cut short, emptied, zeroed, or with other bytes in it."""
    found = bytearray(data)
    at = rng.randrange(len(found) + 1)
    match rng.randrange(6):
        case 0:
            return bytes(found[:at])
        case 1:
            return bytes(len(found))
        case 2:
            return rng.randbytes(len(found))
        case 3:
            for _ in range(rng.choice([1, 4, 30]) if found else 0):
                found[rng.randrange(len(found))] = rng.randrange(256)
        case 4:
            begin, size = rng.randrange(64), rng.choice([1, 4, 8])
            found[begin : begin + size] = b"\xff" * len(found[begin : begin + size])
        case _:
            found[at : at + 512] = rng.randbytes(len(found[at : at + 512]))
    return bytes(found)


@pytest.mark.parametrize(
    "which",
    [
        "index-*",
        "empty.shares",
        "shares.sqlite",
        "shares.sqlite-wal",
        "shares.sqlite-shm",
        "roots.json",
        "browse/1-*",
    ],
)
def test_any_damage_of_any_file_is_survived_and_mended_by_the_next_scan(tmp_path: Path, which: str) -> None:
    kept = everything_kept(tmp_path)
    music = sorted((path, path.stat()) for path in (tmp_path / "music").rglob("*"))
    rng = Random(which)
    for number in range(20):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        shutil.copytree(kept, tmp_path / "data")
        (victim,) = (tmp_path / "data").glob(which)
        victim.write_bytes(damaged(victim.read_bytes(), rng))
        shares = open_shares(tmp_path / "data")
        check_few_settings(shares)
        # What is still found is right, and an answer may say that the index is damaged.
        with suppress(DamagedFile):
            assert offered(shares) <= 31
        with suppress(StoreDamaged):
            asyncio.run(explain(shares, str(tmp_path / "music" / "new" / "a new song.txt")))
        if not number:
            asyncio.run(shares.scan())
            check_few_settings(shares)
            assert offered(shares) == 26
            reply = wire.decode(asyncio.run(shares.browse("bob")), "peer", "peer")
            assert isinstance(reply, PeerSharesReply)
            assert sum(len(directory.files) for directory in reply.directories) == 26
            assert sum(len(directory.files) for directory in reply.locked_directories or ()) == 5
        shares.close()
    assert sorted((path, path.stat()) for path in (tmp_path / "music").rglob("*")) == music


def check_few_settings(shares: Shares) -> None:
    music, some = shares.roots
    assert (music.name, music.audience, music.exclude) == (b"Music", Audience(), ())
    assert (some.name, some.audience, some.exclude) == (b"Some", FRIENDS, ("*.tmp",))


@pytest.mark.parametrize("at", range(0, 24, 4))
def test_numbers_in_the_head_of_an_index_that_no_file_can_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, at: int
) -> None:
    shared_once(tmp_path)
    (index,) = (tmp_path / "data").glob("index-*")
    data = bytearray(index.read_bytes())
    data[at : at + 8] = b"\xff" * 8
    index.write_bytes(data[: max(len(data), 24)])
    shares = open_shares(tmp_path / "data")
    assert shares.needs_index
    assert "the next scan writes the index again" in caplog.text
    assert asyncio.run(shares.scan()).index == "rebuilt"
    assert offered(shares) == 400
    shares.close()


def test_a_database_that_lost_its_last_changes_gets_its_folders_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The power went, or the log was cut: SQLite takes the state before for whole."""
    shared_once(tmp_path)
    before = (tmp_path / "data" / "shares.sqlite").read_bytes()
    shares = open_shares(tmp_path / "data")
    some = next(root for root in shares.roots if root.name == b"Some")
    shares.save_root(replace(some, exclude=("*.tmp", "*.bak")))
    share(shares, tmp_path / "data", b"New")
    shares.remove_root(1)
    shares.close()
    (tmp_path / "data" / "shares.sqlite").write_bytes(before)
    shares = open_shares(tmp_path / "data")
    assert "has lost its last changes: the 2 shared folders are as they were" in caplog.text
    assert [(root.id, root.name, root.files) for root in shares.roots] == [(4, b"New", 0), (3, b"Some", 1)]
    assert shares.roots[1].exclude == ("*.tmp", "*.bak")
    assert share(shares, tmp_path / "music", b"Music").id == 5
    caplog.clear()
    open_shares(tmp_path / "data").close()
    assert not caplog.text
    shares.close()


def test_the_list_of_folders_beside_the_database_is_not_believed_when_it_was_changed(tmp_path: Path) -> None:
    shared_once(tmp_path)
    listed = tmp_path / "data" / "roots.json"
    text = listed.read_text()
    assert kept_roots(tmp_path / "data" / "shares.sqlite") is not None
    listed.write_text(text.replace("choir", "chair"))
    assert kept_roots(tmp_path / "data" / "shares.sqlite") is None
    shares = open_shares(tmp_path / "data")
    asyncio.run(shares.scan())
    assert listed.read_text() == text
    listed.write_bytes(b"\xff" * 100)
    share(shares, tmp_path / "data", b"New")
    assert len((kept_roots(tmp_path / "data" / "shares.sqlite") or ([],))[0]) == 3
    shares.close()


def test_an_overwritten_list_for_browsing_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared_once(tmp_path)
    shares = open_shares(tmp_path / "data")
    right = asyncio.run(shares.browse("bob"))
    assert asyncio.run(shares.browse("bob")) == right
    for stream in (tmp_path / "data" / "browse").iterdir():
        data = bytearray(stream.read_bytes())
        data[len(data) // 2] ^= 1
        stream.write_bytes(data)
    assert asyncio.run(shares.browse("bob")) == right
    assert "is damaged: the list of shared files is made again" in caplog.text
    shares.close()


def test_a_list_of_a_database_that_was_deleted_is_not_shown_for_the_next_one(tmp_path: Path) -> None:
    fill(tmp_path / "private", ["secret.mp3"])
    fill(tmp_path / "other", ["other.mp3"])
    for folder in ("private", "other"):
        shares = open_shares(tmp_path / "data")
        share(shares, tmp_path / folder)
        asyncio.run(shares.scan())
        frame = asyncio.run(shares.browse("bob"))
        shares.close()
        for file in (tmp_path / "data").glob("shares.sqlite*"):
            file.unlink()
        (tmp_path / "data" / "roots.json").unlink(missing_ok=True)
    (directory,) = wire.decode(frame, "peer", "peer").directories  # type: ignore[attr-defined]
    assert [file.filename for file in directory.files] == ["other.mp3"]


def test_an_upload_from_a_damaged_database_is_refused_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_once(tmp_path)
    shares = open_shares(tmp_path / "data")
    overwrite_middle(tmp_path / "data" / "shares.sqlite")
    with pytest.raises(NotShared, match="cannot be read"):
        asyncio.run(shares.resolve(rb"Music\album 01\song 1.txt", "bob"))
    assert asyncio.run(shares.locate("bob", r"Music\album 01\song 1.txt")) is None
    asyncio.run(shares.scan())
    assert asyncio.run(shares.locate("bob", r"Music\album 01\song 1.txt")) is not None
    shares.close()


def test_explaining_a_file_on_a_drive_that_sleeps_does_not_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_once(tmp_path)
    shares = open_shares(tmp_path / "data")

    async def scene() -> None:
        awake = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(*_: object) -> str:
            # Comes back when the loop has had its turn.
            asyncio.run_coroutine_threadsafe(awake.wait(), loop).result(20)
            return ""

        monkeypatch.setattr("soulmesh.client.shares.explain._kept_out", slow)
        asked = asyncio.create_task(explain(shares, str(tmp_path / "music" / "album 01" / "song 1.txt")))
        await asyncio.sleep(0)
        awake.set()
        assert (await asked).offered

    asyncio.run(scene())
    shares.close()


OURS = ["index-000001.shares", "empty.shares", "roots.json", "scan.lock", "shares.sqlite", "browse"]


@pytest.mark.parametrize("name", OURS)
def test_a_folder_in_the_place_of_one_of_our_files_is_put_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    shared_once(tmp_path)
    data = tmp_path / "data"
    place = data / name
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    if name == "browse":
        place.touch()
    else:
        fill(place, ["kept.txt"])
    shares = open_shares(data)
    check_settings(shares)
    asyncio.run(shares.scan())
    assert offered(shares) == 400
    reply = wire.decode(asyncio.run(shares.browse("bob")), "peer", "peer")
    assert isinstance(reply, PeerSharesReply)
    assert sum(len(folder.files) for folder in reply.directories) == 400
    asyncio.run(shares.scan(rebuild=True))
    shares.close()
    if name not in ("browse", "index-000001.shares"):
        # Nothing of it is lost, in case it was somebody's.
        assert (data / f"{place.name}.damaged" / "kept.txt").exists()
    if name not in ("browse", "scan.lock", "roots.json"):  # where the process that scans says so
        assert name in caplog.text
    again = open_shares(data)
    assert offered(again) == 400
    again.close()
