"""A running daemon, from Python and from the commands: an asynchronous client of ``/api/v1``."""

from soulmesh.daemon.remote.link import (
    PLACE_FILE,
    Daemon,
    DaemonCannot,
    DaemonRefused,
    DaemonUnreachable,
    NotThere,
    Place,
    RequestRefused,
    Told,
    find,
)

__all__ = [
    "PLACE_FILE",
    "Daemon",
    "DaemonCannot",
    "DaemonRefused",
    "DaemonUnreachable",
    "NotThere",
    "Place",
    "RequestRefused",
    "Told",
    "find",
]
