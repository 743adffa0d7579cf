"""Being on time on a machine whose every core is wanted by the target and its load.

Prober and load stand for people and watchers who, in the world, bring computers of their own: the
target must not keep them from asking in time. Measured with both cores of two taken: 99 % of
samples go out within 15 ms as an ordinary process, within 1.2 ms under round-robin real-time
scheduling, which costs the target nothing but the short work of each sample. A process that
computes instead of waiting loses the precedence, so that it can't take a core from the target.
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress

LONGEST_WORK_US = 100_000
"""How long the process may work without waiting before it becomes an ordinary one."""

NICE = -10


def take_precedence() -> str:
    """Run before ordinary processes, as far as that is allowed; what is started later does not.

    Gives how the process is scheduled now: `round-robin`, `nice` or `ordinary`.
    """
    signal.signal(signal.SIGXCPU, lambda *_: yield_precedence())
    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
        resource.setrlimit(resource.RLIMIT_RTTIME, (LONGEST_WORK_US, hard))
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))
        return "round-robin"
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return "nice"
    return "ordinary"


def yield_precedence() -> None:
    """Run like any other process."""
    os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
