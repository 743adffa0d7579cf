from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from sloproof.record.reader import Record
from sloproof.record.schema import RequestKind
from sloproof.record.writer import RecordWriter
from sloproof.report.page import write_report
from sloproof.report.templates import PACKAGE
from tests.report import judged, sample

MEASURE = """
import json, resource, sys, time
from pathlib import Path
from sloproof.record.reader import Record
from sloproof.report.page import write_report
import numpy as np
from tests.report import judged, sample
record = Record(Path(sys.argv[1]))
write_report(record, judged.verdict(), Path(sys.argv[2]))
print(json.dumps({
    "seconds": time.process_time(),
    "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "kB": Path(sys.argv[2]).stat().st_size / 1000,
}))
"""


def measure(folder: Path, out: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, folder, out],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_a_million_requests_fit_into_time_memory_and_page(tmp_path: Path) -> None:
    sample.record(tmp_path / "r", count=1_000_000)
    found = measure(tmp_path / "r", tmp_path / "report.html")
    assert found["seconds"] <= 10, found
    assert found["MiB"] <= 768, found
    assert found["kB"] <= 400, found


def test_a_restless_run_fits_into_the_page(tmp_path: Path) -> None:
    """Twenty probes that never rest, a thousand faults, two hundred claims."""
    writer = RecordWriter(tmp_path / "r")
    sample.write_events(writer, "restless", "slow")
    for n in range(1000):
        at = sample.BEGIN + n * 55_000_000
        writer.event(at, "fault.injecting", fault="kill", occurrence=n + 1, inject="pod_kill")
        writer.event(at + 10_000_000, "fault.ended", fault="kill", occurrence=n + 1)
    due = np.arange(sample.BEGIN, sample.END, 20_000_000).tolist() * 20
    names = [f"probe-{n}" for n in range(20) for _ in range(len(due) // 20)]
    writer.table(
        "probes",
        {
            "probe": names,
            "intended": due,
            "sent": due,
            "finished": due,
            "ok": [n // 15 % 2 == 0 for n in range(len(due))],
            "value": [0.0] * len(due),
            "detail": [""] * len(due),
        },
    )
    kinds = [RequestKind("p", "n", "GET", "/")]
    writer.requests(sample.requests(100_000), kinds, ["", "a", "b"])
    writer.seal()
    fault = dict(judged.MEASURES["faults"][0])  # type: ignore[index]
    faults = [{**fault, "name": "kill", "occurrence": n + 1} for n in range(1000)]
    verdict = judged.verdict(
        claims=judged.CLAIMS * 40, measures={**judged.MEASURES, "faults": faults}
    )
    write_report(Record(tmp_path / "r"), verdict, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size <= 400_000
