"""Doing one arrival's work: one weighted task, or one round of a sequence. Load process only.

A task set lives as long as its user, as under Locust; its `on_start` runs when it is first
entered, which the warm-up does, and again after it was left by `interrupt()`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from locust import SequentialTaskSet, TaskSet, User
from locust.exception import InterruptTaskSet

Task = Callable[..., None] | type[TaskSet]
Sets = dict[type[TaskSet], TaskSet]
"""The task sets that a user is in."""


def prepare(user: User, sets: Sets) -> None:
    """Enter every task set of `user`, so that no `on_start` is left for the arrivals."""
    waiting: list[tuple[Any, Any]] = [(user, task) for task in user.tasks]
    while waiting:
        parent, task = waiting.pop()
        if _is_set(task) and task not in sets:
            entered = _enter(parent, task, sets)
            waiting += [(entered, inner) for inner in entered.tasks]


def perform(holder: Any, task: Any, sets: Sets) -> None:
    """Do `task` of `holder` (a user or a task set) once; raises whatever the task raises."""
    if not _is_set(task):
        task() if getattr(task, "__self__", None) is holder else task(holder)
        return
    inside: Any = sets.get(task) or _enter(holder, task, sets)
    try:
        if isinstance(inside, SequentialTaskSet):
            for step in inside.tasks:
                perform(inside, step, sets)
        else:
            perform(inside, inside.get_next_task(), sets)
    except InterruptTaskSet:
        del sets[task]
        inside.on_stop()


def choose(user: type[User], seed: int, arrival: int) -> Any:
    """The task of an arrival, by the tasks' weights; the same seed, the same task."""
    tasks = user.tasks
    return tasks[0] if len(tasks) == 1 else tasks[scatter(seed, arrival) % len(tasks)]


def scatter(seed: int, number: int) -> int:
    """64 well-mixed bits from a seed and a number (SplitMix64, Steele, Lea and Flood, 2014)."""
    mask = 0xFFFFFFFFFFFFFFFF
    x = (seed * 0xD1B54A32D192ED03 + (number + 1) * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def take_any(free: list[Any], chance: random.Random) -> Any:
    """Remove and give any one of `free`, which must not be empty, in constant time."""
    at = int(chance.random() * len(free))
    free[at], free[-1] = free[-1], free[at]
    return free.pop()


def _is_set(task: object) -> bool:
    return isinstance(task, type) and issubclass(task, TaskSet)


def _enter(parent: Any, task: type[TaskSet], sets: Sets) -> TaskSet:
    inside = task(parent)
    inside.on_start()
    sets[task] = inside
    return inside
