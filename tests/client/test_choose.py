"""`soulmesh get` chooses by rules."""

from __future__ import annotations

import pytest

from soulmesh.client.choose import Rules, album_folder, albums, songs
from soulmesh.client.results import FoundFile, Hit


def hit(user: str, path: str, *, bitrate: int | None = None, free: bool = True, soon: float = 10.0) -> Hit:
    attributes = ((0, bitrate),) if bitrate is not None else ()
    return Hit(user, FoundFile(path, 1000, attributes), free, 1000, 0, expected=soon)


def test_formats_are_taken_in_the_order_given() -> None:
    hits = [hit("a", "x\\s.mp3", bitrate=320), hit("b", "x\\s.flac", soon=99.0), hit("c", "x\\s.ogg")]
    assert [h.username for h in songs(hits, Rules(("flac", "mp3")))] == ["b", "a"]


def test_without_wishes_the_soonest_with_a_free_slot_is_taken() -> None:
    hits = [hit("a", "x\\s.flac", free=False, soon=1.0), hit("b", "x\\s.mp3", soon=5.0)]
    assert songs(hits, Rules())[0].username == "b"
    assert songs(hits, Rules(best=True))[0].username == "a"


def test_a_low_bitrate_is_not_taken_and_one_file_of_each_user_is_enough() -> None:
    hits = [
        hit("a", "x\\s.mp3", bitrate=128),
        hit("b", "x\\s.mp3"),
        hit("c", "x\\s.mp3", bitrate=320),
        hit("c", "y\\s.mp3", bitrate=320),
        hit("d", "x\\s.flac"),
        hit("e", "x\\cover.jpg"),
    ]
    assert sorted(h.username for h in songs(hits, Rules(min_bitrate=256))) == ["c", "d"]


def test_locked_files_are_not_for_us() -> None:
    locked = Hit("a", FoundFile("x\\s.flac", 1000), True, 1, 0, locked=True)
    assert songs([locked], Rules()) == []
    assert albums([locked], Rules()) == []


def test_the_album_that_most_users_have_comes_first() -> None:
    hits = [hit("part", f"p\\{n}.flac", soon=1.0) for n in range(2)]
    hits += [hit("one", f"A\\{n}.flac") for n in range(9)]
    hits += [hit("two", f"B\\{n}.flac", soon=20.0) for n in range(9)]
    hits += [hit("lossy", f"C\\{n}.mp3", bitrate=320, soon=1.0) for n in range(9)]
    found = albums(hits, Rules(("flac", "mp3")))
    assert [folder.username for folder in found] == ["one", "two", "lossy", "part"]
    assert len(found[0].candidate.files) == 9


def test_discs_are_one_album() -> None:
    hits = [hit("a", rf"m\Album\CD{disc}\{n}.flac") for disc in (1, 2) for n in range(5)]
    hits += [hit("b", rf"m\Other\{n}.flac") for n in range(10)]
    two, one = sorted(albums(hits, Rules()), key=lambda folder: folder.username)
    assert (two.path, len(two.hits)) == (r"m\Album", 10)
    assert two.folders == [r"m\Album", r"m\Album\CD1", r"m\Album\CD2"]
    assert one.folders == [r"m\Other"]


@pytest.mark.parametrize(
    ("folder", "album"),
    [
        (r"m\A\CD1", r"m\A"),
        (r"m\A\Disc 2 - Live", r"m\A"),
        (r"m\A\disk_02", r"m\A"),
        (r"m\A\Side B", r"m\A"),
        (r"m\A\Vinyl II", r"m\A"),
        (r"m\A\CD", r"m\A\CD"),
        (r"m\A\Side Effects", r"m\A\Side Effects"),
        (r"m\A\Discovery", r"m\A\Discovery"),
        ("CD1", "CD1"),
    ],
)
def test_what_is_a_disc_of_an_album(folder: str, album: str) -> None:
    assert album_folder(folder) == album


def test_other_rules_are_another_wish() -> None:
    assert Rules().said(album=False) == "song"
    assert Rules(("flac", "mp3"), 320, True).said(album=True) == "album flac mp3 320 kbit/s best"
