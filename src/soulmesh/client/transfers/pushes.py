"""Files that others send without being asked.

flows.rst, "Uploads": a PeerUploadQueueNotification, then an offer like any
other. Whoever may push gets his file taken as a download of ours; everybody
else is told "Cancelled".
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from soulmesh.client.ports import Presence
from soulmesh.client.transfers.downloads import Downloads
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.outbox import Outbox
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.core.download import Download
from soulmesh.core.retry import CANCELLED
from soulmesh.wire import peer

__all__ = ["Pushes"]

log = logging.getLogger(__name__)

MOST_WAITING = 200
"""Pushed files of one user that may be under way; more are declined."""


class Pushes:
    """Decides who may send us what we did not ask for."""

    def __init__(
        self,
        ledger: Ledger,
        presence: Presence,
        downloads: Downloads,
        outbox: Outbox,
        settings: Callable[[], TransferSettings],
    ) -> None:
        self._ledger = ledger
        self._presence = presence
        self._downloads = downloads
        self._outbox = outbox
        self._settings = settings

    def announced(self, username: str, message: peer.PeerUploadQueueNotification) -> None:
        """PeerUploadQueueNotification. Later pushes come without it, so it decides nothing."""
        log.debug("%s announces a file that we did not ask for", username)

    def allowed(self, username: str) -> bool:
        """Whether a user may send us files unasked."""
        if self._presence.banned(username):
            return False
        who = self._settings().accept_pushes.strip()
        match who.lower():
            case "" | "nobody":
                return False
            case "everyone":
                return True
            case "friends":
                return self._presence.friend(username)
        return username in {name.strip() for name in who.split(",")}

    def offered(self, username: str, message: peer.PeerTransferRequest) -> None:
        """PeerTransferRequest with direction 1 for a file that we never asked for."""
        ledger = self._ledger
        under_way = len(ledger.of_user("download", username))
        if message.filesize is None or not self.allowed(username) or under_way >= MOST_WAITING:
            self._outbox.send(username, peer.PeerTransferReply(message.ticket, False, reason=CANCELLED))
            return
        machine = Download(size=message.filesize, policy=self._settings().retries)
        transfer = ledger.new(username, message.filename, machine)
        transfer.more["pushed"] = True
        ledger.record(transfer)
        ledger.apply(transfer, machine.offered(message.ticket, message.filesize, ledger.now()))
        self._downloads.entered(transfer)
