"""What travels over ``/api/v1``. Sizes are bytes, speeds bytes per second, times ISO 8601 in UTC."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from soulmesh.daemon.api1.operations import Body, Page, Part, Query
from soulmesh.wire import text

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
RemotePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Precedence = Annotated[int, Field(ge=-1000, le=1000)]
"""Higher goes first among the downloads from one user that wait for their turn."""


class Status(BaseModel):
    """The whole of it at a glance."""

    version: str
    username: str | None
    logged_in: bool
    link: str
    problem: str | None
    """Why we are not logged in."""
    problem_code: str
    """What that says, whatever the language."""
    next_attempt: str | None
    server: str
    listen_port: int
    parent: str | None
    level: int
    children: list[str]
    searches_per_second: float
    shared_files: int
    shared_folders: int
    scanning: bool
    scan_progress: float
    running_downloads: int
    running_uploads: int
    privileged_seconds: int
    last_event: str


class Pace(BaseModel):
    """How often something may be asked."""

    subject: str
    count: int
    seconds: float
    wait: float
    """Seconds that the next request would wait."""


class Paces(BaseModel):
    """The governor."""

    items: list[Pace]
    next: str | None = None


class Account(Body):
    """Who to be on the network."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=r"^[ -~]+$")]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Settings(BaseModel):
    """All settings as they are, secrets masked."""

    items: dict[str, Any]


class NewSearch(Body):
    """A search to begin."""

    text: Annotated[str, StringConstraints(max_length=1000)]
    """At least three characters, and a word that is wanted."""
    silence: Annotated[float, Field(ge=0.005, le=86400)] = 15.0
    """Seconds without an answer after which it ends."""
    response_limit: Annotated[int, Field(ge=1, le=100_000)] = 250
    file_limit: Annotated[int, Field(ge=1, le=1_000_000)] = 25_000
    username: Name | None = None
    """Ask this user alone."""
    room: Name | None = None
    """Ask the users of this room alone."""


class Withheld(BaseModel):
    """What answered a search and is not among its results, and why."""

    rules: dict[str, int]
    """Files of answers that only echo the query, by rule: ``same size`` for several names that are all of one
    size, ``echo`` for names that are made of the query."""
    filtered: int
    """Files of answers that the search's own limits (of ``/api/v0``) did not let pass."""
    blocked: int
    """Files of users that are banned."""
    turned_away: int
    """Banned users who wanted to connect meanwhile: most have an answer, which never comes."""
    cut: int
    """Answers that were dropped because too many waited to be read."""
    unreadable: int
    """Answers that could not be read."""
    unreached: int
    """Users who found something and could not connect to us (as far as they say so)."""


class Search(BaseModel):
    """A search."""

    id: str
    text: str
    state: str
    complete: bool
    responses: int
    files: int
    locked_files: int
    started: str
    ended: str | None = None
    withheld: Withheld


class Searches(BaseModel):
    """Searches, oldest first."""

    items: list[Search]
    next: str | None = None


class Results(BaseModel):
    """Answers to a search: one per user, in the order in which they came."""

    items: list[Any]
    total: int
    next: str | None = None


class Wanted(Body):
    """A file to download."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    size: Annotated[int, Field(ge=0, lt=1 << 62)] | None = None
    """Bytes; left out where nobody has told them yet."""
    length: Annotated[int, Field(ge=0, lt=1 << 32)] | None = None
    """Seconds, as a search told them: what takes over from another user must be as long."""
    latin1: bool = False
    """Whether the bytes of the name are Latin-1, not UTF-8; what was shown here before is known without."""

    @model_validator(mode="after")
    def _has_such_bytes(self) -> Self:
        _written(self.path, self.latin1)
        return self

    @property
    def name(self) -> str:
        """The path with the bytes in which it is asked for."""
        return _written(self.path, self.latin1)


def _written(path: str, latin1: bool) -> str:
    if not latin1:
        return path
    try:
        return text(path.encode("latin-1"))
    except UnicodeEncodeError:
        raise ValueError(f"{path} cannot be written in Latin-1") from None


class NewDownload(Body):
    """Files of one user to download."""

    username: Name
    files: Annotated[list[Wanted], Field(min_length=1, max_length=50_000)]
    destination: Annotated[str, StringConstraints(max_length=1000)] | None = None
    """A folder below the downloads, for all of them."""
    priority: Precedence = 0


class NewUpload(Body):
    """Files of ours that a user is offered, who did not ask."""

    username: Name
    paths: Annotated[list[RemotePath], Field(min_length=1, max_length=1000)]
    """Remote paths, as others see them."""


class Refused(BaseModel):
    """A file that was not taken."""

    path: str
    reason: str


class Downloads(BaseModel):
    """What became of the wish."""

    taken: list[str]
    """Ids of transfers."""
    refused: list[Refused]


class Transfer(BaseModel):
    """A download or an upload."""

    id: str
    number: int | None
    """What commands call it; nothing once the client has forgotten it."""
    direction: Literal["download", "upload"]
    username: str
    path: str
    size: int | None
    done: int
    state: str
    reason: str = ""
    """Why it waits or failed: the words of the other side, of the system or of ours."""
    reason_code: str = ""
    """What they say, whatever the language: ``banned``, ``unreachable``; ``other`` for what a stranger made
    up."""
    place: int | None = None
    speed: float = 0.0
    seconds_left: float | None = None
    attempts: int = 0
    added: str
    started: str | None = None
    ended: str | None = None
    batch: str | None = None
    local_path: str | None = None
    priority: int = 0


class Direction(Query):
    """Which way; both if not given."""

    direction: Literal["download", "upload"] | None = None


class WantedFolder(Body):
    """A folder of a user to download, with all below it."""

    username: Name
    folder: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    latin1: bool = False
    """Whether the bytes of the folder's name are Latin-1, not UTF-8."""
    destination: Annotated[str, StringConstraints(max_length=1000)] | None = None
    """A folder below the downloads."""
    whole: bool = False
    """Let it appear only when it is complete."""
    may_miss: Annotated[
        list[Annotated[str, StringConstraints(max_length=16)]], Field(default_factory=list, max_length=50)
    ]
    """Kinds of files that a whole folder can do without: ``jpg``, ``txt``."""
    priority: Precedence = 0

    @model_validator(mode="after")
    def _has_such_bytes(self) -> Self:
        _written(self.folder, self.latin1)
        return self

    @property
    def name(self) -> str:
        """The folder with the bytes in which it is asked for."""
        return _written(self.folder, self.latin1)


class FolderTaken(BaseModel):
    """A folder that is being downloaded."""

    batch: str
    taken: list[str]
    """Ids of transfers."""


class Priority(Body):
    """Which goes first."""

    priority: Precedence


class Action(Body):
    """Something to do with many transfers."""

    action: Literal["pause", "resume", "retry", "cancel", "remove"]
    ids: Annotated[list[Line], Field(min_length=1, max_length=10_000)]


class NotDone(BaseModel):
    """A transfer with which it could not be done."""

    id: str
    reason: str


class Acted(BaseModel):
    """With which transfers it was done."""

    done: list[str]
    refused: list[NotDone]


class Transfers(BaseModel):
    """Transfers; ``next`` is the cursor of the following page."""

    items: list[Transfer]
    next: str | None = None


class TransferPage(Page):
    """Which transfers."""

    direction: Literal["download", "upload"] | None = None


class RuleTrial(Body):
    """Rules of the upload queue to be tried; nothing changes."""

    rules: dict[str, Any]
    """Keys of the section ``[transfers]`` of the settings; the others stay as they are."""
    days: Annotated[float, Field(gt=0, le=7)] = 7.0


class Lot(BaseModel):
    """How a user would have fared. Waits in seconds."""

    username: str
    group: str
    files: int
    served: int
    waiting: int
    refused: dict[str, int]
    """How often, by the words of the refusal."""
    usual_wait: float
    longest_wait: float


class Trial(BaseModel):
    """What the rules would have done, those who fare worst first."""

    items: list[Lot]
    requests: int
    refused: int
    begin: str | None
    end: str | None


class Step(BaseModel):
    """Something that happened to a transfer."""

    at: str
    code: str
    """``download.happened.put_off``."""
    params: dict[str, str | int]


class Story(BaseModel):
    """Why a transfer is where it is."""

    now: str
    past: list[str]
    code: str
    """What ``now`` says, whatever the language: ``download.delayed``."""
    params: dict[str, str | int]
    """What stands in it: ``user``, ``place``, ``done``, ``size``, ``attempt``, ``reason``,
    ``reason_code``."""
    until: str | None = None
    """When something happens by itself."""
    steps: list[Step]
    """What each line of ``past`` says."""


class User(BaseModel):
    """What we know of a user."""

    username: str
    presence: str
    privileged: bool
    friend: bool
    banned: bool
    watched: bool
    note: str
    downloaded: int
    uploaded: int
    speed: int | None
    uploads: int | None
    files: int | None
    folders: int | None
    country: str
    last_seen: str | None
    past_speed: float | None
    """Bytes per second of past downloads from there."""
    failures: int
    """Downloads that failed since the last one that did not."""


class Note(Body):
    """A note about a user; empty text takes it away."""

    text: Annotated[str, StringConstraints(max_length=4096)]


class Info(BaseModel):
    """What a user says of itself."""

    description: str
    picture: str | None
    """Base64."""
    free_slot: bool
    queue: int
    slots: int


class FolderEntry(BaseModel):
    """One folder of a user."""

    name: str
    files: int
    size: int
    locked: bool


class Folders(BaseModel):
    """Folders of a user, as far as they have come."""

    items: list[FolderEntry]
    folders: int
    files: int
    complete: bool
    next: str | None = None


class FileEntry(BaseModel):
    """A file of a user."""

    path: str
    size: int
    bitrate: int | None = None
    length: int | None = None
    sample_rate: int | None = None
    bit_depth: int | None = None


class Files(BaseModel):
    """Files of a user."""

    items: list[FileEntry]
    next: str | None = None


class OneFolder(Part):
    """Which folder."""

    folder: str


class Words(Query):
    """What to look for."""

    words: str
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Where to begin, instead of a cursor."""
    cursor: str | None = None
    limit: int = 500


class SayToMany(Body):
    """Something to say to several users at once."""

    usernames: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    """Only those who watch us get it."""
    text: Line


class GivingUp(Query):
    """What becomes of what is here."""

    keep_part: bool = False
    """Leave the unfinished file on the disk."""


class Say(Body):
    """Something to say."""

    text: Line


class NewWish(Body):
    """Something to be searched for again and again."""

    query: Annotated[str, StringConstraints(max_length=256)]
    """At least three characters, and a word that is wanted."""
    filter: Annotated[str, StringConstraints(max_length=1000)] = ""
    download: Literal["", "once", "best"] = ""
    """Download the first hit, or the best of a round, and search no more once it is here."""


class WishQuery(Query):
    """Which wish."""

    query: str


class Wish(BaseModel):
    """A wish."""

    query: str
    filter: str
    last_sent: str
    found: int
    download: str
    goal: str | None
    """The goal that downloads what was found."""
    fulfilled: bool


class Wishes(BaseModel):
    """All wishes."""

    items: list[Wish]
    next: str | None = None
    interval: float
    """Seconds from one to the next, as the server wants it."""


class Finding(BaseModel):
    """One thing that was looked at."""

    subject: str
    state: Literal["good", "warning", "bad", "unknown"]
    found: str
    """How it is; when it is not good, why."""
    cure: str
    """What can be done."""
    code: str
    """What both say, whatever the language: ``port.unreachable``."""
    params: dict[str, str | int | float]
    """What stands in them."""


class Diagnosis(BaseModel):
    """What the doctor found."""

    items: list[Finding]


class LogLine(BaseModel):
    """One line of the log."""

    number: int
    """Counts from the start of the daemon; an event ``log.line`` has it too."""
    timestamp: str
    context: str
    subContext: str | None = None
    level: str
    message: str


class Log(BaseModel):
    """Lines of the log."""

    items: list[LogLine]
    next: str | None = None


class Deliveries(BaseModel):
    """What webhooks and scripts have not been told yet."""

    items: list[Any]
    delivered: int
    failed: int
    waiting: int
    """How many wait in all."""
    next: str | None = None


class Statistics(BaseModel):
    """Numbers by name."""

    items: dict[str, float]


class Credentials(Body):
    """A login."""

    username: str
    password: str


class Session(BaseModel):
    """A token for the header ``Authorization: Bearer``."""

    token: str
    name: str
    expires: int
