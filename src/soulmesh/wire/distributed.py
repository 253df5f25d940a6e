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
    """Sign of life between parent and child.

    Sent by old clients, normally empty. ``ticket`` stands in the answers of Museek+ and Soulseek.NET
    and means nothing to anybody: leave it out.
    """

    ticket: Annotated[U32 | None, LATE] = None


@message(DISTRIBUTED, 1, status="obsolete")
class DistributedInit(Message):
    """What the oldest clients said first on a second connection, which they kept to the server.

    ``port`` is a second listening port. The other values were seen as 0, 0 and 1. Only aioslsk
    describes it.
    """

    unknown1: U32
    unknown2: U32
    unknown3: U8
    port: U32


@message(DISTRIBUTED, 3)
class DistributedSearchRequest(Message):
    """Somebody searches: travels from parents to children, down to the leaves of the tree.

    Every user on the way matches it against their shares, sends ``username`` a PeerSearchReply if
    something is found, and hands the frame to their children byte for byte. ``ticket`` is the searcher's.
    ``unknown`` is 49 from the official server: newer Nicotine+ drops other values, though Soulseek.NET
    writes 0 when it makes the message itself.
    """

    unknown: U32
    username: String
    ticket: U32
    query: String


@message(DISTRIBUTED, 4)
class DistributedBranchLevel(Message):
    """How far the sender is from the root: the receiver would be one further.

    Sent by a parent to each child that connects, and again when it changes. The root says 0 and may
    then leave out :class:`DistributedBranchRoot`, being the root itself. aioslsk and Museek+ read
    ``level`` unsigned; broken clients send -1: refuse what is negative.
    """

    level: I32


@message(DISTRIBUTED, 5)
class DistributedBranchRoot(Message):
    """The name of the root that the sender's branch hangs from.

    Sent after :class:`DistributedBranchLevel`, and again when it changes. The receiver reports it to
    the server in BranchRoot. An empty name makes the parent useless.
    """

    username: String


@message(DISTRIBUTED, 6, status="unverified")
class DistributedUnknown6(Message):
    """A number that Soulseek.NET reserves without saying for what. Skip it."""

    payload: Raw


@message(DISTRIBUTED, 7, status="obsolete")
class DistributedChildDepth(Message):
    """How many levels hang below the sender, told to the parent, who adds one and passes it on.

    Without effect today. A number, although one old description calls it text.
    """

    depth: U32


@message(DISTRIBUTED, 93, status="deprecated", code_width=4)
class DistributedServerSearchRequest(Message):
    """A ServerSearchRequest that a root passed to its children as the server had sent it.

    SoulseekQt did so until 2026. The frame is still the server's, so its code has four bytes in a
    family whose codes have one; old Nicotine+ wrote one byte, and both are read. The fields are those
    of ``to_client.ServerSearchRequest``. Pass the search on as :class:`DistributedSearchRequest`;
    never write this message.
    """

    distributed_code: U8
    unknown: Annotated[U32 | None, When("distributed_code", 3)] = None
    username: Annotated[String | None, When("distributed_code", 3)] = None
    ticket: Annotated[U32 | None, When("distributed_code", 3)] = None
    query: Annotated[String | None, When("distributed_code", 3)] = None
    payload: Annotated[Raw | None, When("distributed_code", 3, equal=False)] = None
