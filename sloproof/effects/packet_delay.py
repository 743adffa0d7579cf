"""A link's packets held up for a while, by a queue of the host's firewall and a process at it."""

from __future__ import annotations

import sys
import time
import zlib
from dataclasses import dataclass
from signal import SIGTERM
from typing import ClassVar

from sloproof.contracts.effect import Json, Undone
from sloproof.effects import delayer
from sloproof.effects.incarnation import self_incarnation
from sloproof.effects.ruled_packets import RuledPackets
from sloproof.effects.tagged import end, tagged
from sloproof.errors import EffectError

QUEUES = range(1024, 65536)
IN_USE = "/proc/self/net/netfilter/nfnetlink_queue"
LEAVING = 1.0
"""Seconds in which the delayer has let go of what it holds."""


@dataclass(frozen=True, kw_only=True)
class PacketDelay(RuledPackets):
    """Each packet to and from `port` of `host` waits `delay_ns` ± `jitter_ns`.

    The delayer ends with the process that called `apply`, and packets then pass as ever.
    """

    kind: ClassVar[str] = "packet_delay"

    delay_ns: int
    jitter_ns: int = 0
    seed: int = 0

    def capture(self) -> Json:
        """In which network the port is, and a queue that is free there.

        Raises where nobody listens any more, or where others delay these packets already: a packet
        waits in one queue only.
        """
        prior = super().capture()
        rules = self.rules(prior)
        if others := rules.queued_by_others():
            raise EffectError(f"packets of {self.host}:{self.port} wait already: {others[0]}")
        return {**prior, "queue": self._free_queue(rules.ask(("cat", IN_USE)))}

    def _free_queue(self, in_use: str) -> int:
        """A number that nobody uses; two that look at one time find different ones."""
        taken = {int(line.split()[0]) for line in in_use.splitlines() if line.strip()}
        first = zlib.crc32(str(self.owner).encode()) % len(QUEUES)
        numbers = (QUEUES[(first + n) % len(QUEUES)] for n in range(len(QUEUES)))
        return next(number for number in numbers if number not in taken)

    def apply(self, prior: Json) -> None:
        """Start the delayer, then send the packets its way, unless that is done."""
        rules = self.rules(prior)
        if next(tagged(self.owner), None) is None:
            size = (str(prior["queue"]), str(self.delay_ns), str(self.jitter_ns), str(self.seed))
            program = (sys.executable, "-I", "-S", delayer.__file__, str(self_incarnation()))
            rules.tell((*program, *size))
        target = ("NFQUEUE", "--queue-num", str(prior["queue"]), "--queue-bypass")
        rules.add(target, last=True)

    def undo(self, prior: Json) -> Undone:
        """Remove our rules, then let the delayer let go of what it holds."""
        removed = self.removed(prior)
        return Undone.REVERTED if self._dismissed() or removed else Undone.ABSENT

    def _dismissed(self) -> bool:
        """End the delayer, by force if it doesn't; False where there was none."""
        found = list(tagged(self.owner))
        for life in found:
            life.send(SIGTERM)
        deadline = time.monotonic() + LEAVING
        while any(life.alive() for life in found) and time.monotonic() < deadline:
            time.sleep(0.002)
        end(lambda: tagged(self.owner), within=2)
        return bool(found)

    def present(self, prior: Json) -> bool:
        """Whether a rule of ours is there, or its delayer."""
        return next(tagged(self.owner), None) is not None or super().present(prior)
