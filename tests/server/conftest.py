"""Databases for the tests of the server, started once for all that need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import Postgres, postgres_running, redis_running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_running() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_running() as url:
        yield url
