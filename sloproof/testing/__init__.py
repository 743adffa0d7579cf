"""What an extension's author tests with: laws for each kind, a simulated world, a scripted server.

Laws: `check_fault`, `check_effect`, `check_platform`, `check_probe`, `check_check`. Fakes:
`SimClock`, `RecordBuilder` (records written by hand), `ScriptedServer` (outages, delays and errors
at known moments).
"""

from sloproof.testing.check_laws import check_check, evidence_of
from sloproof.testing.clock import SimClock
from sloproof.testing.laws import check_effect, check_fault
from sloproof.testing.ledger import WrittenCopy, WrittenLedger
from sloproof.testing.platform_laws import check_platform
from sloproof.testing.probe_laws import check_probe
from sloproof.testing.record import RecordBuilder, WrittenFault
from sloproof.testing.server import Act, Answer, Happened, How, ScriptedServer, Served

__all__ = [
    "Act",
    "Answer",
    "Happened",
    "How",
    "RecordBuilder",
    "ScriptedServer",
    "Served",
    "SimClock",
    "WrittenCopy",
    "WrittenFault",
    "WrittenLedger",
    "check_check",
    "check_effect",
    "check_fault",
    "check_platform",
    "check_probe",
    "evidence_of",
]
