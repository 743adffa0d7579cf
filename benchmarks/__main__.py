"""`python -m benchmarks [NAME …]`: measure all figures or some, keep the rest, write the page."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.figure import Bench, Figure, figures
from benchmarks.machine import ROOT, WRITTEN, load, machine, moment, versions
from benchmarks.page import page


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0, also where a goal was missed; 1 where a figure could not be measured."""
    known = figures()
    asked = _asked(argv, [figure.name for figure in known])
    if asked.list:
        for figure in known:
            print(f"{figure.name:<16} {figure.title}{_when(figure)}")
        return 0
    chosen = [f for f in known if (f.name in asked.names if asked.names else not f.by_name)]
    failed = [] if asked.render else [f for f in chosen if not _measure(f, asked)]
    asked.page.write_text(page(results.read(asked.results)), encoding="utf-8")
    for figure in failed:
        sys.stderr.write(f"{figure.name} could not be measured\n")
    return 1 if failed else 0


def _asked(argv: list[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure; all if none")
    parser.add_argument("--list", action="store_true", help="list the figures")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, and says so")
    parser.add_argument("--render", action="store_true", help="only write the page anew")
    parser.add_argument("--results", type=Path, default=ROOT / WRITTEN[0], metavar="FILE")
    parser.add_argument("--page", type=Path, default=ROOT / WRITTEN[1], metavar="FILE")
    asked = parser.parse_args(argv)
    if unknown := set(asked.names) - set(names):
        parser.error(f"no figure is called {', '.join(sorted(unknown))}; see --list")
    return asked


def _when(figure: Figure) -> str:
    if figure.measure is None:
        return " (not built yet)"
    return " (only when named)" if figure.by_name else ""


def _measure(figure: Figure, asked: argparse.Namespace) -> bool:
    """Measure one figure and put it into the JSON; whether that worked."""
    if figure.measure is None:
        results.merge(asked.results, figure.name, results.unmeasured(figure, "not built yet", ""))
        return True
    sys.stderr.write(f"{figure.name}: {figure.title}\n")
    began = time.monotonic()
    facts: dict[str, Any] = {**moment(), "quick": asked.quick}
    with tempfile.TemporaryDirectory(prefix=f"sloproof-bench-{figure.name}-") as folder:
        try:
            found = figure.measure(Bench(Path(folder), asked.quick))
        except Exception as error:  # noqa: BLE001 - one figure that breaks must not cost the others
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            results.merge(asked.results, figure.name, results.unmeasured(figure, "failed", reason))
            return False
    facts |= {
        "seconds": time.monotonic() - began,
        "load_after": load(),
        "machine": machine(),
        "versions": versions(),
    }
    entry = results.entry(figure, found, facts)
    results.merge(asked.results, figure.name, entry)
    sys.stderr.write(f"  {entry['outcome']} after {facts['seconds']:.0f} s\n")
    return True


if __name__ == "__main__":
    sys.exit(main())
