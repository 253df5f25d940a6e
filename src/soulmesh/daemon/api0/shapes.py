"""The bodies of ``/api/v0``: our values in the forms that slskd's consumers parse.

Names of fields, words of states and forms of times are theirs. What has no
value is left out; see :mod:`soulmesh.daemon.http.replies`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.retry import RetryClass, classify
from soulmesh.core.transfer import State
from soulmesh.daemon.http.call import guid
from soulmesh.daemon.http.replies import duration, form, instant, unzoned
from soulmesh.daemon.ports import Answer, Figures, File, Link, Member, Room, ShareRoot, Status
from soulmesh.net.names import shown_path
from soulmesh.wire.enums import FileAttribute
from soulmesh.wire.structs import DirectoryData, FileData

__all__ = [
    "directory_of",
    "response_form",
    "room_form",
    "room_user_form",
    "server_form",
    "share_form",
    "share_id",
    "shared_folder_form",
    "state_word",
    "status_form",
    "transfer_form",
]

ATTRIBUTES = {
    FileAttribute.BITRATE: "BitRate",
    FileAttribute.DURATION: "Length",
    FileAttribute.VBR: "VariableBitRate",
    FileAttribute.SAMPLE_RATE: "SampleRate",
    FileAttribute.BIT_DEPTH: "BitDepth",
}

_STATES = {
    State.PENDING: "Queued, Locally",
    State.ASKING: "Requested",
    State.OFFERED: "Initializing",
    State.CALLING: "Requested",
    State.LINKING: "Initializing",
    State.STARTING: "Initializing",
    State.RUNNING: "InProgress",
    State.DRAINING: "InProgress",
    State.SAVING: "InProgress",
    State.DELAYED: "Queued, Locally",
    State.OFFLINE: "Queued, Locally",
    State.NO_ROOM: "Queued, Locally",
    State.PAUSED: "Queued, Locally",
    State.FINISHED: "Completed, Succeeded",
    State.CANCELLED: "Completed, Cancelled",
}
_REFUSED = frozenset({RetryClass.PERSON, RetryClass.TOO_MANY, RetryClass.LATER})


def state_word(transfer: Transfer) -> str:
    """The state, in exactly the words that other programs compare."""
    state = transfer.state
    if state is State.QUEUED:
        return "Queued, Remotely" if transfer.is_download else "Queued, Locally"
    if state is State.FAILED:
        return failure_word(transfer.reason)
    return _STATES[state]


def failure_word(reason: str) -> str:
    """How a transfer that was given up ended."""
    lowered = reason.lower()
    if classify(reason) in _REFUSED:
        return "Completed, Rejected"
    if "timed out" in lowered or "in time" in lowered or "no answer" in lowered:
        return "Completed, TimedOut"
    return "Completed, Errored"


def directory_of(filename: str) -> str:
    """What stands before the last backslash, unchanged."""
    return filename.rpartition("\\")[0]


def transfer_form(
    transfer: Transfer,
    *,
    now: datetime,
    enqueued: datetime | None = None,
    next_attempt: datetime | None = None,
    place: int | None = None,
    removed: bool = False,
) -> dict[str, Any]:
    """One transfer."""
    size = transfer.size or 0
    done = min(transfer.done, size) if size else transfer.done
    over = transfer.over
    if transfer.finished:
        done = size
    elapsed = None
    if transfer.started is not None:
        elapsed = ((transfer.ended if over and transfer.ended else now) - transfer.started).total_seconds()
    speed = transfer.average_speed
    if not over and elapsed and done:
        speed = transfer.speed
    elif elapsed and elapsed < 1.0:
        # What is over in a moment is too short for the meter: no faster than the time that is told.
        speed = min(speed, done / elapsed)
    remaining: float | None = None
    if transfer.finished:
        remaining = 0.0
    elif transfer.state is State.RUNNING and speed > 0:
        remaining = (size - done) / speed
    # Of those that failed, the last one was not followed by a retry.
    retries = max(0, transfer.machine.attempts - (transfer.state is State.FAILED))
    reason = transfer.reason if transfer.state in (State.FAILED, State.DELAYED, State.OFFLINE) else ""
    return form(
        id=transfer.uuid,
        batchId=guid(transfer.batch),
        username=transfer.username,
        direction="Download" if transfer.is_download else "Upload",
        filename=transfer.remote_path,
        size=size,
        state=state_word(transfer),
        requestedAt=unzoned(transfer.added),
        enqueuedAt=unzoned(enqueued),
        startedAt=instant(transfer.started),
        endedAt=instant(transfer.ended) if over else None,
        bytesTransferred=done,
        bytesRemaining=max(0, size - done),
        averageSpeed=round(speed, 2) if speed else 0,
        percentComplete=round(100.0 * done / size, 4) if size else (100.0 if transfer.finished else 0),
        elapsedTime=duration(elapsed),
        remainingTime=duration(remaining),
        placeInQueue=place,
        exception=reason or None,
        attempts=retries,
        nextAttemptAt=unzoned(next_attempt),
        removed=removed,
    )


def _known(attributes: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """The attributes that a peer sent, by the names of the API."""
    found = dict(attributes)
    vbr = found.get(FileAttribute.VBR)
    return form(
        bitDepth=found.get(FileAttribute.BIT_DEPTH),
        bitRate=found.get(FileAttribute.BITRATE),
        isVariableBitRate=None if vbr is None else bool(vbr),
        length=found.get(FileAttribute.DURATION),
        sampleRate=found.get(FileAttribute.SAMPLE_RATE),
    )


def extension(name: str) -> str:
    """What follows the last dot of the last part, in lower case, without the dot."""
    stem, dot, ending = name.rpartition("\\")[2].rpartition(".")
    return ending.lower() if dot and stem else ""


def found_form(file: File, *, locked: bool) -> dict[str, Any]:
    """A file in an answer to a search: its name is the whole path."""
    return {
        **_known(file.attributes),
        "code": 1,
        "extension": extension(file.name),
        "filename": file.name,
        "size": file.size,
        "isLocked": locked,
    }


def response_form(answer: Answer, token: int) -> dict[str, Any]:
    """One user's answer to a search."""
    return {
        "fileCount": len(answer.files),
        "files": [found_form(file, locked=False) for file in answer.files],
        "hasFreeUploadSlot": answer.free_slot,
        "lockedFileCount": len(answer.locked),
        "lockedFiles": [found_form(file, locked=True) for file in answer.locked],
        "queueLength": answer.queue,
        "token": token,
        "uploadSpeed": answer.speed,
        "username": answer.username,
    }


def shared_file_form(entry: FileData) -> dict[str, Any]:
    """A file in a folder: its name is the last part alone."""
    attributes = [(a.key, a.value) for a in entry.attributes]
    named = [{"type": ATTRIBUTES[FileAttribute(k)], "value": v} for k, v in attributes if k in ATTRIBUTES]
    return {
        "attributeCount": len(named),
        "attributes": named,
        **_known(attributes),
        "code": 1,
        "extension": entry.extension or extension(entry.filename),
        "filename": entry.filename,
        "size": entry.filesize,
    }


def shared_folder_form(folder: DirectoryData) -> dict[str, Any]:
    """A folder: browsing, folder contents, our own shares."""
    return {
        "name": folder.name,
        "fileCount": len(folder.files),
        "files": [shared_file_form(entry) for entry in folder.files],
    }


def server_form(link: Link) -> dict[str, Any]:
    """The link to the Soulseek server."""
    connected = link.state.startswith("Connected")
    return form(
        address=link.host,
        ipEndPoint=link.address,
        state=link.state,
        isConnected=connected,
        isConnecting="Connecting" in link.state.split(", "),
        isLoggedIn="LoggedIn" in link.state,
        isLoggingIn="LoggingIn" in link.state,
        isTransitioning=link.state not in ("Disconnected", "Connected, LoggedIn"),
    )


def status_form(status: Status) -> dict[str, Any]:
    """Whether somebody is there."""
    return {"isPrivileged": status.privileged, "presence": status.presence}


def figures_form(figures: Figures) -> dict[str, Any]:
    """What the server counts about somebody."""
    return {
        "averageSpeed": figures.speed,
        "directoryCount": figures.folders,
        "fileCount": figures.files,
        "uploadCount": figures.uploads,
    }


def room_user_form(member: Member, ourselves: str | None) -> dict[str, Any]:
    """A user in a room."""
    return form(
        **figures_form(member.figures),
        countryCode=member.country,
        self=True if member.username == ourselves else None,
        slotsFree=member.free_slots,
        status=member.presence,
        username=member.username,
    )


def room_form(room: Room, messages: Sequence[dict[str, Any]], ourselves: str | None) -> dict[str, Any]:
    """A room that we are in."""
    return form(
        name=room.name,
        isPrivate=room.private,
        owner=room.owner if room.private else None,
        operatorCount=len(room.operators) if room.private else None,
        operators=room.operators if room.private else None,
        users=[room_user_form(member, ourselves) for member in room.members],
        messages=list(messages),
    )


def share_id(remote_path: str) -> str:
    """The id of a share: made of its remote name."""
    return hashlib.sha1(remote_path.encode(), usedforsecurity=False).hexdigest().upper()


def share_form(root: ShareRoot) -> dict[str, Any]:
    """A shared folder."""
    return form(
        id=share_id(root.alias),
        alias=root.alias,
        isExcluded=root.excluded,
        localPath=shown_path(root.local_path),
        raw=root.raw or shown_path(root.local_path),
        remotePath=root.alias,
        directories=root.folders,
        files=root.files,
    )
