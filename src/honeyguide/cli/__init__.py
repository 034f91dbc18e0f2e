"""The command line: one command a file. Nothing heavy is imported until a command runs.

Exit status: 0 done; 1 a check found errors, or stopped by Ctrl-C; 2 a mistake of the caller's, told on one line.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

COMMANDS = (
    "demo", "check", "train", "update", "compare", "tune", "recommend", "explain", "predict", "similar", "models",
    "verify",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a caller's mistake is one line on the error stream."""
    from honeyguide.cli.interrupt import STOPPED, prompt

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with prompt():
            status = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # before the command began
        sys.stderr.write(STOPPED + "\n")
        status = 1
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run a command; its exit status."""
    from typer.exceptions import Exit, TyperException

    with warnings.catch_warnings():
        warnings.showwarning = _note
        try:
            return int(build()(arguments or ["--help"], prog_name="honeyguide", standalone_mode=False) or 0)
        except TyperException as error:
            return _say(_usage(error, arguments))
        except Exit as stop:
            return stop.exit_code


def build() -> Any:
    """The Typer application."""
    import typer

    from honeyguide.cli.output import about

    app = typer.Typer(
        name="honeyguide", help="Recommendations from ratings, plays and purchases.",
        rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    app.callback()(about)
    for name in COMMANDS:
        app.command(name)(_guarded(import_module(f"honeyguide.cli.{name}").command))
    return app


def _guarded(command: Callable[..., int | None]) -> Callable[..., int]:
    """The command, whose failures are told on one line, as an exit status."""

    @functools.wraps(command)
    def call(*given: Any, **named: Any) -> int:
        from honeyguide.cli.interrupt import STOPPED
        from honeyguide.errors import HoneyguideError

        try:
            status = int(command(*given, **named) or 0)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt as stop:
            sys.stderr.write((str(stop) or STOPPED) + "\n")
            return 1
        except HoneyguideError as error:
            return _say(str(error))
        except MemoryError:
            return _say("out of memory; a smaller model or a smaller part of the data would fit")
        except BrokenPipeError:  # the reader, such as `head`, has had enough
            return _mute(0)
        except OSError as error:
            what = "cannot write the output" if error.filename is None else error.filename
            return _mute(_say(f"{what}: {error.strerror or error}"))

    return call


def _mute(status: int) -> int:
    """Send what is still to be written nowhere, so that the interpreter's end does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _say(message: str) -> int:
    sys.stderr.write("error: " + " ".join(message.split()) + "\n")
    return 2


def _usage(error: Any, arguments: Sequence[str]) -> str:
    """A mistake in the words of a command, with the word at fault and where to look."""
    message = error.format_message().rstrip(".")
    options = getattr(getattr(error, "param", None), "opts", ())
    given = [later for word, later in pairwise(arguments) if word in options]
    given += [word.partition("=")[2] for word in arguments if word.partition("=")[0] in options and "=" in word]
    if given and repr(given[-1]) not in message:
        message += f", got {given[-1]!r}"
    command = f" {arguments[0]}" if arguments and arguments[0] in COMMANDS else ""
    return f"{message}; honeyguide{command} --help lists what there is"


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Warnings of our own as notes on one line; those of libraries are not for the user of a command."""
    if category.__module__.startswith("honeyguide"):
        sys.stderr.write("note: " + " ".join(str(message).split()) + "\n")
