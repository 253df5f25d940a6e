"""Running commands: exit codes, errors in one line, Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
import typer

from soulmesh import errors
from soulmesh.cli import main, run
from soulmesh.cli.run import exit_code, invoke, options
from soulmesh.client import errors as client_errors


def app_that(raises: Callable[[], BaseException | None]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @run.command
    async def act(number: Annotated[int, typer.Option()] = 0) -> None:
        error = raises()
        if error is not None:
            raise error

    @app.command()
    def other() -> None:
        pass

    return app


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.ConfigError("no username", hint="give one"), 2, "error: no username\nhint: give one\n"),
        (errors.UsageError("nonsense"), 2, "error: nonsense\n"),
        (errors.NotFound("no room ambient"), 3, "error: no room ambient\n"),
        (errors.Refused("wrong password"), 4, "error: wrong password\n"),
        (errors.NetworkError("gone"), 5, "error: gone\n"),
        (errors.SoulmeshError("two\nlines \x1b[1m"), 1, "error: two lines \\x1b[1m\n"),
        (errors.FrameError("too long"), 1, "error: frame: too long\n"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), 5, "error: Connection refused\n"),
        (OSError(errno.EHOSTUNREACH, "No route"), 5, "error: No route\n"),
        (socket.gaierror(-2, "Name or service not known"), 5, "error: Name or service not known\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 1, "error: /x: No such file\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_expected_error_is_one_line_and_a_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(app_that(lambda: error), ["act"]) == code
    captured = capsys.readouterr()
    assert captured.err == said
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), "hint: another program listens"),
        (OSError(errno.ENOSPC, "No space left"), "hint: make room"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "hint: check who"),
        (TimeoutError(), "hint: try again"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_common_troubles_come_with_advice(
    error: BaseException, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(app_that(lambda: error), ["act"])
    assert hint in capsys.readouterr().err


def test_an_error_inside_a_task_group_is_told_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [errors.NotFound("no file")]), OSError(1, "x")])
    assert invoke(app_that(lambda: group), ["act"]) == 3
    assert capsys.readouterr().err == "error: no file\n"


def test_a_defect_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(app_that(lambda: ZeroDivisionError("oh")), ["act"]) == 1
    assert "Traceback" in capsys.readouterr().err
    group = ExceptionGroup("tasks", [errors.NotFound("no file"), ZeroDivisionError("oh")])
    assert invoke(app_that(lambda: group), ["act"]) == 1
    assert "ZeroDivisionError: oh" in capsys.readouterr().err


def test_debug_shows_the_traceback_of_an_expected_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(app_that(lambda: errors.NotFound("no file")), ["act", "--debug"]) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("error: no file\n")


def test_wrong_usage_is_one_line_with_the_way_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    app = app_that(lambda: None)
    assert invoke(app, ["act", "--number", "x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: invalid value for '--number'")
    assert said.endswith("hint: see soulmesh act --help\n")
    assert invoke(app, ["nonsense"]) == 2
    assert "no such command 'nonsense'" in capsys.readouterr().err


def test_a_command_that_succeeds_returns_zero() -> None:
    assert invoke(app_that(lambda: None), ["act"]) == 0


def test_a_command_chooses_its_own_code_with_exit() -> None:
    assert invoke(app_that(lambda: typer.Exit(7)), ["act"]) == 7


def test_every_command_knows_the_common_options() -> None:
    app = typer.Typer()
    seen: list[run.Options] = []

    @app.command()
    @run.command
    def act() -> None:
        seen.append(options())

    assert invoke(app, ["--config", "x.toml", "--debug"]) == 0
    assert invoke(app, ["--log-level", "info"]) == 0
    assert invoke(app, []) == 0
    assert seen == [
        run.Options(Path("x.toml"), debug=True, log_level="debug"),
        run.Options(log_level="info"),
        run.Options(),
    ]


def test_a_command_with_a_parameter_of_the_same_name_keeps_it() -> None:
    app = typer.Typer()
    seen: list[str] = []

    @app.command()
    @run.command
    def act(config: Annotated[str, typer.Option()] = "own") -> None:
        seen.append(config)

    assert invoke(app, ["--config", "mine"]) == 0
    assert seen == ["mine"]


def test_codes_of_errors_do_not_depend_on_the_command() -> None:
    assert exit_code(errors.EncodeError("x")) == 2
    assert exit_code(TimeoutError()) == 5
    assert exit_code(ValueError()) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (client_errors.LoginRefused("INVALIDPASS"), 4),
        (client_errors.KickedOut(), 4),
        (client_errors.ServerUnreachable("h", 1, "refused"), 5),
        (client_errors.PeerUnreachable("bob", "refused", "no answer"), 5),
        (client_errors.NoReply("GetPeerAddress", "the server", 30.0), 5),
        (client_errors.UserOffline("bob"), 3),
        (client_errors.SearchRefused("a", "too short"), 2),
        (client_errors.RoomRefused("ambient", "private"), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_client_raises_has_its_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_work_runs_on_a_loop_and_its_result_comes_back() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 3

    assert run.run(work()) == 3


SCRIPT = """
import asyncio, sys, typer
from soulmesh.cli import main, run
app = typer.Typer()

@app.command()
@run.command
async def act() -> None:
    try:
        print("ready", flush=True)
        await asyncio.sleep(60)
    finally:
        print("goodbye", flush=True)

sys.exit(run.invoke(app))
"""


@pytest.mark.parametrize(
    ("signal_number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_lets_the_command_say_goodbye(signal_number: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal_number)
        out, err = process.communicate(timeout=20)
    assert out == "goodbye\n"
    assert "Traceback" not in err
    assert process.returncode == code


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = "import sys; from soulmesh.cli import main; main(['version'])"
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        os.close(write)
        _, err = process.communicate(timeout=20)
    assert err == ""
    assert process.returncode == 141


def test_python_dash_m_runs_the_same_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soulmesh", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.startswith("soulmesh ")


def test_help_flows_to_the_width_of_the_terminal_and_lists_keep_their_lines() -> None:
    @run.command
    def act() -> None:
        """What it does.

        Words that are broken here
        for the sake of the source.

        - one
        - two
        """

    assert act.__doc__ == (
        "What it does.\n\nWords that are broken here for the sake of the source.\n\n- one\n- two"
    )


def test_ctrl_c_while_the_program_is_still_loading_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "settle", interrupted)
    with pytest.raises(SystemExit) as left:
        main(["version"])
    assert left.value.code == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_command_runs_although_a_standard_descriptor_is_closed(closed: int) -> None:
    # Otherwise the next file to be opened gets its number, and is taken for it.
    start = f"import os, sys; os.close({closed}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", start, "-m", "soulmesh", "version"],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("soulmesh" in done.stdout) is (closed != 1)
