"""One suite for both disks: the operating system's, and the one in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soulmesh.net.disk import (
    DiskError,
    DiskFull,
    FileExists,
    FileMissing,
    FileTooLarge,
    NotAllowed,
    OtherFilesystem,
    RealDisk,
    WrongKind,
    disk_error,
    write_whole,
)
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.net.world import Disk
from soulmesh.sim.loop import run_virtual
from tests.support.disks import no_room
from tests.support.loops import real, virtual


def each_disk(test: Callable[[Disk, Path], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on both disks; it gets an empty directory."""

    @pytest.mark.parametrize("kind", ["real", "memory"])
    def run(kind: str, tmp_path: Path) -> None:
        if kind == "memory":
            run_virtual(test(MemoryDisk("/empty"), Path("/empty")))
        else:
            disk = RealDisk()
            asyncio.run(test(disk, tmp_path))
            disk.close()

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


async def put(disk: Disk, path: Path, content: bytes) -> None:
    file = await disk.open_write(path)
    await file.write(0, content)
    await file.close()


@each_disk
async def test_what_is_written_can_be_read_at_any_place(disk: Disk, root: Path) -> None:
    file = await disk.open_write(root / "song")
    await file.write(0, b"hello")
    await file.write(10, bytearray(b"world"))
    await file.write(3, memoryview(b"LO"))
    assert await file.read(0, 100) == b"helLO" + bytes(5) + b"world"
    await file.sync()
    await file.close()
    await file.close()
    reading = await disk.open_read(root / "song")
    assert reading.size == 15
    assert await reading.read(10, 3) == b"wor"
    assert await reading.read(13, 100) == b"ld"
    assert await reading.read(15, 10) == b""
    assert await reading.read(999, 10) == b""
    await reading.close()


@each_disk
async def test_a_file_is_changed_by_what_is_made_of_its_content(disk: Disk, root: Path) -> None:
    seen: list[bytes | None] = []

    def longer(found: bytes | None) -> bytes | None:
        seen.append(found)
        return None if found == b"xx" else (found or b"") + b"x"

    for _ in range(3):
        await disk.change(root / "file", longer)
    assert seen == [None, b"x", b"xx"]
    assert await disk.read_bytes(root / "file") == b"xx"
    assert await disk.list(root) == ["file"]
    with pytest.raises(FileMissing):
        await disk.change(root / "nowhere" / "file", longer)


@real
async def test_of_many_who_change_a_file_nobody_loses_what_another_one_wrote(tmp_path: Path) -> None:
    disks = [RealDisk(), RealDisk()]
    await asyncio.gather(
        *(disk.change(tmp_path / "file", lambda found: (found or b"") + b"x") for disk in disks * 20)
    )
    assert (tmp_path / "file").read_bytes() == b"x" * 40
    for disk in disks:
        disk.close()


@each_disk
async def test_opening_for_writing_keeps_what_is_there(disk: Disk, root: Path) -> None:
    await put(disk, root / "part", b"first half")
    file = await disk.open_write(root / "part")
    await file.write(10, b", second half")
    await file.close()
    assert await disk.read_bytes(root / "part") == b"first half, second half"


@each_disk
async def test_opening_exclusively_refuses_what_is_there(disk: Disk, root: Path) -> None:
    file = await disk.open_write(root / "new", exclusive=True)
    await file.close()
    with pytest.raises(FileExists, match="is there already: move it away"):
        await disk.open_write(root / "new", exclusive=True)


@each_disk
async def test_truncating_cuts_and_lengthens(disk: Disk, root: Path) -> None:
    file = await disk.open_write(root / "x")
    await file.write(0, b"x" * 100_000)
    await file.truncate(70_000)
    await file.truncate(100_000)
    assert await file.read(69_998, 10) == b"xx" + bytes(8)
    await file.truncate(3)
    await file.close()
    assert await disk.read_bytes(root / "x") == b"xxx"


@each_disk
async def test_appending_only_grows_the_file(disk: Disk, root: Path) -> None:
    file = await disk.open_append(root / "journal")
    assert await file.append(b"one\n") == 4
    assert await file.append(b"two\n") == 8
    await file.sync()
    await file.close()
    file = await disk.open_append(root / "journal")
    assert await file.append(b"three\n") == 14
    await file.close()
    assert await disk.read_bytes(root / "journal") == b"one\ntwo\nthree\n"


@each_disk
async def test_a_missing_file_says_so_everywhere(disk: Disk, root: Path) -> None:
    gone = root / "gone"
    for work in (
        disk.stat(gone),
        disk.open_read(gone),
        disk.read_bytes(gone),
        disk.unlink(gone),
        disk.remove_directory(gone),
        disk.list(gone),
        disk.replace(gone, root / "other"),
        disk.rename_new(gone, root / "other"),
        disk.open_write(gone / "below"),
        disk.open_append(gone / "below"),
        disk.write_atomic(gone / "below", b""),
    ):
        with pytest.raises(FileMissing, match="gone"):
            await work
    assert not await disk.exists(gone)
    await disk.unlink(gone, missing_ok=True)


@each_disk
async def test_stat_tells_files_from_directories(disk: Disk, root: Path) -> None:
    await put(disk, root / "x", b"12345")
    found = await disk.stat(root / "x")
    assert (found.size, found.is_directory) == (5, False)
    directory = await disk.stat(root)
    assert (directory.size, directory.is_directory) == (0, True)
    assert found.inode != directory.inode


@each_disk
async def test_directories_are_made_listed_and_removed(disk: Disk, root: Path) -> None:
    deep = root / "a" / "b"
    await disk.make_directory(deep)
    await disk.make_directory(deep)
    await put(disk, deep / "two", b"")
    await put(disk, deep / "one", b"")
    await disk.make_directory(deep / "three" / "deeper")
    assert list(await disk.list(deep)) == ["one", "three", "two"]
    with pytest.raises(FileExists):
        await disk.remove_directory(deep)
    await disk.remove_directory(deep / "three" / "deeper")
    assert list(await disk.list(deep / "three")) == []


@each_disk
async def test_a_file_is_no_directory_and_the_other_way_round(disk: Disk, root: Path) -> None:
    await put(disk, root / "file", b"")
    with pytest.raises(WrongKind):
        await disk.open_read(root)
    with pytest.raises(WrongKind):
        await disk.open_write(root)
    with pytest.raises(WrongKind):
        await disk.list(root / "file")
    with pytest.raises(WrongKind):
        await disk.open_write(root / "file" / "below")
    with pytest.raises(WrongKind):
        await disk.stat(root / "file" / "below")
    with pytest.raises(WrongKind):
        await disk.remove_directory(root / "file")
    with pytest.raises(DiskError):
        await disk.make_directory(root / "file")


@each_disk
async def test_replacing_overwrites_and_renaming_never_does(disk: Disk, root: Path) -> None:
    await put(disk, root / "old", b"old")
    await put(disk, root / "new", b"new")
    with pytest.raises(FileExists):
        await disk.rename_new(root / "new", root / "old")
    assert await disk.read_bytes(root / "old") == b"old"
    await disk.replace(root / "new", root / "old")
    assert await disk.read_bytes(root / "old") == b"new"
    assert not await disk.exists(root / "new")
    await disk.rename_new(root / "old", root / "fresh")
    assert list(await disk.list(root)) == ["fresh"]
    with pytest.raises(FileMissing):
        await disk.rename_new(root / "fresh", root / "nowhere" / "fresh")
    with pytest.raises(FileMissing):
        await disk.replace(root / "fresh", root / "nowhere" / "fresh")
    assert list(await disk.list(root)) == ["fresh"]


@each_disk
async def test_a_directory_is_renamed_with_all_in_it(disk: Disk, root: Path) -> None:
    await disk.make_directory(root / "a" / "b")
    await put(disk, root / "a" / "b" / "song", b"la")
    await disk.rename_new(root / "a", root / "c")
    assert await disk.read_bytes(root / "c" / "b" / "song") == b"la"
    await disk.make_directory(root / "d" / "full")
    with pytest.raises(FileExists):
        await disk.rename_new(root / "c", root / "d")


@each_disk
async def test_an_open_file_outlives_its_name(disk: Disk, root: Path) -> None:
    await put(disk, root / "x", b"still here")
    file = await disk.open_read(root / "x")
    await disk.unlink(root / "x")
    assert await file.read(0, 100) == b"still here"
    await file.close()
    assert not await disk.exists(root / "x")


@each_disk
async def test_writing_atomically_replaces_the_whole_file(disk: Disk, root: Path) -> None:
    await disk.write_atomic(root / "state", b"a long first version")
    await disk.write_atomic(root / "state", b"short")
    assert await disk.read_bytes(root / "state") == b"short"
    assert list(await disk.list(root)) == ["state"]
    with pytest.raises(DiskError):
        await disk.write_atomic(root, b"")
    assert list(await disk.list(root)) == ["state"]


@each_disk
async def test_small_files_are_written_in_one_go_and_each_says_what_went_wrong(
    disk: Disk, root: Path
) -> None:
    await put(disk, root / "here", b"old")
    files = [
        (root / "parts" / "1", root / "new" / "a", b"first"),
        (root / "parts" / "2", root / "here", b"second"),
        (root / "parts" / "3", root / "new" / "b", b""),
    ]
    first, second, third = await disk.write_all_new(files)
    assert first is third is None
    assert isinstance(second, FileExists)
    assert await disk.read_bytes(root / "new" / "a") == b"first"
    assert await disk.read_bytes(root / "new" / "b") == b""
    assert await disk.read_bytes(root / "here") == b"old"
    # The part is left for another name.
    assert list(await disk.list(root / "parts")) == ["2"]
    await disk.write_new(root / "parts" / "2", root / "here (2)", b"second")
    assert await disk.read_bytes(root / "here (2)") == b"second"
    assert await disk.write_all_new([]) == []


@each_disk
async def test_a_file_above_the_limit_is_not_read(disk: Disk, root: Path) -> None:
    await put(disk, root / "x", b"12345")
    assert await disk.read_bytes(root / "x", limit=5) == b"12345"
    with pytest.raises(FileTooLarge, match="5 bytes, at most 4 were expected"):
        await disk.read_bytes(root / "x", limit=4)


@each_disk
async def test_free_space_and_file_system_are_known_for_paths_yet_to_come(disk: Disk, root: Path) -> None:
    assert await disk.free_space(root / "not" / "there") > 0
    assert await disk.same_filesystem(root, root / "not" / "there")


@each_disk
async def test_a_closed_file_reads_no_more(disk: Disk, root: Path) -> None:
    await put(disk, root / "x", b"x")
    file = await disk.open_read(root / "x")
    await file.close()
    with pytest.raises(DiskError):
        await file.read(0, 1)


@each_disk
async def test_many_pieces_of_work_at_once_do_not_mix(disk: Disk, root: Path) -> None:
    file = await disk.open_write(root / "x")
    await asyncio.gather(*(file.write(n * 1000, bytes([n]) * 1000) for n in range(50)))
    data = await file.read(0, 50_000)
    await file.close()
    assert data == b"".join(bytes([n]) * 1000 for n in range(50))


# -- what only one of them can show


def test_the_real_disk_reports_permissions(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        # Nothing is forbidden to root but what does not exist: /proc still says no.
        path = Path("/proc/version")
    else:
        path = tmp_path / "locked"
        path.write_bytes(b"")
        path.chmod(0o400)

    async def work() -> None:
        disk = RealDisk()
        with pytest.raises(DiskError):
            await put(disk, path, b"x")
        disk.close()

    asyncio.run(work())


def test_a_read_only_disk_is_not_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(NotAllowed, match="read-only file system"):
        asyncio.run(RealDisk().free_space(tmp_path / "not" / "there"))


def test_every_number_of_the_system_has_a_sentence() -> None:
    import errno

    for number, kind in {
        errno.ENOSPC: DiskFull,
        errno.EDQUOT: DiskFull,
        errno.EACCES: NotAllowed,
        errno.EROFS: NotAllowed,
        errno.EXDEV: OtherFilesystem,
        errno.ENOTEMPTY: FileExists,
        errno.EIO: DiskError,
    }.items():
        error = disk_error(OSError(number, os.strerror(number)), "/x/y")
        assert type(error) is kind
        assert "/x/y" in str(error)
        assert "\n" not in str(error)


@virtual
async def test_a_full_disk_takes_what_fits_and_says_so() -> None:
    disk = MemoryDisk("/d")
    disk.free = 10
    file = await disk.open_write(Path("/d/x"))
    await file.write(0, b"12345")
    with pytest.raises(DiskFull, match="no space left for /d/x: free some"):
        await file.write(5, b"6789012345")
    assert disk.content("/d/x") == b"1234567890"
    await file.write(0, b"over")
    with pytest.raises(DiskFull):
        await disk.write_atomic(Path("/d/y"), b"1")
    assert await disk.free_space(Path("/d")) == 0
    await disk.unlink(Path("/d/x"))
    assert disk.free == 10


@virtual
async def test_a_forbidden_folder_refuses_and_can_be_allowed_again() -> None:
    disk = MemoryDisk()
    disk.add("/share/song", b"la")
    disk.forbid("/share")
    with pytest.raises(NotAllowed, match="check its owner and permissions"):
        await disk.open_write(Path("/share/new"))
    with pytest.raises(NotAllowed):
        await disk.unlink(Path("/share/song"))
    assert await disk.read_bytes(Path("/share/song")) == b"la"
    disk.forbid("/share", "read")
    with pytest.raises(NotAllowed):
        await disk.open_read(Path("/share/song"))
    disk.allow("/share")
    await put(disk, Path("/share/new"), b"x")


@virtual
async def test_a_bad_sector_fails_reading_from_there_on() -> None:
    disk = MemoryDisk()
    disk.add("/song", b"x" * 100)
    disk.break_reading("/song", at=50)
    file = await disk.open_read(Path("/song"))
    assert await file.read(0, 50) == b"x" * 50
    with pytest.raises(DiskError, match="error"):
        await file.read(40, 20)


@virtual
async def test_a_drive_that_is_pulled_takes_its_files_along_and_brings_them_back() -> None:
    disk = MemoryDisk()
    disk.mount("/usb")
    disk.add("/usb/song", b"la")
    file = await disk.open_read(Path("/usb/song"))
    disk.unmount("/usb")
    with pytest.raises(FileMissing, match="whether the drive is connected"):
        await disk.stat(Path("/usb/song"))
    with pytest.raises(FileMissing):
        await file.read(0, 1)
    disk.remount("/usb")
    assert await file.read(0, 2) == b"la"


@virtual
async def test_a_rename_does_not_cross_file_systems() -> None:
    disk = MemoryDisk("/home")
    disk.mount("/usb")
    disk.add("/home/song", b"la")
    assert not await disk.same_filesystem(Path("/home/song"), Path("/usb/song"))
    with pytest.raises(OtherFilesystem, match="must be copied"):
        await disk.replace(Path("/home/song"), Path("/usb/song"))


@virtual
async def test_a_file_of_five_gigabytes_of_nothing_costs_nothing() -> None:
    disk = MemoryDisk("/d")
    size = 5 << 30
    disk.add("/d/big", size=size)
    big = await disk.open_read(Path("/d/big"))
    assert big.size == size
    copy = await disk.open_write(Path("/d/copy"))
    for start in range(0, size, 1 << 28):
        await copy.write(start, await big.read(start, 1 << 20))
    await copy.truncate(size)
    await copy.write(size - 3, b"end")
    assert (await disk.stat(Path("/d/copy"))).size == size
    assert disk.stored <= 1 << 17
    assert await copy.read(size - 4, 10) == b"\0end"


@virtual
async def test_a_power_cut_loses_what_was_not_synced() -> None:
    disk = MemoryDisk("/d")
    journal = await disk.open_append(Path("/d/journal"))
    await journal.append(b"safe\n")
    await journal.sync()
    await journal.append(b"lost\n")
    part = await disk.open_write(Path("/d/part"))
    await part.write(0, b"never synced")
    await disk.write_atomic(Path("/d/state"), b"atomic is safe")
    disk.power_cut()
    assert disk.content("/d/journal") == b"safe\n"
    assert disk.content("/d/part") == b""
    assert disk.content("/d/state") == b"atomic is safe"


@virtual
async def test_a_slow_disk_takes_virtual_time() -> None:
    disk = MemoryDisk(latency=0.5)
    disk.add("/x", b"x")
    assert await disk.read_bytes(Path("/x")) == b"x"
    assert asyncio.get_running_loop().time() == 1.0
    assert disk.operations == 2
    assert disk.files() == {"/x": 1}


def test_renaming_never_overwrites_on_a_file_system_without_hard_links_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    async def work() -> None:
        disk = RealDisk()
        await put(disk, tmp_path / "a", b"a")
        await put(disk, tmp_path / "b", b"b")
        with pytest.raises(FileExists):
            await disk.rename_new(tmp_path / "a", tmp_path / "b")
        await disk.rename_new(tmp_path / "a", tmp_path / "c")
        assert await disk.list(tmp_path) == ["b", "c"]
        disk.close()

    asyncio.run(work())


def test_a_system_that_takes_only_pieces_still_gets_and_gives_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread, pwrite, write = os.pread, os.pwrite, os.write
    monkeypatch.setattr(os, "pread", lambda fd, count, at: pread(fd, min(count, 3), at))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data)[:3], at))
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))

    async def work() -> None:
        disk = RealDisk()
        file = await disk.open_write(tmp_path / "x")
        await file.write(0, b"0123456789")
        assert await file.read(0, 100) == b"0123456789"
        assert await file.read(2, 5) == b"23456"
        await file.close()
        journal = await disk.open_append(tmp_path / "x")
        assert await journal.append(b"abcdefgh") == 18
        await journal.close()
        assert await disk.read_bytes(tmp_path / "x") == b"0123456789abcdefgh"
        disk.close()

    asyncio.run(work())


def test_a_small_file_is_written_whole_for_its_owner_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "note"
    write_whole(path, "first")
    assert path.read_text() == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    with no_room(), pytest.raises(DiskFull) as caught:
        write_whole(path, "second")
    assert caught.value.path == path
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("note", "first")]
    with pytest.raises(FileMissing):
        write_whole(tmp_path / "none" / "note", "x")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no file system of the kernel's own")
@real
async def test_a_place_where_nothing_can_be_made_is_not_called_full() -> None:
    disk = RealDisk()
    place = Path("/proc/soulmesh/downloads")
    assert await disk.free_space(place) > 1 << 60
    with pytest.raises(NotAllowed, match="nothing can be made there"):
        await disk.make_directory(place)
    [problem] = await disk.write_all_new([(place / "part", place / "song", b"x")])
    assert isinstance(problem, NotAllowed)
