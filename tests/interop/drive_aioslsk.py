"""A client of aioslsk that obeys commands from a file and tells in another what happens.

Runs in the interpreter that aioslsk is installed in: FOLDER NAME SERVER-PORT MUSIC PORT
ANNOUNCED-PORT UPLOAD-LIMIT (0: the right port, no limit; the limit in kB/s).
"""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from aioslsk import commands as ask
from aioslsk import events
from aioslsk.client import SoulSeekClient
from aioslsk.settings import CredentialsSettings, Settings, SharedDirectorySettingEntry, SharesSettings
from aioslsk.transfer.state import TransferState

folder, name, music = Path(sys.argv[1]), sys.argv[2], sys.argv[4]
server, port, announced, limit = (int(sys.argv[place]) for place in (3, 5, 6, 7))


def tell(event, **facts):
    with open(folder / "events.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **facts}) + "\n")


async def obey(client, command):
    try:
        await do(client, command)
    except Exception as error:
        logging.exception("a command failed")
        tell("failed", reason=repr(error), **command)


async def do(client, command):
    do = command["do"]
    user = command.get("user")
    if do == "search":
        await client.searches.search(command["query"])
    elif do == "browse":
        listed, _locked = await client(ask.PeerGetSharesCommand(user), response=True)
        for directory in listed:
            for file in directory.files:
                tell("shared", user=user, folder=directory.name, name=file.filename, size=file.filesize)
    elif do == "info":
        found = await client(ask.PeerGetUserInfoCommand(user), response=True)
        tell("info", user=user, text=found.description)
    elif do == "message":
        await client(ask.PrivateMessageCommand(user, command["text"]))
    elif do == "join":
        await client(ask.JoinRoomCommand(command["room"]), response=True)
        tell("joined", room=command["room"])
    elif do == "say":
        await client(ask.RoomMessageCommand(command["room"], command["text"]))
    elif do == "download":
        await download(client, user, command["path"])
    elif do == "folder":
        # aioslsk 1.7.1 has no download of folders: its user asks for the content, then for each file.
        # (It cannot wait for this answer itself: it expects the ticket before it has chosen one.)
        await client(ask.PeerGetDirectoryContentCommand(user, command["path"]))


async def download(client, user, path):
    transfer = await client.transfers.download(user, path)
    while transfer.state.VALUE != TransferState.State.COMPLETE:
        if transfer.state.VALUE == TransferState.State.FAILED:
            # aioslsk 1.7.1 takes a connection that ends in good order too early for a refusal,
            # and goes on only when its user says so.
            await client.transfers.queue(transfer)
        await asyncio.sleep(0.1)
    tell("downloaded", user=user, path=path, local=transfer.local_path)


async def main():
    logging.basicConfig(level=logging.INFO)
    settings = Settings(
        credentials=CredentialsSettings(username=name, password="secret"),
        shares=SharesSettings(
            scan_on_start=True,
            download=str(folder / "downloads"),
            directories=[SharedDirectorySettingEntry(path=music)],
        ),
    )
    settings.credentials.info.description = "I am aioslsk."
    settings.network.server.hostname, settings.network.server.port = "127.0.0.1", server
    settings.network.listening.port, settings.network.listening.obfuscated_port = port, port + 1
    settings.network.upnp.enabled = False
    settings.network.limits.upload_speed_kbps = limit
    client = SoulSeekClient(settings)
    if announced:
        client.network.get_listening_ports = lambda: (announced, 0)

    async def on_scanned(event):
        tell("shares")

    async def on_result(event):
        for file in event.result.shared_items:
            tell("result", user=event.result.username, path=file.filename, size=file.filesize)

    async def on_message(event):
        tell("message", user=event.message.user.name, text=event.message.message)

    async def on_room(event):
        tell("said", room=event.message.room.name, user=event.message.user.name, text=event.message.message)

    fetching = []

    async def on_directory(event):
        for directory in event.directories:
            paths = [directory.name + "\\" + file.filename for file in directory.files]
            fetching.extend(asyncio.create_task(download(client, event.user.name, path)) for path in paths)

    client.events.register(events.UserDirectoryEvent, on_directory)
    client.events.register(events.ScanCompleteEvent, on_scanned)
    client.events.register(events.SearchResultEvent, on_result)
    client.events.register(events.PrivateMessageEvent, on_message)
    client.events.register(events.RoomMessageEvent, on_room)
    (folder / "downloads").mkdir(exist_ok=True)
    await client.start()
    await client.login()
    tell("login")
    running = []
    # What was asked of a former run is not done again.
    done = int(os.environ.get("COMMANDS_DONE", "0"))
    while True:
        path = folder / "commands.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        running += [asyncio.create_task(obey(client, json.loads(line))) for line in lines[done:]]
        done = len(lines)
        await asyncio.sleep(0.1)


asyncio.run(main())
