"""The command line: one command a file. Nothing heavy is imported until a command runs.

Exit status: 0 done; 1 a check found errors, or stopped by Ctrl-C; 2 a mistake of the caller's, told on one line.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Any

COMMANDS = ("demo", "check", "train", "compare", "tune", "recommend", "predict", "similar", "models", "verify")


def build() -> Any:
    """The Typer application."""
    import typer

    from honeyguide.cli.output import version

    app = typer.Typer(
        name="honeyguide", help="Recommendations from ratings, plays and purchases.", no_args_is_help=True,
        rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    app.callback()(version)
    for name in COMMANDS:
        app.command(name)(import_module(f"honeyguide.cli.{name}").command)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a caller's mistake is one line on the error stream."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run a command; its exit status."""
    from typer.exceptions import Abort, Exit, TyperException

    from honeyguide.errors import HoneyguideError

    with warnings.catch_warnings():
        warnings.showwarning = _note
        try:
            return int(build()(arguments, prog_name="honeyguide", standalone_mode=False) or 0)
        except TyperException as error:
            return _say(error.format_message().rstrip(".") + "; honeyguide --help lists what there is")
        except HoneyguideError as error:
            return _say(str(error))
        except MemoryError:
            return _say("out of memory; a smaller model or a smaller part of the data would fit")
        except Exit as stop:
            return stop.exit_code
        except (KeyboardInterrupt, Abort):
            print("stopped; nothing was written", file=sys.stderr)  # noqa: T201
            return 1
        except BrokenPipeError:  # the reader, such as `head`, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


def _say(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201
    return 2


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
        print(f"note: {message}", file=sys.stderr)  # noqa: T201
