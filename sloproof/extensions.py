"""Finds faults, probes, checks, platforms and effects: by folder, and by entry point.

A folder is the registry: each file in it is one extension, and the file's name is its kind. The
built-in folders come first, then the project's, then installed packages (entry points of the
group `sloproof`, named `fault.NAME`, `check.NAME`, …). A name that comes twice is an error, and a
broken extension raises `ExtensionError` with its own file and line: nothing is ever skipped.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import sloproof
from sloproof.contracts import Check, Effect, Fault, Platform, Probe
from sloproof.contracts.effect import PRIVATE
from sloproof.errors import ExtensionError, said

T = TypeVar("T")
ENTRY_POINTS = "sloproof"
_PACKAGE = Path(sloproof.__file__).parent


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of extensions; `package` is its dotted name where its files are a package's.

    Messages name its files from `root` on.
    """

    path: Path
    package: str = ""
    root: Path | None = None

    def files(self) -> dict[str, Path]:
        """Its files by kind; those that begin with an underscore are not extensions."""
        found = sorted(self.path.glob("*.py"))
        return {file.stem: file for file in found if not file.stem.startswith("_")}


@dataclass(frozen=True, slots=True)
class Source:
    """Where one extension comes from: a file, or an entry point of a distribution."""

    name: str
    file: Path | None = None
    package: str = ""
    entry_point: importlib.metadata.EntryPoint | None = None
    root: Path | None = None

    def __str__(self) -> str:
        if self.file is None:
            return f"entry point {self.entry_point.value if self.entry_point else ''}"
        return str(self.file.relative_to(self.root) if self.root else self.file)

    def module(self) -> ModuleType:
        """The file's module: a package's by its own name, others under a private one."""
        assert self.file is not None  # noqa: S101 - entry points are loaded by `Kinds`
        if self.package:
            return importlib.import_module(f"{self.package}.{self.name}")
        digest = hashlib.sha256(str(self.file.resolve()).encode()).hexdigest()[:12]
        private = f"{PRIVATE}{digest}_{self.name}"
        if private in sys.modules:
            return sys.modules[private]
        spec = importlib.util.spec_from_file_location(private, self.file)
        if spec is None or spec.loader is None:
            raise ExtensionError("can't be loaded as Python", str(self))
        module = importlib.util.module_from_spec(spec)
        sys.modules[private] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[private]
            raise
        return module


class Kinds(Mapping[str, type[T]], Generic[T]):
    """The extensions of one contract by kind; each is loaded when it is first asked for."""

    def __init__(self, contract: Any, noun: str, folders: tuple[Folder, ...]) -> None:
        self._contract = contract
        self._noun = noun
        self._folders = folders
        self._loaded: dict[str, type[T]] = {}

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Where each comes from; raises `ExtensionError` for a name that comes twice."""
        sources: dict[str, Source] = {}
        for source in self._all_sources():
            other = sources.setdefault(source.name, source)
            if other is not source:
                raise ExtensionError(
                    f"{self._noun} {source.name!r} is defined twice: in {other} and in {source}"
                )
        return sources

    def _all_sources(self) -> Iterator[Source]:
        for folder in self._folders:
            for name, file in folder.files().items():
                yield Source(name, file=file, package=folder.package, root=folder.root)
        prefix = f"{self._noun}."
        for point in _entry_points(tuple(sys.path)):
            if point.name.startswith(prefix):
                yield Source(point.name.removeprefix(prefix), entry_point=point)

    def __getitem__(self, kind: str) -> type[T]:
        if kind not in self._loaded:
            self._loaded[kind] = self._load(self.sources[kind])
        return self._loaded[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def __contains__(self, kind: object) -> bool:
        return kind in self.sources

    def _load(self, source: Source) -> type[T]:
        found = self._defined(source)
        if len(found) != 1:
            names = ", ".join(each.__name__ for each in found) or "none"
            message = f"defines {names}, but one {self._contract.__name__} it must be"
            raise ExtensionError(message, str(source))
        return self._fitting(found[0], source)

    def _defined(self, source: Source) -> list[Any]:
        """What a source has of the contract; `ExtensionError` for whatever its code raises."""
        try:
            if source.entry_point is not None:
                return [source.entry_point.load()]
            return self._classes(source.module())
        except (ExtensionError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise _broken(source, error) from error

    def _classes(self, module: ModuleType) -> list[Any]:
        return [
            value
            for name, value in vars(module).items()
            if inspect.isclass(value)
            and issubclass(value, self._contract)
            and value.__module__ == module.__name__
            and not name.startswith("_")
        ]

    def _fitting(self, found: Any, source: Source) -> type[T]:
        fits = inspect.isclass(found) and issubclass(found, self._contract)
        if not fits:
            message = f"{found!r} is not a {self._contract.__name__}"
            raise ExtensionError(message, str(source))
        kind = getattr(found, "kind", "") or source.name
        if kind != source.name:
            message = (
                f"its {self._contract.__name__} {found.__name__} has the kind {kind!r}, "
                f"so it belongs in {kind}.py"
            )
            raise ExtensionError(message, str(source))
        if inspect.isabstract(found):
            missing = ", ".join(sorted(found.__abstractmethods__))
            raise ExtensionError(f"{found.__name__} lacks {missing}", str(source))
        fitting: type[T] = found
        return fitting


class Effects(Kinds[Effect]):
    """Effects are known by their class's `kind`; a file may hold several that belong together."""

    @cached_property
    def _by_kind(self) -> Mapping[str, type[Effect]]:
        found: dict[str, type[Effect]] = {}
        for source in self.sources.values():
            for each in self._of(source):
                other = found.setdefault(each.kind, each)
                if other is not each:
                    raise ExtensionError(
                        f"effect {each.kind!r} is defined twice: in {inspect.getfile(other)} "
                        f"and in {source}"
                    )
        return found

    def _of(self, source: Source) -> list[Any]:
        if source.entry_point is not None:
            return [self._load(source)]
        return [each for each in self._defined(source) if not inspect.isabstract(each)]

    def __getitem__(self, kind: str) -> type[Effect]:
        return self._by_kind[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_kind)

    def __len__(self) -> int:
        return len(self._by_kind)

    def __contains__(self, kind: object) -> bool:
        return kind in self._by_kind


@lru_cache(maxsize=8)
def _entry_points(path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """The entry points of packages on an import path; remembered, for looking takes 10 ms."""
    found = importlib.metadata.distributions(path=list(path))
    points = (point for each in found for point in each.entry_points)
    return tuple(dict.fromkeys(point for point in points if point.group == ENTRY_POINTS))


def _broken(source: Source, error: BaseException) -> ExtensionError:
    """What an extension's file raised, with the line to look at: the last one inside the file."""
    if isinstance(error, SyntaxError) and error.filename:
        own = error.filename == str(source.file)
        file = str(source) if own else error.filename
        return ExtensionError(f"is not Python: {error.msg}", file, error.lineno or 0)
    inside = [
        frame.lineno or 0
        for frame in traceback.extract_tb(error.__traceback__)
        if source.file is not None and frame.filename == str(source.file)
    ]
    return ExtensionError(f"doesn't load: {said(error)}", str(source), inside[-1] if inside else 0)


@dataclass(frozen=True)
class Extensions:
    """All extensions that a project sees, by contract and kind; nothing loads before it is used."""

    faults: Mapping[str, type[Fault]]
    checks: Mapping[str, type[Check]]
    probes: Mapping[str, type[Probe]]
    platforms: Mapping[str, type[Platform]]
    effects: Mapping[str, type[Effect]]

    @classmethod
    def of(cls, project: Path | None = None) -> Extensions:
        """The built-in ones, those in the folders of `project`, and those of installed packages."""
        return cls(
            faults=Kinds(Fault, "fault", _folders(builtin("fault_injectors"), "", project)),
            checks=Kinds(
                Check, "check", _folders(_PACKAGE / "judge" / "checks", "sloproof.judge", project)
            ),
            probes=Kinds(
                Probe, "probe", _folders(_PACKAGE / "run" / "probes", "sloproof.run", project)
            ),
            platforms=Kinds(
                Platform, "platform", _folders(_PACKAGE / "platforms", "sloproof", None)
            ),
            effects=Effects(Effect, "effect", _folders(_PACKAGE / "effects", "sloproof", None)),
        )


def builtin(folder: str) -> Path:
    """A built-in folder: inside the package in a wheel, beside it in a checkout."""
    packed = _PACKAGE / "_builtin" / folder
    return packed if packed.is_dir() else _PACKAGE.parent / folder


def _folders(own: Path, parent: str, project: Path | None) -> tuple[Folder, ...]:
    """The built-in folder and the project's of the same name, once if they are the same."""
    folders = [Folder(own, f"{parent}.{own.name}" if parent else "")]
    if project is not None:
        theirs = project / own.name
        if theirs.resolve() != own.resolve():
            folders.append(Folder(theirs, root=project))
    return tuple(folders)
