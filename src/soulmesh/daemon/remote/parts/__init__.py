"""The operations of ``/api/v1`` by subject, as methods.

Each returns what the API answers, as it came: dictionaries, lists of them, or nothing. Lists
that come in pages are asynchronous iterators over all items. Sizes are bytes, speeds bytes per
second, times ISO 8601 in UTC. All raise as :meth:`soulmesh.daemon.remote.Daemon.ask` does.
"""

from __future__ import annotations

from soulmesh.daemon.remote.parts.keeping import Settings, Shares
from soulmesh.daemon.remote.parts.people import Interests, Users
from soulmesh.daemon.remote.parts.searching import Filters, Searches, Wishes
from soulmesh.daemon.remote.parts.talking import Chat, Rooms
from soulmesh.daemon.remote.parts.transferring import Batches, Goals, Transfers

__all__ = [
    "Batches",
    "Chat",
    "Filters",
    "Goals",
    "Interests",
    "Rooms",
    "Searches",
    "Settings",
    "Shares",
    "Transfers",
    "Users",
    "Wishes",
]
