"""The scenes of flows.rst are played twice: in memory, and over real sockets."""

from __future__ import annotations

import pytest

from tests.client import stage

FLOWS = {
    "test_slice",
    "test_links",
    "test_searching",
    "test_people",
    "test_private_rooms",
    "test_tree_links",
    "test_transfer_links",
    "test_server_link",
    "test_hostile_peers",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of those modules has a twin on real sockets, unless it is marked ``in_memory``."""
    flows = metafunc.module.__name__.rpartition(".")[2] in FLOWS
    if flows and not list(metafunc.definition.iter_markers("in_memory")):
        metafunc.fixturenames.append("_ground")
        metafunc.parametrize("_ground", ["memory", "sockets"], indirect=True)


@pytest.fixture
def _ground(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "ground", request.param)
