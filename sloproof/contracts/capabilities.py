"""What a platform can do to a target: small capabilities, one method each, whose meaning is exact.

A platform has the capabilities that are among its base classes. Where the host can't do exactly
what one says, `Platform.lacks` gives the reason and what would help; nothing similar is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from sloproof.contracts.effect import Effect
from sloproof.contracts.platform import CutMode, Direction, Instance, KillMode, Link
from sloproof.model.units import Duration, Ratio, Size, Throughput


class Kills(ABC):
    """Ends instances."""

    @abstractmethod
    def kill(self, instance: Instance, mode: KillMode, signal: str, grace: Duration) -> Effect:
        """End this incarnation; `signal` and `grace` matter to `crash` and `delete` alike."""


class Pauses(ABC):
    """Stops instances where they stand, connections open, and lets them go on."""

    @abstractmethod
    def pause(self, instance: Instance) -> Effect:
        """Stop this incarnation until undone."""


class DelaysLinks(ABC):
    """Lets bytes on a link arrive later, those of connections older than the fault included."""

    @abstractmethod
    def delay(self, link: Link, delay: Duration, jitter: Duration, direction: Direction) -> Effect:
        """Each chunk waits `delay` ± `jitter` in the given direction (`both`: each way)."""


class ThrottlesLinks(ABC):
    """Limits the throughput of a link."""

    @abstractmethod
    def throttle(self, link: Link, rate: Throughput, direction: Direction) -> Effect:
        """Each connection gets at most `rate`."""


class ResetsLinks(ABC):
    """Resets the connections of a link."""

    @abstractmethod
    def reset(self, link: Link, after: Duration) -> Effect:
        """Connections, old ones included, are reset `after` their next byte."""


class CutsLinks(ABC):
    """Cuts links."""

    @abstractmethod
    def cut(self, link: Link, mode: CutMode) -> Effect:
        """Nothing passes until undone; `mode` says what a caller sees."""


class RunsCommands(ABC):
    """Runs the user's own commands as an effect."""

    @abstractmethod
    def command(
        self,
        apply: Sequence[str],
        undo: Sequence[str],
        observe: Sequence[str],
        timeout: Duration,
    ) -> Effect:
        """`apply` brings it about, `undo` takes it back, `observe` exits 0 while it is present."""


class Switches(ABC):
    """Uses what only the target itself can do, declared as switches in its file."""

    @abstractmethod
    def switch(self, instance: Instance, name: str, values: Mapping[str, object]) -> Effect:
        """Set the switch `name` of this instance to `values`; undo resets it."""

    @abstractmethod
    def fail_requests(self, instance: Instance, status: int, share: Ratio) -> Effect:
        """Let `share` of the requests to this instance fail with `status`."""


class FillsVolumes(ABC):
    """Takes the room on a volume of the target that has a size of its own."""

    @abstractmethod
    def fill(self, volume: str, used: Ratio | None, free: Size | None, hold: bool) -> Effect:
        """Leave `free`, or fill until the share `used` of the volume is in use; exactly one.

        With `hold` so much stays free, whatever others write and remove; else they may use it.
        """


class BreaksVolumes(ABC):
    """Lets a volume fail."""

    @abstractmethod
    def break_volume(self, volume: str) -> Effect:
        """Every open, read and write fails with an input/output error, on files open before, too.

        Undone, files opened from then on are well again, with all that was written before; those
        open since before fail until they are opened anew.
        """


class SlowsVolumes(ABC):
    """Lets a volume be slow."""

    @abstractmethod
    def slow_volume(self, volume: str, delay: Duration) -> Effect:
        """Each read and write of a file takes `delay` longer, whatever its length.

        So for all files that were opened since the volume was armed.
        """


class DropsPackets(ABC):
    """Loses packets of a link; connections feel it as retransmissions."""

    @abstractmethod
    def drop_packets(self, link: Link, share: Ratio, direction: Direction) -> Effect:
        """`share` of the packets is lost, each by chance and for itself, handshakes included."""


class DelaysPackets(ABC):
    """Lets packets of a link arrive later; unlike a proxy it delays the handshake, too."""

    @abstractmethod
    def delay_packets(
        self, link: Link, delay: Duration, jitter: Duration, direction: Direction
    ) -> Effect:
        """Each packet waits `delay` ± `jitter` in the given direction (`both`: each way)."""


class LoadsCpu(ABC):
    """Takes processor time from an instance, inside of the target's own limits."""

    @abstractmethod
    def load_cpu(self, instance: Instance, cores: int, load: Ratio) -> Effect:
        """`cores` processors are each busy for `load` of the time, beside the instance."""


class PressesMemory(ABC):
    """Takes memory from an instance, inside of the target's own limits."""

    @abstractmethod
    def press_memory(self, instance: Instance, size: Size) -> Effect:
        """`size` of memory is held, touched and resident, beside the instance."""


class SkewsClocks(ABC):
    """Shifts the wall clock that an instance sees; time goes on at its own pace."""

    @abstractmethod
    def skew_clock(self, instance: Instance, ahead: Duration, behind: Duration) -> Effect:
        """The wall clock is `ahead` or `behind` (the other is 0); the monotonic one stays."""


class FailsNames(ABC):
    """Lets an instance look names up in vain."""

    @abstractmethod
    def fail_names(self, instance: Instance, names: Sequence[str]) -> Effect:
        """Look-ups of `names` (every name where there are none) get no address."""


class ExhaustsFiles(ABC):
    """Lets an instance run out of file descriptors."""

    @abstractmethod
    def exhaust_files(self, instance: Instance, left: int) -> Effect:
        """The instance can open `left` more; those open already stay open."""


class FillsConnections(ABC):
    """Takes the connections that a store accepts."""

    @abstractmethod
    def fill_connections(self, instance: Instance, left: int) -> Effect:
        """So many connections are held that ordinary clients can open `left` more."""


class DelaysReplay(ABC):
    """Lets a standby apply late what it has received."""

    @abstractmethod
    def delay_replay(self, instance: Instance, delay: Duration) -> Effect:
        """Changes become visible on this standby `delay` after they were committed."""
