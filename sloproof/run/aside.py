"""Doing something slow while the loop goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

WAIT = 0.005


def aside(work: Callable[[], Any], meanwhile: Callable[[], None]) -> Any:
    """What `work` gives, done in a thread while `meanwhile` is called; its error is raised here."""
    result: list[Any] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that asked
            errors.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(WAIT)
    while thread.is_alive():
        try:
            meanwhile()
        except BaseException:
            thread.join()  # what is under way must not go on beside its own undoing
            raise
        thread.join(WAIT)
    if errors:
        raise errors[0]
    return result[0]
