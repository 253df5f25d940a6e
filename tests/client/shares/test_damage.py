"""Files of ours that something has overwritten: noticed, said, made again, and no setting lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from soulmesh import wire
from soulmesh.client.shares import Audience, NotShared, Shares
from soulmesh.client.shares.explain import explain
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.client.shares.store import Store, StoreDamaged
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
