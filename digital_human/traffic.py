"""Where the gateway sends its traffic: the file of endpoints that Envoy reads, region by region.

Each region has a priority. Envoy sends everything to the first one while at least 71 % of it is
healthy, and what is missing to the next (1 / 1.4, its overprovisioning factor).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digital_human.ports import LOOPBACK

CLUSTER = "dialogue"
ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


@dataclass(frozen=True, slots=True)
class Traffic:
    """The endpoints of each region, and the file in which Envoy finds them."""

    file: Path
    regions: Mapping[str, Sequence[int]]

    def shift(self, first: str) -> None:
        """Let that region have the traffic, the others after it. Raises `KeyError`, `OSError`."""
        order = sorted(self.regions, key=lambda region: (region != first, region))
        if first not in self.regions:
            raise KeyError(first)
        localities = [
            {
                "priority": priority,
                "locality": {"region": region},
                "lb_endpoints": [_endpoint(port) for port in self.regions[region]],
            }
            for priority, region in enumerate(order)
        ]
        resource = {"@type": ASSIGNMENT, "cluster_name": CLUSTER, "endpoints": localities}
        # Envoy hears of a file that was moved there, not of one that was written to.
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps({"resources": [resource]}, indent=2) + "\n")
        draft.replace(self.file)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        regions = {region: list(ports) for region, ports in self.regions.items()}
        return {"file": str(self.file), "regions": regions}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Traffic:
        """What `to_json` wrote."""
        return cls(Path(data["file"]), data["regions"])


def _endpoint(port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": LOOPBACK, "port_value": port}}
    return {"endpoint": {"address": address}}
