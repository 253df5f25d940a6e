"""What we share: scanned, indexed, searched, browsed.

:class:`Shares` is the door. A map of what is behind it:

==============  =================================================================
``service``     :class:`Shares`: search, browse, locate, scan, on the event loop
``contents``    the roots, the index and the counts now, kept in step with the store
``views``       who may see what of them
``searching``   answers to searches; ``lists`` those to browsing; ``locating`` files that others ask for
``model``       roots, audiences, rules; ``circle`` is who is a friend, ``doubts`` what is asked before
                a root is saved, ``explain`` why a file is offered, to whom, and why not
``index``       search over base, delta and what is gone, within a bounded effort
``base``        the mapped file: postings, unions, packed entries; ``build`` writes it
``delta``       files added since
``store``       the SQLite file, source of truth; ``generation`` makes a base from it;
                ``kept`` has the roots a second time, for ``rescue`` when it is damaged;
                ``aside`` makes room where a folder is in the place of one of these files
``walk``        what is on the disk; ``audio`` reads attributes, ``readers`` in a pool;
                ``chunks`` knows some kinds better, ``unreadable`` says what is wrong with a file
``scan``        disk to store to index, root by root in ``compare``; ``worker`` is the process that does it,
                started and followed by ``child``
``listed``      shares that are exactly a list of folders, for a program
``browse``      browse replies, compressed root by root and kept
==============  =================================================================
"""

from __future__ import annotations

from soulmesh.client.shares.circle import Circle
from soulmesh.client.shares.keeper import Keeper, KeeperSettings
from soulmesh.client.shares.model import Access, Audience, Named, NotShared, Root, RootRefused, Symlinks
from soulmesh.client.shares.scan import Progress, RootOutcome, ScanBusy, ScanCancelled, ScanOutcome
from soulmesh.client.shares.service import ScanFailed, SearchFigures, Shares, ShareSettings

__all__ = [
    "Access",
    "Audience",
    "Circle",
    "Keeper",
    "KeeperSettings",
    "Named",
    "NotShared",
    "Progress",
    "Root",
    "RootOutcome",
    "RootRefused",
    "ScanBusy",
    "ScanCancelled",
    "ScanFailed",
    "ScanOutcome",
    "SearchFigures",
    "ShareSettings",
    "Shares",
    "Symlinks",
]
