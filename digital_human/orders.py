"""What a person orders of the controller by command: fail back, back up, restore; one line back."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from digital_human.loopback import request
from digital_human.state_file import StateFile

PATIENCE_S = 120.0
Order = Callable[[argparse.Namespace], tuple[str, str, dict[str, Any] | None]]
ORDERS: Mapping[str, Order] = {
    "failback": lambda options: ("POST", "/failback", {"to": options.store}),
    "backup": lambda _: ("POST", "/backups", {}),
    "backups": lambda _: ("GET", "/backups", None),
    "restore": lambda options: (
        ("DELETE", "/restored", None)
        if options.drop
        else ("PUT", "/restored", {"until": options.until})
    ),
    "primary": lambda _: ("GET", "/state", None),
}
"""For each command the method, the path and the body of what the controller is asked."""


class NotDone(Exception):
    """The controller is not there, or would not do it."""


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    """Add these commands to those of the command line."""
    failback = commands.add_parser(
        "failback", parents=[shared], help="make another store the primary, losing no write"
    )
    failback.add_argument("store", help="for example store-a-1")
    commands.add_parser("backup", parents=[shared], help="take a backup now, and verify it")
    commands.add_parser("backups", parents=[shared], help="list the backups")
    restore = commands.add_parser(
        "restore", parents=[shared], help="run a scratch server with what was there at a moment"
    )
    restore.add_argument("--until", metavar="TIME", help="ISO 8601 (default: all that there is)")
    restore.add_argument("--drop", action="store_true", help="end the scratch server instead")
    primary = commands.add_parser(
        "primary", parents=[shared], help="say which store is the primary"
    )
    primary.add_argument(
        "--is", dest="expected", metavar="STORE", help="fail unless it is this one"
    )


def order(state: StateFile, options: argparse.Namespace) -> str:
    """Have the command carried out, and say in a line what came of it. Raises `NotDone`."""
    content = state.read() if state.owner() is not None else None
    if content is None:
        if options.command == "restore" and options.drop:
            return "nothing is running, so nothing is restored"
        raise NotDone("nothing is running")
    method, path, body = ORDERS[options.command](options)
    port = content["controller"]["port"]
    sent = b"" if body is None else json.dumps(body).encode()
    try:
        asked = request(port, path, method=method, body=sent, within=PATIENCE_S)
        answer = asyncio.run(asked)
        told = json.loads(answer.body)
    except (OSError, TimeoutError, ValueError) as error:
        raise NotDone(f"the controller does not answer: {error}") from error
    if answer.status >= 400:
        raise NotDone(str(told["error"]["message"]))
    if options.command == "primary":
        return _primary(told, options.expected)
    return str(told["done"]) if "done" in told else json.dumps(told)


def _primary(told: Mapping[str, Any], expected: str | None) -> str:
    found = told.get("primary")
    if found is None:
        raise NotDone("the platform stands in one place and has no store")
    if expected is not None and found != expected:
        raise NotDone(f"the primary is {found}, not {expected}")
    return str(found)
