"""A shop that keeps each order as a file: `python -m tests.system.orders PORT FOLDER [BUDGET]`.

`POST /` writes one durably and answers 201, or 507 where there is no room for it; `GET /` tells how
many there are. With BUDGET, in bytes, it lets no more than that into the folder. With the variable
STUBBORN set, it answers 500 in place of 507.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import ClassVar

ORDER = b"x" * 16384


class Orders(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path]
    budget: ClassVar[int] = 0
    number: ClassVar = count(1)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        file = self.folder / f"order-{next(self.number)}"
        try:
            self._keep(file)
        except OSError:
            with suppress(OSError):  # a disk that fails doesn't remove either
                file.unlink(missing_ok=True)
            self._answer(500 if os.environ.get("STUBBORN") else 507)
        else:
            self._answer(201)

    def _keep(self, file: Path) -> None:
        if self.budget:
            used = sum(each.stat().st_size for each in self.folder.iterdir())
            if used + len(ORDER) > self.budget:
                raise OSError("over budget")
        with file.open("wb") as order:
            order.write(ORDER)
            order.flush()
            os.fsync(order.fileno())

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


def main(port: str, folder: str, budget: str = "0") -> None:
    """Serve until a signal comes."""
    Orders.folder, Orders.budget = Path(folder), int(budget)
    Orders.folder.mkdir(parents=True, exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", int(port)), Orders).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
