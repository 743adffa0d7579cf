"""What the load process is told: everything it needs, as one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.model.secrets import NO_SECRETS, Secrets, known_here, resolved
from sloproof.run.load.schedule import Schedule
from sloproof.spec.pieces import Change, Piece, pieces_of

if TYPE_CHECKING:
    from sloproof.spec.experiment import Load
    from sloproof.spec.target import Entry

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the arrivals: the users of one file; `users` empty means all it has."""

    profile: str
    path: str
    share: Fraction
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workers:
    """Who makes the load: processes `here`, and others that join from `elsewhere` at `bind`."""

    here: int = 1
    elsewhere: int = 0
    bind: str = "127.0.0.1:0"


ALONE = Workers()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """The load of one run. `workers` are processes on this host, `remote_workers` come by network.

    With either, the child listens on `bind` (`host:port`; port 0 is any free one).
    """

    mix: tuple[Part, ...]
    pieces: tuple[Piece, ...]
    host: str
    warmup_ns: int = 0
    slots: int = 200
    timeout_ns: int = 5_000_000_000
    lateness_ns: int = 20_000_000
    seed: int = 1
    options: Mapping[str, Scalar] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ca: str | None = None
    workers: int = 1
    remote_workers: int = 0
    bind: str = "127.0.0.1:0"

    @property
    def schedule(self) -> Schedule:
        """When the arrivals come."""
        return Schedule(self.pieces, self.seed)

    @property
    def distributed(self) -> bool:
        """Whether a master and workers share the work."""
        return self.workers > 1 or self.remote_workers > 0

    def to_json(self) -> dict[str, Any]:
        """The content of `spec.json`."""
        return {
            "mix": [
                {"profile": p.profile, "path": p.path, "users": [*p.users], "share": str(p.share)}
                for p in self.mix
            ],
            "segments": [
                {
                    "begin_ns": piece.begin,
                    "end_ns": piece.end,
                    "from": str(piece.first),
                    "to": str(piece.last),
                    "poisson": piece.poisson,
                }
                for piece in self.pieces
            ],
            "with": dict(self.options),
            "headers": dict(self.headers),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LoadSpec:
        """The spec behind the content of `spec.json`."""
        return cls(
            mix=tuple(
                Part(p["profile"], p["path"], Fraction(p["share"]), tuple(p["users"]))
                for p in data["mix"]
            ),
            pieces=tuple(
                Piece(
                    s["begin_ns"], s["end_ns"], Fraction(s["from"]), Fraction(s["to"]), s["poisson"]
                )
                for s in data["segments"]
            ),
            options=data["with"],
            headers=data["headers"],
            **{name: data[name] for name in _PLAIN},
        )

    def write(self, folder: Path, secrets: Secrets = NO_SECRETS) -> None:
        """Write `spec.json` into `folder`, with references in place of secrets."""
        hidden, references = secrets.referring(self.to_json())
        fd = os.open(folder / "spec.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
            json.dump({**hidden, "secrets": references}, file, indent=1)

    @classmethod
    def read(cls, folder: Path) -> LoadSpec:
        """The spec in `folder`, with the secrets that it refers to from the environment."""
        data = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        return cls.from_json(resolved(data, data.pop("secrets")))

    @classmethod
    def secrets_in(cls, folder: Path) -> Secrets:
        """What the spec in `folder` refers to and nobody may say."""
        data = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        return known_here(data["secrets"])


_PLAIN = (
    "host", "warmup_ns", "slots", "timeout_ns", "lateness_ns", "seed", "ca", "workers",
    "remote_workers", "bind",
)  # fmt: skip


def load_spec(
    load: Load,
    entry: Entry,
    *,
    seed: int,
    profile_paths: Mapping[str, Path],
    crew: Workers = ALONE,
    changes: Iterable[Change] = (),
) -> LoadSpec:
    """The spec of an experiment's load against a target's entry.

    `profile_paths` says where each profile (by name) and locustfile (as written) is; `changes`
    count from the end of the warm-up, as the experiment's `at` does.
    """
    names = [part.profile or part.locustfile or "" for part in load.mix]
    return LoadSpec(
        mix=tuple(
            Part(
                name if part.profile else Path(name).stem,
                str(profile_paths[name]),
                part.share.value,
                part.users,
            )
            for name, part in zip(names, load.mix, strict=True)
        ),
        pieces=pieces_of(load.arrivals, load.warmup.ns, changes),
        host=entry.url.rstrip("/"),
        warmup_ns=load.warmup.ns,
        slots=load.slots,
        timeout_ns=load.timeout.ns,
        lateness_ns=load.lateness.ns,
        seed=seed,
        options=load.with_,
        headers=entry.headers,
        ca=entry.ca,
        workers=crew.here,
        remote_workers=crew.elsewhere,
        bind=crew.bind,
    )
