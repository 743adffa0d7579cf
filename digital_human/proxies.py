"""The links of the system, made in its Toxiproxy."""

from __future__ import annotations

import json

from digital_human.loopback import request
from digital_human.ports import LOOPBACK
from digital_human.topology import Link


class ProxyNotMade(Exception):
    """Toxiproxy refused to make a proxy, mostly because its port is taken."""


async def make(api_port: int, link: Link) -> None:
    """Make the proxy of `link`. Raises `ProxyNotMade`."""
    wanted = {
        "name": link.proxy,
        "listen": f"{LOOPBACK}:{link.listen}",
        "upstream": f"{LOOPBACK}:{link.upstream}",
        "enabled": True,
    }
    answer = await request(api_port, "/proxies", method="POST", body=json.dumps(wanted).encode())
    if answer.status != 201:
        raise ProxyNotMade(f"{link.proxy}: {answer.status} {answer.body.decode(errors='replace')}")
