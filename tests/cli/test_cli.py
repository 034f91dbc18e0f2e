"""Start-up is light; usage, help and version; streams that break."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from shell import MAIN, Call, spawn

import honeyguide
from honeyguide.cli import COMMANDS

HEAVY = ["numpy", "scipy", "polars", "numba", "keras", "jax", "tensorflow", "optuna", "pandas", "narwhals"]


def _seconds(*arguments: str) -> float:
    """Processor time of a command: the wall's is the neighbours' too."""
    process = subprocess.Popen([sys.executable, "-c", MAIN, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_help_takes_under_four_tenths_of_a_second() -> None:
    for arguments in ([], ["--help"], ["recommend", "--help"], ["compare", "--help"]):
        assert statistics.median(_seconds(*arguments) for _ in range(3)) < 0.4


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from honeyguide.cli import run; status = run(sys.argv[1:]); "
        f"sys.exit(str([m for m in {HEAVY} if m in sys.modules]) if status == 0 else status)"
    )
    done = spawn([*([command] if command else []), "--help"], code)
    assert done.err.strip() == "[]"
    assert done.out.startswith(f"Usage: honeyguide {command}".rstrip())


def test_usage(call: Call) -> None:
    assert call("--version").out == f"honeyguide {honeyguide.__version__}\n"
    assert "Commands:" in call().out
    assert call().status == 0
    assert call("--help").out == call("-h").out == call().out
    assert call("nonsense").error == "No such command 'nonsense'; honeyguide --help lists what there is"
    assert call("recommend").error == "Missing argument 'FILE'; honeyguide recommend --help lists what there is"
    assert call("train", "x.csv", "--modle", "ease").error.startswith("No such option: --modle")
    assert call("recommend", "m", "-k", "ten").error.startswith("Invalid value for '-k': ")
    assert call("recommend", "m", "-k", "ten").error.endswith(
        ", got 'ten'; honeyguide recommend --help lists what there is"
    )


def test_every_command_has_json(call: Call) -> None:
    for command in COMMANDS:
        assert "--json" in call(command, "--help").out


def test_a_reader_that_has_had_enough(shop: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "recommend", str(shop / "ease.safetensors"), "--user", "3", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full(shop: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", MAIN, "recommend", str(shop / "ease.safetensors"), "--user", "3"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: cannot write the output: No space left on device\n")


def test_a_terminal_without_unicode(shop: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    arguments = ["similar", shop / "ease.safetensors", "--item", "film, the 3 🎬", "-k", 1]
    assert "Film, The" in spawn(arguments, env=environment).out
    done = spawn([*arguments, "--json"], env=environment)
    assert "🎬" in done.json[0]["title"]
