"""Packet rules of one owner, each marked with a comment; those of anybody else are not touched.

They stand in the table `mangle`: a packet that leaves it goes on to the table `filter`, so that a
firewall's own rules hold for it as ever. Rules that lose packets come first and rules that delay
them last, for a delayed packet is not shown to the rules behind it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sloproof.contracts.effect import Owner
from sloproof.effects.network_namespace import NetworkNamespace
from sloproof.effects.running import Ended, run
from sloproof.errors import EffectError

TABLE = "mangle"
WAIT = "5"
"""Seconds for which another user of the firewall is waited for."""
TIMEOUT = 8.0
IPV6 = Path("/proc/net/if_inet6")
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passing:
    """The TCP packets to (`upstream`) and from (`downstream`) one listening port.

    `host` is the address at which it listens; of a wildcard every address of the host is meant.
    """

    host: str
    port: int
    upstream: bool
    downstream: bool

    def programs(self) -> Words:
        """The firewalls that these packets meet: IPv4's, IPv6's, or both."""
        if self.host in ("::", ""):
            return ("iptables", "ip6tables") if IPV6.exists() else ("iptables",)
        return ("ip6tables",) if ":" in self.host else ("iptables",)

    def matches(self) -> tuple[Words, ...]:
        """Where each packet is met exactly once, as chain and conditions.

        On arrival if it can be: who sends a packet is told if it is dropped on its way out, which
        no network would do.
        """
        found: list[Words] = []
        if self.upstream:
            found.append(("INPUT", "-p", "tcp", *self._address("-d"), "--dport", str(self.port)))
        if self.downstream:
            source = (*self._address("-s"), "--sport", str(self.port))
            found.append(("INPUT", "-i", "lo", "-p", "tcp", *source))
            if not self._loopback():
                found.append(("OUTPUT", "!", "-o", "lo", "-p", "tcp", *source))
        return tuple(found)

    def _address(self, option: str) -> Words:
        return () if self.host in ("::", "0.0.0.0", "") else (option, self.host)  # noqa: S104

    def _loopback(self) -> bool:
        return self.host == "::1" or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one owner about certain packets, in one network."""

    where: NetworkNamespace
    passing: Passing
    owner: Owner | None

    def add(self, target: Words, *, chance: Words = (), last: bool = False) -> None:
        """Let these packets meet `target`, where they don't yet; raises `EffectError`.

        All ways at one moment, as far as one protocol goes.
        """
        how = "-A" if last else "-I"
        marked = (*chance, "-m", "comment", "--comment", str(self.owner), "-j", *target)
        for program in self.passing.programs():
            there = [rule for rule in self._listed(program) if self._ours(rule)]
            wanted = [
                (how, chain, *conditions, *marked)
                for chain, *conditions in self.passing.matches()
                if not any(_same(rule, chain, conditions) for rule in there)
            ]
            self._change(program, wanted)

    def remove(self) -> bool:
        """Remove ours, however often they stand there; False where none did."""
        removed = False
        for program in self.passing.programs():
            ours = [("-D", *rule[1:]) for rule in self._listed(program) if self._ours(rule)]
            self._change(program, ours)
            removed = removed or bool(ours)
        return removed

    def there(self) -> bool:
        """Whether one of ours is there."""
        return any(
            self._ours(rule) for each in self.passing.programs() for rule in self._listed(each)
        )

    def queued_by_others(self) -> list[str]:
        """Rules of others that already send these packets through a queue."""
        return [
            " ".join(rule)
            for program in self.passing.programs()
            for rule in self._listed(program)
            if "NFQUEUE" in rule and not self._ours(rule) and self._about_the_port(rule)
        ]

    def ask(self, argv: Words) -> str:
        """What a program prints in that network; raises `EffectError` where it fails."""
        return self._must(argv)

    def tell(self, argv: Words) -> None:
        """Run a program of the owner's in that network; raises `EffectError` where it fails."""
        self._must(argv, tagged=True)

    def _listed(self, program: str) -> list[Words]:
        text = self._must((f"{program}-save", "-t", TABLE))
        return [tuple(shlex.split(line)) for line in text.splitlines() if line.startswith("-A ")]

    def _change(self, program: str, rules: Sequence[Words]) -> None:
        """Make all of these changes at once or none; other rules stay as they are."""
        if not rules:
            return
        lines = (f"*{TABLE}", *map(" ".join, rules), "COMMIT", "")
        changes = os.memfd_create("rules")
        try:
            os.write(changes, "\n".join(lines).encode())
            file = f"/proc/{os.getpid()}/fd/{changes}"
            argv = (f"{program}-restore", "-w", WAIT, "--noflush", file)
            self._must(argv, tagged=rules[0][0] != "-D")
        finally:
            os.close(changes)

    def _ours(self, rule: Words) -> bool:
        return str(self.owner) in _values(rule, "--comment")

    def _about_the_port(self, rule: Words) -> bool:
        port = str(self.passing.port)
        return port in _values(rule, "--dport") + _values(rule, "--sport")

    def _must(self, argv: Words, *, tagged: bool = False) -> str:
        with self.where.entering() as prefix:
            owner = self.owner if tagged else None
            ended: Ended = run((*prefix, *argv), timeout=TIMEOUT, owner=owner)
        if ended.status:
            said = ended.complaint or f"exit status {ended.status}"
            raise EffectError(f"{' '.join(argv)}: {said}")
        return ended.out


def _values(rule: Words, option: str) -> list[str]:
    return [value for word, value in pairwise(rule) if word == option]


def _same(rule: Words, chain: str, conditions: Sequence[str]) -> bool:
    """Whether a listed rule is the one about these packets; its owner's differ in these only."""
    port = [word for word in ("--dport", "--sport") if word in conditions]
    return rule[1] == chain and all(word in rule for word in port)
