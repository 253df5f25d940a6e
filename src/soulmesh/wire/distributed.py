"""What travels on a D connection, along the search distribution tree."""

from __future__ import annotations

from typing import Annotated

from soulmesh.wire.message import DISTRIBUTED, Message, message
from soulmesh.wire.types import I32, LATE, U8, U32, Raw, String, When

__all__ = [
    "DistributedBranchLevel",
    "DistributedBranchRoot",
    "DistributedChildDepth",
    "DistributedInit",
    "DistributedPing",
    "DistributedSearchRequest",
    "DistributedServerSearchRequest",
    "DistributedUnknown6",
]


@message(DISTRIBUTED, 0, status="deprecated")
class DistributedPing(Message):
    """TODO."""

    ticket: Annotated[U32 | None, LATE] = None


@message(DISTRIBUTED, 1, status="obsolete")
class DistributedInit(Message):
    """TODO."""

    unknown1: U32
    unknown2: U32
    unknown3: U8
    port: U32


@message(DISTRIBUTED, 3)
class DistributedSearchRequest(Message):
    """TODO."""

    unknown: U32
    username: String
    ticket: U32
    query: String


@message(DISTRIBUTED, 4)
class DistributedBranchLevel(Message):
    """TODO."""

    level: I32


@message(DISTRIBUTED, 5)
class DistributedBranchRoot(Message):
    """TODO."""

    username: String


@message(DISTRIBUTED, 6, status="unverified")
class DistributedUnknown6(Message):
    """TODO."""

    payload: Raw


@message(DISTRIBUTED, 7, status="obsolete")
class DistributedChildDepth(Message):
    """TODO."""

    depth: U32


@message(DISTRIBUTED, 93, status="deprecated", code_width=4)
class DistributedServerSearchRequest(Message):
    """TODO."""

    distributed_code: U8
    unknown: Annotated[U32 | None, When("distributed_code", 3)] = None
    username: Annotated[String | None, When("distributed_code", 3)] = None
    ticket: Annotated[U32 | None, When("distributed_code", 3)] = None
    query: Annotated[String | None, When("distributed_code", 3)] = None
    payload: Annotated[Raw | None, When("distributed_code", 3, equal=False)] = None
