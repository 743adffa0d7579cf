"""Quantities with units, exact: nanoseconds and bytes are integers, ratios and rates fractions.

Text forms are the ones people write in YAML: `800ms`, `40/s`, `99.9%`, `64MiB`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

LONGEST = 3660 * 86_400 * 10**9
"""Ten years in nanoseconds: no drill or window is longer, and sums still fit 64 bits."""
_NUMBER = r"(?P<number>\d{1,12}(?:\.\d{1,12})?)"


class _Quantity:
    """What the units share: a text form for people and a place in pydantic's models."""

    __slots__ = ()
    noun: ClassVar[str]
    example: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The quantity written as `text`; raises `ValueError` with an example of what is right."""
        raise NotImplementedError

    @classmethod
    def written(cls, text: str) -> Self:
        """Like `parse`, for what people write in files: what nobody means is refused as well."""
        return cls.parse(text)

    @classmethod
    def _refuse(cls, text: object) -> ValueError:
        return ValueError(f'"{text}" is not a {cls.noun} (try {cls.example})')

    @classmethod
    def _match(cls, pattern: re.Pattern[str], text: object) -> tuple[Fraction, str]:
        found = pattern.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise cls._refuse(text)
        return Fraction(found["number"]), found["unit"]

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        def accept(value: object) -> _Quantity:
            return value if isinstance(value, cls) else cls.written(cast("str", value))

        return core_schema.no_info_plain_validator_function(
            accept, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "description": f"a {cls.noun}", "examples": [cls.example]}


def _decimal(value: Fraction) -> str:
    """`value` with the fewest decimals that say it, at most twelve; nine where none would do."""
    places = 12 if _is_decimal(value) else 9
    whole, rest = divmod(round(abs(value) * 10**places), 10**places)
    text = f"{whole}.{rest:0{places}}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 and text != "0" else text


def _is_decimal(value: Fraction) -> bool:
    return (value * 10**12).denominator == 1


@dataclass(frozen=True, slots=True, order=True)
class Duration(_Quantity):
    """A length of time in whole nanoseconds: `800ms`, `1.5s`, `5m`, `2h`, `30d`."""

    ns: int

    noun: ClassVar[str] = "duration"
    example: ClassVar[str] = "800ms"
    _units: ClassVar[dict[str, int]] = {
        "d": 86_400_000_000_000,
        "h": 3_600_000_000_000,
        "m": 60_000_000_000,
        "s": 1_000_000_000,
        "ms": 1_000_000,
        "us": 1_000,
        "ns": 1,
    }
    _pattern: ClassVar[re.Pattern[str]] = re.compile(_NUMBER + r"\s*(?P<unit>d|h|m|s|ms|us|ns)")

    @classmethod
    def parse(cls, text: str) -> Duration:
        """The duration written as `text`; a bare number is refused, for it has no unit."""
        number, unit = cls._match(cls._pattern, text)
        return cls(int(number * cls._units[unit]))

    @classmethod
    def written(cls, text: str) -> Duration:
        """Like `parse`, but at most ten years."""
        found = cls.parse(text)
        if found.ns > LONGEST:
            raise ValueError(f'"{text}" is longer than ten years')
        return found

    @classmethod
    def of(cls, seconds: float) -> Duration:
        """`seconds` as a duration, to the nearest nanosecond."""
        return cls(round(seconds * 1e9))

    @property
    def seconds(self) -> float:
        """The same length in seconds."""
        return self.ns / 1e9

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.ns + other.ns)

    def __sub__(self, other: Duration) -> Duration:
        return Duration(self.ns - other.ns)

    def __mul__(self, factor: float) -> Duration:
        return Duration(round(self.ns * factor))

    def __str__(self) -> str:
        for unit, size in self._units.items():
            if abs(self.ns) >= size and unit not in "dhm":
                return f"{_decimal(Fraction(self.ns, size))}{unit}"
        return "0s"


@dataclass(frozen=True, slots=True, order=True)
class Rate(_Quantity):
    """How often something happens, exact, in events per second: `40/s`, `600/m`."""

    per_second: Fraction

    noun: ClassVar[str] = "rate"
    example: ClassVar[str] = "40/s"
    _units: ClassVar[dict[str, int]] = {"s": 1, "m": 60, "h": 3600}
    _pattern: ClassVar[re.Pattern[str]] = re.compile(_NUMBER + r"\s*/\s*(?P<unit>s|m|h)")

    @classmethod
    def parse(cls, text: str) -> Rate:
        """The rate written as `text`."""
        number, unit = cls._match(cls._pattern, text)
        return cls(number / cls._units[unit])

    def __float__(self) -> float:
        return float(self.per_second)

    def __str__(self) -> str:
        for unit, seconds in self._units.items():
            if _is_decimal(self.per_second * seconds):
                return f"{_decimal(self.per_second * seconds)}/{unit}"
        return f"{_decimal(self.per_second)}/s"


@dataclass(frozen=True, slots=True, order=True)
class Ratio(_Quantity):
    """A share of a whole, exact, between 0 and 1: `99.9%`."""

    value: Fraction

    noun: ClassVar[str] = "percentage between 0% and 100%"
    example: ClassVar[str] = "99.9%"
    _pattern: ClassVar[re.Pattern[str]] = re.compile(_NUMBER + r"\s*(?P<unit>%)")

    @classmethod
    def parse(cls, text: str) -> Ratio:
        """The ratio written as `text`, with its per cent sign."""
        number, _ = cls._match(cls._pattern, text)
        if number > 100:
            raise cls._refuse(text)
        return cls(number / 100)

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return f"{_decimal(self.value * 100)}%"


@dataclass(frozen=True, slots=True, order=True)
class Size(_Quantity):
    """An amount of data in bytes: `64MiB`, `1.5GB`, `100B`."""

    bytes: int

    noun: ClassVar[str] = "size"
    example: ClassVar[str] = "64MiB"
    units: ClassVar[dict[str, int]] = {
        "GiB": 1 << 30,
        "GB": 10**9,
        "MiB": 1 << 20,
        "MB": 10**6,
        "KiB": 1 << 10,
        "kB": 10**3,
        "B": 1,
    }
    _pattern: ClassVar[re.Pattern[str]] = re.compile(
        _NUMBER + r"\s*(?P<unit>B|kB|KiB|MB|MiB|GB|GiB)"
    )

    @classmethod
    def parse(cls, text: str) -> Size:
        """The size written as `text`."""
        number, unit = cls._match(cls._pattern, text)
        return cls(int(number * cls.units[unit]))

    def __str__(self) -> str:
        for unit, size in self.units.items():
            if self.bytes >= size and self.bytes % size == 0:
                return f"{self.bytes // size}{unit}"
        return f"{self.bytes}B"


@dataclass(frozen=True, slots=True, order=True)
class Throughput(_Quantity):
    """An amount of data per second: `64KiB/s`."""

    bytes_per_second: int

    noun: ClassVar[str] = "throughput"
    example: ClassVar[str] = "64KiB/s"
    _pattern: ClassVar[re.Pattern[str]] = re.compile(
        _NUMBER + r"\s*(?P<unit>B|kB|KiB|MB|MiB|GB|GiB)\s*/\s*s"
    )

    @classmethod
    def parse(cls, text: str) -> Throughput:
        """The throughput written as `text`."""
        number, unit = cls._match(cls._pattern, text)
        return cls(int(number * Size.units[unit]))

    def __str__(self) -> str:
        return f"{Size(self.bytes_per_second)}/s"
