"""Run a command in a terminal of its own and draw what it left on the screen as an SVG.

    python scripts/record.py docs/pictures/demo.svg soulmesh demo

Needs pyte (a terminal in memory) and Rich.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import sys
import termios
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

WIDTH, HEIGHT = 110, 400

# What pyte calls the colours of a terminal, in Rich's words.
NAMES = {"brown": "yellow", "default": None}


def colour(name: str) -> str | None:
    """A colour of pyte as one of Rich."""
    if name in NAMES:
        return NAMES[name]
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    return name.replace("bright", "bright_").replace("bright_brown", "bright_yellow")


def run(command: list[str]) -> tuple[pyte.Screen, int]:
    """What the command left on the screen, and its exit code."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(WIDTH), COLORTERM="truecolor")
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        stream.feed(data)
    _, status = os.waitpid(child, 0)
    return screen, os.waitstatus_to_exitcode(status)


def lines(screen: pyte.Screen) -> list[Text]:
    """The lines of the screen, without the empty ones at its end."""
    found = []
    for row in range(HEIGHT):
        text = Text()
        cells = [screen.buffer[row][column] for column in range(WIDTH)]
        # One run of equal looks is one piece of the drawing.
        for (fg, bg, bold, italics), run_of in groupby(
            cells, key=lambda cell: (cell.fg, cell.bg, cell.bold, cell.italics)
        ):
            style = Style(color=colour(fg), bgcolor=colour(bg), bold=bold, italic=italics)
            text.append("".join(cell.data for cell in run_of), style)
        text.rstrip()
        found.append(text)
    while found and not found[-1].plain.strip():
        found.pop()
    return found


def main(target: str, *command: str) -> int:
    """Draw ``command`` into the file ``target``."""
    screen, code = run(list(command))
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )
    shown = " ".join([Path(command[0]).name, *command[1:]])
    console.print(Text(f"$ {shown}", style="bold"))
    for line in lines(screen):
        console.print(line, soft_wrap=True)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(target, title="soulmesh")
    print(f"wrote {target}; the command ended with {code}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
