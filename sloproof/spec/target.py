"""The target's model; it lives in `sloproof.model.target`, where platforms may read it."""

from sloproof.model.addressing import Argv, Command, HttpCall, Late, Name, Port
from sloproof.model.stores import LedgerSpec, SqlWrite, Store, StoreCopy, Volume
from sloproof.model.target import (
    Allow,
    Discover,
    Entry,
    EventSource,
    Finder,
    Proxy,
    Role,
    Service,
    SwitchSpec,
    Target,
    TargetLink,
    TargetProbe,
    TraceSource,
)

__all__ = [
    "Allow",
    "Argv",
    "Command",
    "Discover",
    "Entry",
    "EventSource",
    "Finder",
    "HttpCall",
    "Late",
    "LedgerSpec",
    "Name",
    "Port",
    "Proxy",
    "Role",
    "Service",
    "SqlWrite",
    "Store",
    "StoreCopy",
    "SwitchSpec",
    "Target",
    "TargetLink",
    "TargetProbe",
    "TraceSource",
    "Volume",
]
