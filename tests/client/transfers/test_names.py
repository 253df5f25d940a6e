"""A disk that does not take a name gets the same name in a form that every system takes."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from soulmesh.net.disk import DiskError, RealDisk, disk_error
from tests.client.transfers.street import House, street
from tests.support.loops import virtual


class WindowsDisk(RealDisk):
    """Refuses names as file systems do that are made for Windows."""

    async def rename_new(self, source: Path, target: Path) -> None:
        _check(target)
        await super().rename_new(source, target)

    async def make_directory(self, path: Path) -> None:
        _check(path)
        await super().make_directory(path)

    async def write_all_new(
        self, files: Sequence[tuple[Path, Path, bytes | bytearray | memoryview]]
    ) -> Sequence[DiskError | None]:
        for _, target, _ in files:
            _check(target)
        return await super().write_all_new(files)


def _check(path: Path) -> None:
    if set('<>:"|?*').intersection(str(path)):
        raise disk_error(OSError(errno.EINVAL, "Invalid argument"), path)


async def gets(ann: House, eve: House, path: str, content: bytes) -> Path:
    """Where a file of eve's comes to lie, below ann's downloads."""
    transfer = await ann.transfers.download("eve", eve.share(path, content), None)
    await transfer.wait()
    assert transfer.local_path is not None
    assert transfer.local_path.read_bytes() == content
    return transfer.local_path.relative_to(ann.settings.downloads)


@virtual
async def test_names_stay_where_the_disk_takes_them_and_are_made_portable_where_not(tmp_path: Path) -> None:
    large = bytes(300_000)
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        assert await gets(ann, eve, r"Music\Who?\01: New.txt", b"new") == Path("Who?/01: New.txt")
        assert await gets(ann, eve, r"Music\Who?\02: New.bin", large) == Path("Who?/02: New.bin")
    async with street(tmp_path / "other") as there:
        there.disk = WindowsDisk()
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        assert await gets(ann, eve, r"Music\Who?\01: New.txt", b"new") == Path("Who_/01_ New.txt")
        assert await gets(ann, eve, r"Music\Who?\02: New.bin", large) == Path("Who_/02_ New.bin")


@virtual
async def test_a_whole_folder_as_well(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = WindowsDisk()
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        path = eve.share(r"Music\How?\01?.txt", b"how")
        batch = await ann.transfers.batches.make([("eve", path, 3)], name="How?", whole=True)
        await ann.transfers.batches.transfers(batch)[0].wait()
        await ann.transfers.batches.gathered(batch)
        assert batch.destination == str(ann.settings.downloads / "How_")
        assert (ann.settings.downloads / "How_" / "01_.txt").read_bytes() == b"how"
