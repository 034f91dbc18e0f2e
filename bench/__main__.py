"""`python -m bench`: run the named benchmarks, or all of them; print a table and write a dated result for each."""

from __future__ import annotations

import argparse
import sys
import time

from bench.harness import BenchError, cores, write_result
from honeyguide.errors import HoneyguideError


def main() -> int:
    """The exit status: 0 done, 1 one of our sides failed, 2 a wrong command line or data set."""
    from bench.catalogue import COMPARISONS

    names = ["import", *COMPARISONS]
    asked = _parser().parse_args()
    if asked.list:
        about = {"import": "how long Python, the import of the package and the command line's help take"}
        about |= {name: comparison.about for name, comparison in COMPARISONS.items()}
        print("\n".join(f"{name:18} {text}" for name, text in about.items()))
        return 0
    wrong = [name for name in asked.names if name not in names]
    if wrong or (asked.rounds is not None and asked.rounds < 1) or not 1 <= asked.threads <= cores():
        rule = f"names must be of {', '.join(names)}; rounds >= 1; threads from 1 to {cores()}"
        print(
            f"bench: {rule}, got {' '.join(wrong) or f'{asked.rounds} rounds, {asked.threads} threads'}",
            file=sys.stderr,
        )
        return 2
    begun, failed = time.perf_counter(), 0
    for name in asked.names or names:
        try:
            print(_measure(name, asked), flush=True)
        except (BenchError, HoneyguideError) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            failed = max(failed, 1 if isinstance(error, BenchError) else 2)
    print(f"{time.perf_counter() - begun:.0f} s in all")
    return failed


def _measure(name: str, asked: argparse.Namespace) -> str:
    from bench import table
    from bench.catalogue import COMPARISONS
    from bench.compare import compare
    from bench.start import ROUNDS, start

    if name == "import":
        result = start(asked.rounds or ROUNDS)
        text, stem = table.of_start(name, result), name
    else:
        result = compare(COMPARISONS[name], data=asked.data, rounds=asked.rounds, threads=asked.threads)
        data = result["protocol"]["data"]
        text, stem = table.of_comparison(name, result), name if data == COMPARISONS[name].data else f"{name}-{data}"
    return f"{text}\n→ bench/results/{write_result(stem, result).name}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks to run; all where none is named")
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")
    parser.add_argument(
        "--data", help="a data set that honeyguide.load knows; HONEYGUIDE_DATA names the others' folder"
    )
    parser.add_argument("--rounds", type=int, help="processes of each side")
    parser.add_argument("--threads", type=int, default=cores(), help="cores that each side has (default: all)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
