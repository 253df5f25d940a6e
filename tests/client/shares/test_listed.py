"""Folders given to a client as a list: the real index, with attributes, and nothing left behind."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from soulmesh.client.client import Client
from soulmesh.client.plain_shares import UnreadableShare
from soulmesh.client.settings import ClientSettings
from soulmesh.client.shares import Shares
from soulmesh.client.shares.listed import share_folders
from tests.client.shares.support import NOW, fill, write_wave


def client(shares: list[Path], data: Path | None = None) -> Client:
    return Client(
        "alice",
        "secret",
        server=("127.0.0.1", 1),
        shares=shares,
        listen_port=0,
        settings=ClientSettings(listen_host="127.0.0.1", rates={}),
        data=data,
    )


async def found(shares: Shares, query: str) -> dict[str, dict[int, int]]:
    answer = await shares.search(query, username="bob", limit=100)
    return {file.filename: {a.key: a.value for a in file.attributes} for file in answer.results}


def test_a_client_offers_a_list_of_folders_with_attributes_and_leaves_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wave(tmp_path / "music" / "album" / "one song.wav", seconds=2.0)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    async def run() -> None:
        alice = client([tmp_path / "music"])
        try:
            await alice.start(log_in=False)
            assert isinstance(alice.shares, Shares)
            assert await found(alice.shares, "song") == {
                "music\\album\\one song.wav": {1: 2, 4: 8000, 5: 16},
            }
            located = await alice.shares.locate("bob", "music\\album\\one song.wav")
            assert located is not None
            assert located.local_path == tmp_path / "music" / "album" / "one song.wav"
            assert list(temporary.iterdir())
        finally:
            await alice.close()
        assert not list(temporary.iterdir())

    asyncio.run(run())


def test_with_a_data_folder_the_index_is_taken_up_again(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "music", ["first song.txt"])
    fill(tmp_path / "b" / "music", ["second song.txt"])
    fill(tmp_path / "c", ["third song.txt"])

    async def names(*folders: str) -> list[str]:
        alice = client([tmp_path / folder for folder in folders], tmp_path / "data")
        try:
            await alice.start(log_in=False)
            assert isinstance(alice.shares, Shares)
            return sorted(await found(alice.shares, "song"))
        finally:
            await alice.close()

    first = ["music 2\\second song.txt", "music\\first song.txt"]
    assert asyncio.run(names("a/music", "b/music", "b/music/../music")) == first
    # The same names in another order, and without the folder that is not in the list any more.
    assert asyncio.run(names("b/music", "c")) == ["c\\third song.txt", "music 2\\second song.txt"]


def test_a_folder_that_is_not_there_is_an_error_and_nothing_is_left_open(tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(UnreadableShare, match="no such folder"):
            await share_folders([tmp_path / "nowhere"], tmp_path / "data", wall_clock=lambda: NOW)

    asyncio.run(run())
    assert not (tmp_path / "data").exists()
