"""How the supervisor is asked to do something: one line of JSON each way over a Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

NAME = "control.sock"
MAX_LINE = 64 * 1024

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlError(Exception):
    """The supervisor is not there, or did not do what it was asked."""


class ControlServer:
    """Answers at `control.sock` in a folder that only its owner may enter."""

    def __init__(self, folder: Path, handler: Handler) -> None:
        self._path = folder / NAME
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _Short(self._path) as short:
            listener.bind(short)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE)

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the asker is gone, or sent a line that is far too long
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            command = json.loads(line)
        except ValueError:
            command = None
        if not isinstance(command, dict):
            return {"error": "a command is one JSON object on a line"}
        return await self._handler(command)


async def ask(folder: Path, command: dict[str, Any], within: float = 10.0) -> dict[str, Any]:
    """The supervisor's answer to a command, within so many seconds. Raises `ControlError`."""
    try:
        async with asyncio.timeout(within):
            with _Short(folder / NAME) as short:
                reader, writer = await asyncio.open_unix_connection(short, limit=MAX_LINE)
            try:
                writer.write(json.dumps(command).encode() + b"\n")
                answer = json.loads(await reader.readline() or b"{}")
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        raise ControlError(
            f"the supervisor does not answer: {type(error).__name__} {error}"
        ) from error
    if not isinstance(answer, dict) or not answer:
        raise ControlError("the supervisor ended the connection")
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer


class _Short:
    """A path to a socket that fits into the 108 bytes of a Unix address, however deep it lies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = -1

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)
