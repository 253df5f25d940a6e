"""Nicotine+ as one side of benchmarks/transfers.py: FOLDER NAME SERVER PORT MUSIC.

Started as a script it writes its settings and itself as a plugin, and becomes Nicotine+.
"""

from __future__ import annotations

import json
import os
import sys

try:
    from pynicotine.core import core
    from pynicotine.events import events
    from pynicotine.pluginsystem import BasePlugin
except ImportError:
    sys.exit("Nicotine+ is not installed")

FOLDER = "THE_FOLDER"
CONFIG = """\
[server]
server = ('127.0.0.1', {server})
login = {name}
passw = secret
portrange = ({port}, {port})
upnp = False
auto_connect_startup = True
[transfers]
shared = {shared}
downloaddir = {folder}/downloads
incompletedir = {folder}/incomplete
rescanonstartup = True
useupslots = True
uploadslots = 30
filelimit = 1000000
queuelimit = 1000000
[plugins]
enable = True
enabled = ['drive']
"""


class Plugin(BasePlugin):
    def init(self) -> None:
        self.up = {"server-login", "shares-ready"}
        self.gone = False
        events.connect("server-login", lambda msg: self.ready("server-login"))
        events.connect("shares-ready", lambda *_: self.ready("shares-ready"))
        events.schedule(delay=0.05, callback=self.look, repeat=True)

    def ready(self, what: str) -> None:
        self.up.discard(what)
        if not self.up:
            open(os.path.join(FOLDER, "ready"), "w").close()

    def look(self) -> None:
        path = os.path.join(FOLDER, "go")
        if self.gone or not os.path.exists(path):
            return
        self.gone = True
        with open(path) as file:
            for user, name, size in json.load(file):
                core.downloads.enqueue_download(user, name, size=size)

    def download_finished_notification(self, *_: object) -> None:
        with open(os.path.join(FOLDER, "done"), "ab") as file:
            file.write(b".")


def main() -> None:
    folder, name, server, port, music = sys.argv[1:]
    plugin = os.path.join(folder, "data", "plugins", "drive")
    os.makedirs(plugin)
    with open(os.path.join(plugin, "PLUGININFO"), "w") as file:
        file.write("Version = '1'\nName = 'Drive'\nDescription = ''\nAuthors = []\n")
    with open(__file__) as source, open(os.path.join(plugin, "__init__.py"), "w") as file:
        file.write(source.read().replace('"THE_FOLDER"', repr(folder), 1))
    shared = [("music", music)] if music else []
    with open(os.path.join(folder, "config"), "w") as file:
        file.write(CONFIG.format(server=server, name=name, port=port, shared=shared, folder=folder))
    names = [rf"music\{entry}" for entry in sorted(os.listdir(music))] if music else []
    with open(os.path.join(folder, "shared.json"), "w") as file:
        json.dump(names, file)
    arguments = ["--headless", "--isolated", "--bindip", "127.0.0.1"]
    arguments += ["--config", os.path.join(folder, "config"), "--user-data", os.path.join(folder, "data")]
    os.execv(sys.executable, [sys.executable, "-m", "pynicotine", *arguments])


if __name__ == "__main__":
    main()
