"""What stands in a record, by file and column. Times are nanoseconds from the run's origin.

`requests.parquet` (one row a request)
    `intended`, `sent`, `finished` (int64; NEVER where it got no answer), `arrival` (uint32),
    `kind` (uint16, index into the list of request kinds in the file's metadata under `kinds`),
    `outcome` (uint8, see `RequestOutcome`), `late` (uint8: 1 where it started late although a slot
    was free), `status` (int16; 0 without one), `error` (uint16, index into `errors` in the
    metadata; 0 is none), `size` (uint32, bytes of the answer).
`probes.parquet`
    `probe` (string), `intended`, `sent`, `finished`, `ok`, `value` (NaN where none), `detail`.
`calls.parquet`
    the fields of `Call`.
`signals.parquet`
    `signal`, `time`, `value`, `labels`.
`writes.parquet` (one row a write of the ledger)
    `sequence` (int64), `id` (string), `intended`, `sent`, `finished` (NEVER where it did not come
    so far), `outcome` (see `WriteOutcome`), `detail` (string, one word or two).
`copies.parquet` (one row for each id of this run that a copy of the store has)
    `copy` (string), `sequence` (int64; -1 where the id is none that the ledger gives), `id`,
    `times` (int64: how often).
`events.jsonl`, `guardian.jsonl`
    chains (see `chain.py`) of `{"n", "t", "kind", …}`; the kinds are in `EVENTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

NEVER = 2**63 - 1
"""Stands for a time that never came; sorts after every other, as an infinite latency must."""

SEALED = (
    "experiment.yaml",
    "environment.json",
    "events.jsonl",
    "guardian.jsonl",
    "requests.parquet",
    "probes.parquet",
    "calls.parquet",
    "writes.parquet",
    "copies.parquet",
    "signals.parquet",
)

EVENTS = {
    "run.started": "run, experiment, wall_ns, monotonic_ns, boot_id, seed, version",
    "phase": "phase: one of prepare ready warmup baseline faults recovery read-back restore "
    "seal; it begins",
    "fault.injecting": "fault, occurrence, inject, fields, effects: [number…]",
    "effect.planned": "number, fault, effect (text), lasting, again: whether it strikes what came "
    "in place of what was struck, target (link or instance), witness, "
    "neighbours: [witness…]",
    "effect.applying": "number",
    "effect.applied": "number; the service accepted it",
    "effect.failed": "number, error",
    "effect.undoing": "number, by: engine or guardian",
    "effect.undone": "number, outcome: reverted absent foreign, by",
    "effect.undo_failed": "number, error, remedy",
    "effect.foreign": "number, effect; what was there at the undo wasn't ours and was left alone",
    "effect.healed": "number; a lasting effect was seen healed by the system",
    "fault.ended": "fault, occurrence",
    "fault.missed": "fault, occurrence; the moment it waited for never came",
    "stop": "condition, value; ends the faults",
    "interrupted": "signal",
    "load.started": "at: origin of arrivals; also workers",
    "load.finished": "arrivals, exit; planned arrivals in `planned`; its words in `notices`",
    "ledger.started": "ledger, rate, slots, timeout_ns; the first write is due at this moment",
    "ledger.copy": "copy, role: primary standby or '', error: why it could not be read or '', "
    "stable: whether two looks in a row agreed, rows: how many ids it gave; when the look was over",
    "ledger.restored": "copy, until: the moment as of which a backup was restored into it, give "
    "or take error_ns; failed: whether the target's own command restored nothing; error, stable, "
    "rows as in ledger.copy",
    "ledger.finished": "planned, rows: of the writes; read: whether copies were read back; exit",
    "clock": "drift_ns: wall clock minus monotonic clock, against the anchor",
    "system": "the target's own event: source, instance, event, role (detected action repaired "
    "verified breaker or ''), time (may differ from t), error_ns, detail",
    "witness.absent": "fault; the engine's early check before injection",
    "source.read": "of: system-events or calls, name, found: whether there was anything to read; a "
    "source that was read and said nothing is not a missing one",
    "target.state": "when: before after; instances: [{name, service, incarnation}]; links: "
    "[{name, source, target, source_instance, target_instance, entry, source_region, "
    "target_region}]; stores: the instances of their copies by name",
    "harness.error": "where, error",
    "run.finished": "how: completed stopped interrupted failed; reason",
}


class RequestOutcome(IntEnum):
    """How a request ended."""

    OK = 0
    ERROR = 1
    TIMEOUT = 2
    NO_SLOT = 3
    """The arrival found every slot waiting on the system."""
    UNFINISHED = 4
    """In flight when the load ended."""


class WriteOutcome(IntEnum):
    """What the writer of the ledger was told of a write."""

    ACKNOWLEDGED = 0
    """The store said that it has it: an answer of 2xx, or a commit that returned."""
    FAILED = 1
    """Certainly not applied: never sent, or refused by an answer that says so."""
    INDETERMINATE = 2
    """Nobody knows: sent, and no answer that tells."""
    NOT_SENT = 3
    """It was due while every slot waited on the system."""


@dataclass(frozen=True, slots=True)
class RequestKind:
    """What requests are told apart by. `path` has its identifiers replaced by `*`."""

    profile: str
    name: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call between two services, or one attempt of it.

    `outcome` is one of ok, error, timeout, refused, reset, rejected (not sent: the breaker was
    open); `breaker` the caller's breaker state when it decided, or "". `error_ns` widens `sent`
    and `finished` by the error of the source's clock.
    """

    source: str
    target: str
    source_instance: str
    target_instance: str
    parent: str
    attempt: int
    sent: int
    finished: int
    status: int
    outcome: str
    breaker: str
    origin: str
    error_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a chain: its number, its time and its kind; the rest in `data`."""

    n: int
    t: int
    kind: str
    data: dict[str, object]
