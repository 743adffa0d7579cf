"""A system in two regions, as its tests see it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import psycopg

from tests.digital_human.system import System, eventually, http


class Regions(System):
    """The drill profile: two regions, a primary in a, its standby in b."""

    def __init__(self, path: Path, *overrides: str) -> None:
        super().__init__(path, *overrides, profile="drill")

    @property
    def primary(self) -> str:
        """Who is the primary, by the roles that everybody reads."""
        name: str = json.loads((Path(self.state["folder"]) / "roles.json").read_text())["primary"]
        return name

    def ask(self, store: str, query: str) -> list[tuple[Any, ...]]:
        """The rows that a store gives, asked directly."""
        url = self.state["services"][store.replace("-", "_")]["url"]
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def notes(self, store: str) -> set[str]:
        """The keys of all notes that a store has."""
        found = self.ask(
            store, "select id from shard_0.notes union all select id from shard_1.notes"
        )
        return {row[0] for row in found}

    def cached(self, region: str) -> set[str]:
        """The keys that the region's Valkey has."""
        port = self.state["services"][f"cache_{region}_1"]["port"]
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"KEYS *\r\nQUIT\r\n")
            with connection.makefile("rb") as answer:
                lines = answer.read().decode().splitlines()
        return {line for line in lines if not line.startswith(("$", "*", "+"))}

    def note(self, key: str) -> int:
        """Write a note through the gateway; the status of the answer."""
        return http("PUT", f"{self.url}/notes/{key}", {"text": key}).status

    def follows(self, standby: str) -> bool:
        """Whether the primary streams to this store."""
        found = self.ask(self.primary, "select application_name, state from pg_stat_replication")
        return (standby, "streaming") in found

    def events(self, problem: str) -> list[str]:
        """The kinds of the controller's events about a problem, in order."""
        lines = self.lines("controller_events")
        return [line["kind"] for line in lines if line["problem"] == problem]

    def failed_over(self, to: str) -> None:
        """Return once `to` is the primary, and that is verified."""
        eventually(lambda: self.primary == to and "lesson" in self.events("primary_lost"))

    def whole(self) -> None:
        """Return once the stores follow each other and every copy is well."""
        other = {"store-a-1": "store-b-1", "store-b-1": "store-a-1"}[self.primary]
        eventually(lambda: self._healed() and self.follows(other), within=40)
