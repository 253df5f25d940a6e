"""The target of the fuzzer holds for its own seeds, and for all that ever broke it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.fuzz.run import CRASHES, write_seeds
from tests.fuzz.target import WAYS, try_bytes

KEPT = sorted(p for p in CRASHES.glob("*") if p.is_file()) if CRASHES.is_dir() else []


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    count = write_seeds(folder)
    found = [path.read_bytes() for path in sorted(folder.iterdir())]
    assert len(found) == count
    return found


def test_there_are_seeds_for_every_way_to_take_bytes(seeds: list[bytes]) -> None:
    ways = Counter(seed[0] for seed in seeds)
    assert set(ways) == set(range(len(WAYS)))
    assert len(seeds) > 1900


def test_every_seed_holds(seeds: list[bytes]) -> None:
    for seed in seeds:
        try_bytes(seed)


def test_seeds_with_a_few_bytes_changed_hold(seeds: list[bytes]) -> None:
    chance = random.Random(11)
    for seed in chance.sample(seeds, 600):
        data = bytearray(seed)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(1, len(data))] = chance.choice((0, 1, 127, 128, 255))
        try_bytes(bytes(data))


def test_bytes_that_once_broke_something_hold_now() -> None:
    for file in KEPT:
        try_bytes(file.read_bytes())
