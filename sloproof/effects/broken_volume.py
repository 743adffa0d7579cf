"""A volume whose file system fails every access, and is mounted anew to heal it."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.loop_device import Backing, attached
from sloproof.effects.place import Mount, Place, PlaceGone
from sloproof.effects.running import run
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

EXT4_IOC_SHUTDOWN = 0x8004587D
"""From fs/ext4/ext4.h; its argument 0 writes back what is dirty first, so nothing is lost."""
SHUT = "shutdown"
"""The option that newer kernels show of an ext4 that was shut down."""
COMMAND_WITHIN = 5.0


@dataclass(frozen=True, kw_only=True)
class BrokenVolume(Effect):
    """Shuts a loop-mounted ext4 down: every open, read and write fails with EIO, open files too.

    What was written before is kept. Undone, the folder shows the same file system mounted anew, on
    a loop device of its own; files that were open before fail until they are opened again, and keep
    the old device until they are closed. For a few milliseconds between nothing is mounted there.
    """

    kind: ClassVar[str] = "broken_volume"
    deadline: ClassVar[Duration] = Duration(20_000_000_000)

    volume: str
    path: str
    namespace: str = ""
    holder: str = ""
    seen_by: Json = field(default_factory=dict)

    @property
    def _place(self) -> Place:
        return Place(self.path, self.namespace)

    def capture(self) -> Json:
        """What is mounted there, how, and the file behind it; raises where it is broken already."""
        mount = self._mounted()
        backing = Backing.of(mount.source)
        if mount.kind != "ext4" or backing is None:
            raise EffectError(f"{self.volume} is no ext4 on a loop device, but {mount.kind}")
        if self._failing(mount):
            raise EffectError(f"{self.volume} fails already: there is nothing to break")
        return {"backing": backing.path, "options": sorted(mount.options)}

    def apply(self, prior: Json) -> None:
        """Shut it down, if what was captured is still mounted there."""
        folder = self._place.opened(self._device(prior))
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", 0))
        except OSError as error:
            raise EffectError(f"{self}: {error.strerror}") from error
        finally:
            os.close(folder)

    def _device(self, prior: Json) -> int:
        mount = self._mounted()
        if mount.kind != "ext4" or Backing.of(mount.source) != Backing(prior["backing"]):
            raise EffectError(f"something else is mounted at {self.path} by now")
        return Path(mount.source).stat().st_rdev

    def undo(self, prior: Json) -> Undone:
        """Unmount it, although files are open, and mount it anew on another device."""
        try:
            mount = self._place.mount()
        except PlaceGone:
            return Undone.ABSENT
        if mount is not None:
            if not self._failing(mount):
                return Undone.ABSENT
            backing = Backing.of(mount.source)
            if backing is not None and backing.path != prior["backing"]:
                return Undone.FOREIGN
            self._run("umount", "--lazy", self.path)
        self._mount(prior)
        return Undone.REVERTED

    def _mount(self, prior: Json) -> None:
        dropped = {SHUT, "rw"} if "ro" in prior["options"] else {SHUT}
        options = ",".join(each for each in prior["options"] if each not in dropped)
        device, held = attached(Place(prior["backing"], self.namespace).reached)
        try:
            self._run("mount", "-t", "ext4", "-o", options, device, self.path)
        finally:
            os.close(held)

    def present(self, prior: Json) -> bool:
        """Whether it is shut down, or half healed: unmounted and not yet mounted anew."""
        try:
            mount = self._place.mount()
            return mount is None or self._failing(mount)
        except PlaceGone:
            return False

    def _mounted(self) -> Mount:
        mount = self._place.mount()
        if mount is None:
            raise EffectError(f"nothing is mounted at {self.path}")
        return mount

    def _failing(self, mount: Mount) -> bool:
        """As the kernel shows it; an older one is asked for a file without a name."""
        if SHUT in mount.options:
            return True
        try:
            os.close(self._place.open(os.O_TMPFILE | os.O_RDWR))
        except OSError as error:
            return error.errno == errno.EIO
        return False

    def _run(self, *argv: str) -> None:
        ended = run(self._place.inside(argv), timeout=COMMAND_WITHIN)
        if ended.status:
            raise EffectError(f"{' '.join(argv)}: {ended.complaint or ended.status}")

    def witness(self) -> Witness | None:
        """A small write, by the prober."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy whose volume it is, or the volume."""
        return self.holder or self.volume

    def touches(self) -> str:
        """The volume."""
        return f"volume {self.volume}"

    def remedy(self) -> str:
        """How to mount it anew."""
        where = " ".join(self._place.inside(())) if self._place.there() else ""
        return f"{where} umount --lazy {self.path}, then mount its image there again".strip()

    def __str__(self) -> str:
        return f"I/O errors on {self.volume}"
