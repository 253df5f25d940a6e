"""Running a command: the loop, Ctrl-C, and errors as one line.

A command is a function, plain or async, decorated with :func:`command` and added to an app::

    @app.command()
    @run.command
    async def search(query: str, json: JsonOption = False) -> None:
        out = Output(json=json)
        ...

Whatever it raises on purpose (:class:`~soulmesh.errors.SoulmeshError`, :class:`OSError`) becomes
``error: ...`` on standard error, with a ``hint: ...`` where there is one, and one of these exit codes:

====  ================================================================
   0  done
   1  failed
   2  wrong usage, or a setting that is unknown or wrong
   3  not found: no such user, file or room, or no result
   4  refused: by the server at login, or by another user
   5  the network or the other side could not be reached
 130  stopped with Ctrl-C (143: by SIGTERM)
====  ================================================================

A traceback is shown for what nobody foresaw, and for everything under ``--debug``.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import gc
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, overload

import typer

from soulmesh import log
from soulmesh.cli.output import Output, clean
from soulmesh.errors import (
    ConfigError,
    NetworkError,
    NotFound,
    ProtocolError,
    Refused,
    SoulmeshError,
    UsageError,
)

__all__ = [
    "CONFIG",
    "FAILED",
    "INTERRUPTED",
    "NETWORK",
    "NOT_FOUND",
    "REFUSED",
    "TERMINATED",
    "Options",
    "command",
    "exit_code",
    "invoke",
    "options",
    "output",
    "report",
    "run",
    "settle",
]

FAILED = 1
CONFIG = 2
NOT_FOUND = 3
REFUSED = 4
NETWORK = 5
INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141

# The first row that fits decides.
CODES: tuple[tuple[type[BaseException], int], ...] = (
    (ConfigError, CONFIG),
    (UsageError, CONFIG),
    (NotFound, NOT_FOUND),
    (Refused, REFUSED),
    (NetworkError, NETWORK),
    (ProtocolError, FAILED),
    (ConnectionError, NETWORK),
    (TimeoutError, NETWORK),
)

UNREACHABLE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT}
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command takes."""

    config: Path | None = None
    debug: bool = False
    log_level: str | None = None


_options: ContextVar[Options] = ContextVar("soulmesh_options", default=Options())  # noqa: B039  # it is frozen


def options() -> Options:
    """The common options of the command that runs."""
    return _options.get()


def output(*, json: bool = False) -> Output:
    """Where the command prints."""
    return Output(json=json)


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The configuration file.", envvar="SOULMESH_CONFIG", show_envvar=True
    ),
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Log everything, and show tracebacks.", envvar="SOULMESH_DEBUG")
]
LogLevelOption = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    typer.Option("--log-level", help="The least important log lines shown."),
]

COMMON: dict[str, tuple[Any, Any]] = {
    "config": (ConfigOption, None),
    "debug": (DebugOption, False),
    "log_level": (LogLevelOption, None),
}

P = ParamSpec("P")
T = TypeVar("T")

FILES = 8192
"""Open files that a command asks the system for."""


@overload
def command(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """An async function: run on a loop of its own."""


@overload
def command(function: Callable[P, T]) -> Callable[P, T]:
    """A plain function."""


def command(function: Callable[P, Any]) -> Callable[P, Any]:
    """Make a plain or async function a command: it gets the common options, and async ones get a loop.

    A function with a parameter named like a common option keeps its own.
    """
    signature = inspect.signature(function, eval_str=True)
    added = {name: kind for name, kind in COMMON.items() if name not in signature.parameters}

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
        given: dict[str, Any] = {name: kwargs.pop(name, default) for name, (_, default) in added.items()}
        token = _options.set(Options(**given))
        if given.get("debug"):
            given["log_level"] = given.get("log_level") or "debug"
            _options.set(Options(**given))
        log.configure(given.get("log_level") or "warning")
        try:
            outcome = function(*args, **kwargs)
            return run(outcome) if inspect.iscoroutine(outcome) else outcome
        finally:
            _options.reset(token)

    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in added.items()
    ]
    shown = signature.replace(parameters=[*signature.parameters.values(), *extra])
    wrapper.__signature__ = shown  # type: ignore[attr-defined]
    wrapper.__doc__ = _flowing(inspect.getdoc(function))
    return wrapper


def _flowing(text: str | None) -> str | None:
    """A docstring with one line per paragraph: its help is broken to the width of the terminal."""
    if text is None:
        return None
    paragraphs = (part.splitlines() for part in text.split("\n\n"))
    return "\n\n".join(
        # Lists and what is set in keep their lines.
        "\n".join(lines) if any(line[:1] in " -*\b" for line in lines) else " ".join(lines)
        for lines in paragraphs
    )


class _Terminated(BaseException):
    """SIGTERM ended the command."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end on a fresh loop: uvloop where it is installed, otherwise asyncio's own.

    Ctrl-C and SIGTERM cancel ``work``, so that it says goodbye to whom it talks to; a second Ctrl-C does
    not wait for that.
    """
    # What is loaded by now stays: looking through it for garbage would stop the loop for tens of
    # milliseconds.
    gc.freeze()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_terminated(work))


def settle() -> None:
    """What a process does once, before its command runs.

    Each link to a user is an open file, of which many systems allow a thousand unless one asks.
    Whoever starts us may have closed what we were to read or print to: its number must not become a socket's.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    try:
        loop.add_signal_handler(signal.SIGTERM, terminate)
    except (NotImplementedError, ValueError, RuntimeError):
        # Not in the main thread, or not on this system: whoever runs us there has other ways to stop us.
        pass
    try:
        return await work
    except asyncio.CancelledError:
        if terminated:
            raise _Terminated from None
        raise
    finally:
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGTERM)
        # Connections that were closed in the last moment let go of their sockets in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)


# -- from an exception to an exit code ------------------------------------------------------------------


def exit_code(error: BaseException) -> int:
    """The exit code for an error."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return code
    if isinstance(error, OSError) and (error.errno in UNREACHABLE or _is_lookup(error)):
        return NETWORK
    return FAILED


def _is_lookup(error: OSError) -> bool:
    """Whether a host name could not be resolved (the class lives in a module reserved to the edge)."""
    return type(error).__name__ == "gaierror"


def words(error: BaseException) -> tuple[str, str | None]:
    """An expected error in one line, and a hint if there is one."""
    if isinstance(error, SoulmeshError):
        text = str(error) or (type(error).__doc__ or type(error).__name__).splitlines()[0]
        return text, error.hint
    if isinstance(error, TimeoutError) and not error.args:
        return "no answer in time", "try again, or allow more time with --timeout"
    if isinstance(error, OSError):
        what = error.strerror or str(error) or type(error).__name__
        hint = None
        if error.errno == errno.EADDRINUSE:
            hint = "another program listens on this port: choose another one, or 0 for any that is free"
        elif error.errno == errno.ENOSPC:
            hint = "make room, or choose another folder"
        elif error.errno in (errno.EACCES, errno.EROFS) and error.filename:
            hint = "check who may read and write there"
        return (f"{os.fspath(error.filename)!s}: {what}" if error.filename is not None else what), hint
    return f"{type(error).__name__}: {error}", None


def expected(error: BaseException) -> BaseException | None:
    """The error to tell about, if all of ``error`` was foreseen; ``None`` if it is a defect.

    Task groups wrap what went wrong inside them. If every leaf was foreseen, the first one is told.
    """
    if isinstance(error, BaseExceptionGroup):
        leaves = [expected(inner) for inner in error.exceptions]
        return leaves[0] if all(leaf is not None for leaf in leaves) else None
    return error if isinstance(error, SoulmeshError | OSError) else None


def report(error: BaseException, *, debug: bool = False) -> int:
    """Print an error the way it deserves, and return its exit code."""
    told = expected(error)
    if told is None or debug:
        traceback.print_exception(error, file=sys.stderr)
    if told is None:
        print("error: this is a defect of soulmesh, not yours: please report it", file=sys.stderr)  # noqa: T201
        return FAILED
    text, hint = words(told)
    if not isinstance(told, UsageError):
        # What others said may hold line feeds; an error of the caller's may point at a place in a line.
        text = " ".join(text.split("\n"))
    print(f"error: {clean(text, lines=True)}", file=sys.stderr)  # noqa: T201
    if hint:
        print(f"hint: {clean(hint)}", file=sys.stderr)  # noqa: T201
    return exit_code(told)


def invoke(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. Nothing but a defect shows a traceback.

    Args:
        arguments: without the program's name; the process's own if not given.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown as an escape; it is no reason to stop.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("SOULMESH_DEBUG", "") not in ("", "0")
    try:
        code = app(given, standalone_mode=False, prog_name="soulmesh")
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print(file=sys.stderr)  # noqa: T201  # leave the line that shows ^C
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except typer.TyperException as error:
        return _usage(error)
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            return _reader_gone()
        return error.code if isinstance(error.code, int) else FAILED
    except BaseException as error:
        return report(error, debug=debug)


def _reader_gone() -> int:
    """``soulmesh ... | head``: the reader has seen enough, which is no trouble."""
    # What is still buffered must not be tried again at exit.
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return BROKEN_PIPE


def _usage(error: typer.TyperException) -> int:
    """A command line that makes no sense."""
    say = getattr(error, "format_message", error.__str__)
    text = " ".join(say().split())
    if not text:
        # A group without a command has printed its help, which says it all.
        return CONFIG
    print(f"error: {clean(text[:1].lower() + text[1:])}", file=sys.stderr)  # noqa: T201
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "soulmesh"
    print(f"hint: see {path} --help", file=sys.stderr)  # noqa: T201
    return CONFIG
