"""A plugin of Nicotine+ that obeys commands from a file and tells in another what happens.

Runs inside of Nicotine+, in the interpreter that it is installed in; THE_FOLDER and ANNOUNCED are filled in.
"""

import json
import os

from pynicotine.core import core
from pynicotine.events import events
from pynicotine.pluginsystem import BasePlugin
from pynicotine.slskmessages import SetWaitPort

FOLDER = "THE_FOLDER"
ANNOUNCED = 0  # A wrong port to tell the server: nobody reaches us. 0: the right one.


class Plugin(BasePlugin):
    def init(self):
        # What was asked of a former run is not done again.
        self.done = int(os.environ.get("COMMANDS_DONE", "0"))
        for name, handler in (
            ("server-login", self.on_login),
            ("shares-ready", lambda *args: self.tell("shares")),
            ("file-search-response", self.on_results),
            ("shared-file-list-response", self.on_shares),
            ("user-info-response", self.on_info),
            ("join-room", lambda msg: self.tell("joined", room=msg.room)),
        ):
            events.connect(name, handler)
        events.schedule(delay=0.1, callback=self.look, repeat=True)

    def tell(self, event, **facts):
        with open(os.path.join(FOLDER, "events.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **facts}) + "\n")

    def look(self):
        try:
            with open(os.path.join(FOLDER, "commands.jsonl"), encoding="utf-8") as file:
                lines = file.read().split("\n")[:-1]
        except FileNotFoundError:
            return
        for line in lines[self.done :]:
            self.done += 1
            command = json.loads(line)
            getattr(self, "do_" + command.pop("do"))(**command)

    def do_search(self, query):
        core.search.do_search(query, "global")

    def do_browse(self, user):
        core.userbrowse.browse_user(user, new_request=True)

    def do_info(self, user):
        core.userinfo.show_user(user, refresh=True)

    def do_message(self, user, text):
        core.privatechat.show_user(user)
        core.privatechat.send_message(user, text)

    def do_join(self, room):
        core.chatrooms.show_room(room)

    def do_say(self, room, text):
        core.chatrooms.send_message(room, text)

    def do_folder(self, user, path):
        core.downloads.enqueue_folder(user, path)

    def do_download(self, user, path, size):
        known = core.downloads.transfers.get(user + path)
        if known is not None:
            core.downloads.retry_download(known)
        else:
            core.downloads.enqueue_download(user, path, size=size)

    def download_finished_notification(self, user, virtual_path, real_path):
        self.tell("downloaded", user=user, path=virtual_path, local=real_path)

    def on_login(self, msg):
        if msg.success:
            if ANNOUNCED:
                core.send_message_to_server(SetWaitPort(ANNOUNCED))
            self.tell("login")

    def on_results(self, msg):
        for file in msg.list or ():
            self.tell("result", user=msg.username, path=file[1], size=file[2])

    def on_shares(self, msg):
        for folder, files in msg.list or ():
            for file in files:
                self.tell("shared", user=msg.username, folder=folder, name=file[1], size=file[2])

    def on_info(self, msg):
        self.tell("info", user=msg.username, text=msg.descr)

    def incoming_private_chat_notification(self, user, line):
        self.tell("message", user=user, text=line)

    def incoming_public_chat_notification(self, room, user, line):
        self.tell("said", room=room, user=user, text=line)
