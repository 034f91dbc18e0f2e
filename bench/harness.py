"""What every benchmark needs: facts about the machine, dated results, environments for rivals, processes of their own.

A result says when, where and by which command it was made, and holds no path of the machine it was made on.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
ENVIRONMENTS = ROOT / "bench" / ".envs"
_VERSIONS = ("honeyguide", "numpy", "scipy", "numba", "polars", "keras", "jax", "tensorflow-cpu")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "BLIS")
_INSTALL = 600  # seconds that an installation may take
_WORK = 3600  # seconds that one side may take


class BenchError(Exception):
    """One side of a benchmark could not be measured; the message is one line."""


def machine() -> dict[str, Any]:
    """Cores of this process, CPU model, memory, load before the start, Python and the versions that matter."""
    installed = {}
    for package in _VERSIONS:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cores": cores(),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": installed,
    }


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first(path: str, key: str) -> str | None:
    """The value of the first `key: value` line of a file of the system."""
    try:
        with open(path, encoding="utf-8") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
    except OSError:
        return None


def command() -> str:
    """The command line of this process, as someone in the repository's folder would type it."""
    script = Path(sys.argv[0]).resolve()
    inside = script.is_relative_to(ROOT)
    if script == ROOT / "bench" / "__main__.py":
        start = "python -m bench"
    else:
        start = f"python {script.relative_to(ROOT) if inside else script.name}"
    return " ".join([start, *(shlex.quote(plain(word)) for word in sys.argv[1:])])


def revision() -> str:
    """The commit that was measured; "+changes" where files differ from it."""
    try:
        options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True, "check": True}
        head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **options).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "src", "bench", ":!bench/results"], **options
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def write_result(name: str, measured: Mapping[str, Any], *, folder: Path = RESULTS) -> Path:
    """Write `measured` with date, command, commit and machine to <folder>/<date>-<name>.json, in one piece."""
    facts = {
        "name": name, "date": date.today().isoformat(), "command": command(), "commit": revision(), "machine": machine()
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{facts['date']}-{name}.json"
    fresh = path.with_suffix(".part")
    fresh.write_text(json.dumps(facts | rounded(dict(measured)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path


def rounded(value: Any) -> Any:
    """Floats cut to four significant digits, within lists and mappings too."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, least and most of repeated measurements."""
    held = [float(value) for value in values]
    return {"median": statistics.median(held), "min": min(held), "max": max(held)}


def ratio(rival: Mapping[str, float], ours: Mapping[str, float]) -> dict[str, float] | None:
    """How many times ours goes into the rival's: of the medians, of the least and of the most; above 1 we need less."""
    return {key: rival[key] / ours[key] for key in ("median", "min", "max")} if min(ours.values()) > 0 else None


def python_of(name: str, packages: Sequence[str]) -> Path:
    """The Python of the environment with these pinned packages, made where there is none; without any, our own.

    BenchError, with pip's reason, where they do not install.
    """
    if not packages:
        return Path(sys.executable)
    home, pins = ENVIRONMENTS / name, "\n".join([platform.python_version(), *packages]) + "\n"
    ready, python = home / "ready", home / "bin" / "python"
    if ready.is_file() and ready.read_text(encoding="utf-8") == pins:
        return python
    print(f"making an environment for {name}: {', '.join(packages)}", file=sys.stderr)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    for step in ([sys.executable, "-m", "venv", "--clear", str(home)], install):
        run(step, seconds=_INSTALL, what=f"installing {name}")
    ready.write_text(pins, encoding="utf-8")
    return python


def run(
    step: Sequence[str], *, what: str, seconds: float = _WORK, threads: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a process in the repository's folder, on so many threads; BenchError with its last line where it fails."""
    try:
        done = subprocess.run(
            step, cwd=ROOT, env=environment(threads), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{what} took longer than {seconds:g} s") from None
    if done.returncode:
        raise BenchError(f"{what} failed (exit status {done.returncode}): {last_words(done.stderr)}")
    return done


def environment(threads: int | None) -> dict[str, str]:
    """The variables that a side's process is given: libraries are told so many threads; None: what they like."""
    limits = {} if threads is None else {f"{each}_NUM_THREADS": str(threads) for each in _THREADS}
    if threads is not None:
        limits["POLARS_MAX_THREADS"] = str(threads)
    return os.environ | limits | {"PYTHONNOUSERSITE": "1"}


def last_words(stderr: str) -> str:
    """The line that says why a process failed: the last that begins with "error", or the last of all."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    said = [line for line in lines if line.lower().startswith("error")] or lines or ["no message"]
    return plain(said[-1].strip())


def plain(text: str) -> str:
    """A message without paths and addresses: results are read elsewhere."""
    return re.sub(r"\S*/\S*", "…", text)


def clock(step: Sequence[str], *, what: str) -> float:
    """Seconds that a whole process takes."""
    begun = time.perf_counter()
    run(step, what=what)
    return time.perf_counter() - begun
