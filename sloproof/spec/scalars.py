"""What an unquoted word of YAML means: YAML 1.2's core, and no to what YAML 1.1 makes of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?[0-9]+\.[0-9]+([eE][-+][0-9]+)?")
_SWITCH = re.compile(r"(?i:yes|no|on|off)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_OTHER_NUMBER = re.compile(
    r"[-+]?(0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7]+|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?)"
    r"|[-+]?\.(?i:inf|nan)|[-+]?[0-9]+\.|[-+]?\.[0-9]+"
)


def read_plain(text: str) -> Scalar:
    """The value of an unquoted word; text where it is nothing else."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < 19:
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


@dataclass(frozen=True, slots=True)
class Misread:
    """A word that isn't read as it was meant: how it is read, and what to write instead.

    The advice holds where the word would do; where it wouldn't, what is expected is said instead.
    """

    reading: str
    advice: str

    def __str__(self) -> str:
        return f"{self.reading}: {self.advice}"


def mangled(text: str) -> Misread | None:
    """Why an unquoted word is refused, or None if all readers of YAML agree about it."""
    quoted = f'quote it: "{text}"'
    if _SWITCH.fullmatch(text):
        meaning = "true" if text.lower() in {"yes", "on"} else "false"
        return Misread(f"YAML reads {text} as {meaning}", f"write {meaning}, or {quoted}")
    if _SEXAGESIMAL.fullmatch(text):
        seconds = 0.0
        for part in text.lstrip("+-").split(":"):
            seconds = seconds * 60 + float(part)
        return Misread(f"YAML reads {text} as the number {seconds:g}", f"give a unit, or {quoted}")
    if _OTHER_NUMBER.fullmatch(text):
        reading = f"readers of YAML differ about {text}"
        return Misread(reading, f"write a plain number, or {quoted}")
    return None


def loses_digits(text: str, value: Scalar) -> bool:
    """Whether a number says less than its text: `1.10` is 1.1."""
    return isinstance(value, float) and repr(value) != text
