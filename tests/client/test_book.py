"""Friends, bans, notes and history: what is kept of other users."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from soulmesh.client.bans import Spans, read_range
from soulmesh.client.book import AddressBook, BadRange
from soulmesh.client.wishes import WishList
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.net.world import World
from tests.support.loops import virtual

PEOPLE = Path("/data/people.json")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def book(disk: MemoryDisk | None = None, clock: Clock | None = None) -> AddressBook:
    host = MemoryNetwork().host("10.0.0.2")
    world = World(host, disk or MemoryDisk(), Random(1), clock or Clock())
    return AddressBook(world, PEOPLE if disk else None)


@virtual
async def test_block_lists_of_several_kinds_are_read() -> None:
    mine = book()
    taken = mine.import_bans(
        "# from somewhere\n"
        "user mallory\n"
        "address 192.0.2.0/28\n"
        "198.51.100.7   # one address\n"
        "203.0.113.5-203.0.113.9\n"
        "Some Company:10.1.0.0-10.1.255.255\n"
        "2001:db8::/32\n"
    )
    assert taken == 6
    assert mine.banned_names == {"mallory"}
    inside = ["192.0.2.15", "198.51.100.7", "203.0.113.5", "203.0.113.9", "10.1.77.3", "2001:db8::1"]
    outside = ["192.0.2.16", "198.51.100.8", "203.0.113.4", "203.0.113.10", "10.2.0.0", "2001:db9::1", ""]
    assert [mine.bans_address(address) for address in inside] == [True] * len(inside)
    assert [mine.bans_address(address) for address in outside] == [False] * len(outside)


@virtual
async def test_what_two_programs_change_in_one_book_is_all_kept() -> None:
    disk = MemoryDisk()
    first = book(disk)
    first.friends, first.notes = {"anna", "gone"}, {"anna": "old"}
    first.ban_range("192.0.2.0/24")
    first.changed()
    await first.close()
    first, second = book(disk), book(disk)
    await first.load()
    await second.load()
    # One is changed and written while the other one has all of it in memory.
    second.banned_names.add("spammer")
    second.friends.discard("gone")
    second.filters["loud"] = "bitrate>=320"
    second.unban_range("192.0.2.0/24")
    second.changed()
    await second.close()
    first.friends.add("eve")
    first.notes["anna"] = "new"
    first.seen("eve")
    await asyncio.sleep(5)
    # It counts there as well.
    assert (first.friends, first.banned_names, first.banned_ranges) == ({"anna", "eve"}, {"spammer"}, {})
    first.ban_range("203.0.113.7")
    await first.close()
    after = book(disk)
    await after.load()
    assert (after.friends, after.banned_names) == ({"anna", "eve"}, {"spammer"})
    assert (after.notes, after.filters) == ({"anna": "new"}, {"loud": "bitrate>=320"})
    assert after.bans_address("203.0.113.7")
    assert not after.bans_address("192.0.2.1")
    assert after.histories["eve"].hours == {"20": 1}


@virtual
async def test_a_book_that_somebody_damaged_is_written_anew() -> None:
    disk = MemoryDisk()
    mine = book(disk)
    mine.friends.add("anna")
    mine.changed()
    await asyncio.sleep(5)
    await disk.write_atomic(PEOPLE, b"[1, 2")
    mine.friends.add("eve")
    mine.changed()
    await mine.close()
    after = book(disk)
    await after.load()
    assert after.friends == {"anna", "eve"}


@virtual
async def test_wishes_of_two_programs_are_all_kept_and_take_their_turns() -> None:
    disk = MemoryDisk()
    world = World(MemoryNetwork().host("10.0.0.2"), disk, Random(1), Clock())

    async def wishes() -> WishList:
        found = WishList(world, Path("/data/wishes.json"), shortest_query=3)
        await found.load()
        return found

    first = await wishes()
    for query in ("blue", "red", "gone"):
        await first.add(query)
    first, second = await wishes(), await wishes()
    await second.add("green", filter="flac")
    await second.remove("gone")
    blue = first.all[0]
    blue.found = 3
    first._wishes[blue.query] = first._wishes.pop(blue.query)
    await first.add("white")
    whole = [(wish.query, wish.filter, wish.found) for wish in first.all]
    assert whole == [("red", "", 0), ("blue", "", 3), ("white", "", 0), ("green", "flac", 0)]
    assert first.all[1] is blue
    assert [(wish.query, wish.filter, wish.found) for wish in (await wishes()).all] == whole


@virtual
async def test_a_line_that_is_none_is_quoted_and_nothing_is_taken() -> None:
    mine = book()
    with pytest.raises(BadRange, match=r"line 3: '10\.0\.0\.9-10\.0\.0\.1' is no address or range"):
        mine.import_bans("user mallory\n192.0.2.7\n10.0.0.9-10.0.0.1\n")
    assert not mine.banned_names
    assert not mine.banned_ranges


@virtual
async def test_what_was_exported_can_be_imported_elsewhere() -> None:
    mine, other = book(), book()
    mine.import_bans("user mallory\n10.0.0.0-10.0.0.2\n2001:db8::1\n")
    assert other.import_bans(mine.export_bans()) == 3
    assert other.export_bans() == mine.export_bans()
    other.unban_range("10.0.0.0-10.0.0.2")
    assert not other.bans_address("10.0.0.1")
    assert other.bans_address("2001:db8::1")


@virtual
async def test_names_with_a_number_sign_are_exported_and_read_back() -> None:
    mine, other = book(), book()
    mine.banned_names = {"DJ #1", "#hash", "user", "a b"}
    assert other.import_bans(mine.export_bans() + "# the end\n") == 4
    assert other.banned_names == mine.banned_names


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.9/24", "192.0.2.0/24"),
        ("192.0.2.0 - 192.0.2.255", "192.0.2.0/24"),
        ("192.0.2.0-192.0.2.99", "192.0.2.0-192.0.2.99"),
        ("192.0.2.7-192.0.2.7", "192.0.2.7/32"),
        ("Some Company, Ltd: 10.1.0.0-10.1.255.255", "10.1.0.0/16"),
        ("001.002.003.004 - 001.002.003.255 , 000 , Org", "1.2.3.4-1.2.3.255"),
        ("001.002.003.000-001.002.003.255", "1.2.3.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_range_is_kept_in_one_way_however_it_was_written(text: str, kept: str) -> None:
    assert read_range(text) == read_range(kept) == kept
    assert Spans([kept]).hold(kept.partition("/")[0].partition("-")[0])


@virtual
async def test_ranges_have_a_file_of_their_own_and_those_of_an_earlier_version_go_there() -> None:
    disk = MemoryDisk()
    await disk.make_directory(PEOPLE.parent)
    await disk.write_atomic(
        PEOPLE, b'{"friends": ["anna"], "banned_ranges": ["192.0.2.0/24", "10.0.0.7/32"]}'
    )
    mine = book(disk)
    await mine.load()
    await mine.close()
    assert await disk.read_bytes(PEOPLE.with_name("banned-addresses.txt")) == b"192.0.2.0/24\n10.0.0.7/32\n"
    assert b"192.0.2" not in await disk.read_bytes(PEOPLE)
    first, second = book(disk), book(disk)
    await first.load()
    await second.load()
    second.ban_range("203.0.113.0/24")
    assert second.unban_range("192.0.2.0 - 192.0.2.255")
    assert not second.unban_range("192.0.2.0/25")
    await second.close()
    first.ban_range("198.51.100.7")
    await first.close()
    after = book(disk)
    await after.load()
    await after.prepare()
    assert list(after.banned_ranges) == ["10.0.0.7/32", "203.0.113.0/24", "198.51.100.7/32"]
    assert after.bans_address("203.0.113.9")
    assert not after.bans_address("192.0.2.9")


@virtual
async def test_a_list_of_many_ranges_is_asked_quickly_and_overlaps_do_no_harm() -> None:
    mine = book()
    lines = [f"10.{n >> 8}.{n & 255}.0/25" for n in range(20_000)]
    mine.import_bans("\n".join([*lines, "10.0.0.0/16", "10.0.3.0/24"]))
    assert mine.bans_address("10.0.200.200")
    assert mine.bans_address("10.70.3.1")
    assert not mine.bans_address("10.70.3.200")


@virtual
async def test_history_survives_and_tells_the_hours_in_which_a_user_is_around() -> None:
    disk, clock = MemoryDisk(), Clock()
    mine = book(disk, clock)
    mine.downloaded("eve", 1_000_000, 2.0)
    for _ in range(3):
        mine.seen("eve")
    clock.now += timedelta(hours=1)
    mine.uploaded("eve", 500)
    mine.download_failed("eve")
    await mine.close()
    again = book(disk, clock)
    await again.load()
    past = again.history("eve")
    assert (past.downloaded, past.uploaded, past.speed, past.failures) == (1_000_000, 500, 500_000.0, 1)
    assert past.hours == {"20": 1, "21": 1}
    assert past.last_seen == "2026-03-01T21:15:00+00:00"
    await again.close()


@pytest.mark.parametrize("content", [b"{broken", b'{"banned_ranges": ["junk", "10.0.0.0/8"]}'])
@virtual
async def test_a_file_that_cannot_be_read_is_set_aside(content: bytes) -> None:
    disk = MemoryDisk()
    await disk.make_directory(PEOPLE.parent)
    await disk.write_atomic(PEOPLE, content)
    mine = book(disk)
    await mine.load()
    assert not mine.friends
    assert await disk.read_bytes(PEOPLE.with_suffix(".broken")) == content
    await mine.close()
