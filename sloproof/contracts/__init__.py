"""All that an extension may import.

A **fault** says what goes wrong and plans it as steps; an **effect** is one reversible change to
the world; a **platform** turns a fault's intent into effects; a **probe** takes one sample; a
**check** judges a record. Each kind is one class in one file.
"""

from sloproof.contracts.check import (
    Check,
    Evidence,
    InstanceName,
    RecoveryName,
    ServiceName,
    SloName,
    Source,
    Window,
)
from sloproof.contracts.effect import Effect, Json, Owner, Undone
from sloproof.contracts.fault import Fault, LoadChange, Repeat, Step, Where
from sloproof.contracts.platform import (
    CutMode,
    CutsLinks,
    DelaysLinks,
    Direction,
    Instance,
    KillMode,
    Kills,
    Link,
    Pauses,
    Platform,
    ResetsLinks,
    RunsCommands,
    Switches,
    ThrottlesLinks,
)
from sloproof.contracts.probe import Probe, ProbeSpec, Sample, Sense, Witness
from sloproof.model.units import Duration, Rate, Ratio, Size, Throughput
from sloproof.model.verdict import Finding, Number, Outcome

__all__ = [
    "Check",
    "CutMode",
    "CutsLinks",
    "DelaysLinks",
    "Direction",
    "Duration",
    "Effect",
    "Evidence",
    "Fault",
    "Finding",
    "Instance",
    "InstanceName",
    "Json",
    "KillMode",
    "Kills",
    "Link",
    "LoadChange",
    "Number",
    "Outcome",
    "Owner",
    "Pauses",
    "Platform",
    "Probe",
    "ProbeSpec",
    "Rate",
    "Ratio",
    "RecoveryName",
    "Repeat",
    "ResetsLinks",
    "RunsCommands",
    "Sample",
    "Sense",
    "ServiceName",
    "Size",
    "SloName",
    "Source",
    "Step",
    "Switches",
    "ThrottlesLinks",
    "Throughput",
    "Undone",
    "Where",
    "Window",
    "Witness",
]
