"""Where the Toxiproxy server is, and how it gets there.

`find_server` looks and never installs. `python -m digital_human.toxiproxy`, which `make setup`
runs, installs what is not found: built by the Go toolchain, whose checksum database vouches for
the source; without Go, or where that fails, the project's released binary, held to a SHA-256 that
stands in this file. Everything is put together in a folder beside its final place and renamed
there as the last step, so a failure leaves nothing behind and two installations don't collide.

| variable | meaning |
|---|---|
| `TOXIPROXY_SERVER` | the server to use; nothing else is looked at |
| `XDG_CACHE_HOME` | where installed servers are kept (`~/.cache` unless set) |
| `TOXIPROXY_DOWNLOAD_URL` | where the released binaries are, for a mirror |
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

VERSION = "2.12.0"
GO_PACKAGE = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
DOWNLOAD_URL = f"https://github.com/Shopify/toxiproxy/releases/download/v{VERSION}"

BUILD_TIMEOUT_S = 600
SILENCE_TIMEOUT_S = 30
MAX_BYTES = 64 * 1024 * 1024


class ToxiproxyError(Exception):
    """What this module raises; the message says what to do."""


class ServerNotFound(ToxiproxyError):
    """No Toxiproxy server where one is looked for."""


class InstallFailed(ToxiproxyError):
    """The server could not be installed; nothing was left behind."""


@dataclass(frozen=True, slots=True)
class Release:
    """A released binary: the file's name and the SHA-256 of its content, in hexadecimal."""

    asset: str
    sha256: str


# From the `checksums.txt` of release 2.12.0.
RELEASES: Mapping[tuple[str, str], Release] = {
    ("linux", "amd64"): Release(
        "toxiproxy-server-linux-amd64",
        "556d891134a3c582dc1e1a3f7335fd55142e5965769855a00b944e13e48302fc",
    ),
    ("linux", "arm64"): Release(
        "toxiproxy-server-linux-arm64",
        "53e770c1c3035b5a9f1bc629fce537db1f95f62b26f4ebe6e756afd701cf077c",
    ),
    ("darwin", "amd64"): Release(
        "toxiproxy-server-darwin-amd64",
        "9625bba4bd96117eedae49f982aba4c2f462b268dd406c9ff18186f9b1ef8afe",
    ),
    ("darwin", "arm64"): Release(
        "toxiproxy-server-darwin-arm64",
        "aa299966b52f16a8594f1cd0d1e9049dc2e8fe2c04a90c19860e2719b2b95d15",
    ),
}
GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def find_server(env: Mapping[str, str] = os.environ) -> Path:
    """The server that is installed: the one named in `env`, one on PATH, or the cached one.

    Raises `ServerNotFound`, also when `TOXIPROXY_SERVER` names something that can't be run.
    """
    if named := env.get("TOXIPROXY_SERVER"):
        if _can_run(Path(named)):
            return Path(named).absolute()
        raise ServerNotFound(
            f"TOXIPROXY_SERVER is {named!r}, which is not a program that can be run; "
            "correct it or unset it"
        )
    if on_path := shutil.which("toxiproxy-server", path=env.get("PATH", os.defpath)):
        return Path(on_path).absolute()
    if _can_run(cached := cached_server(env)):
        return cached
    raise ServerNotFound(
        f"no Toxiproxy server: not on PATH, and nothing at {cached}. Run `make setup`, "
        "or put toxiproxy-server on PATH, or name it in TOXIPROXY_SERVER"
    )


def cached_server(env: Mapping[str, str] = os.environ) -> Path:
    """Where an installed server is kept, whether it is there or not."""
    home = Path(env["HOME"]) if env.get("HOME") else Path("~").expanduser()
    cache = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else home / ".cache"
    return cache.absolute() / "sloproof" / "toxiproxy" / VERSION / "toxiproxy-server"


def ensure_server(env: Mapping[str, str] = os.environ) -> Path:
    """The installed server, after installing it if there is none.

    Raises `InstallFailed` with the reason of every way tried.
    """
    try:
        return find_server(env)
    except ServerNotFound:
        if env.get("TOXIPROXY_SERVER"):
            raise
    target = cached_server(env)
    try:
        return build(target, env)
    except InstallFailed as unbuilt:
        try:
            release = release_for(platform.system(), platform.machine())
            return download(release, target, url=env.get("TOXIPROXY_DOWNLOAD_URL") or DOWNLOAD_URL)
        except InstallFailed as unfetched:
            raise InstallFailed(
                f"Toxiproxy {VERSION} could not be installed.\n"
                f"  built from source: {unbuilt}\n"
                f"  released binary: {unfetched}\n"
                "Install Go 1.23 or later, or put toxiproxy-server on PATH, "
                "or name it in TOXIPROXY_SERVER."
            ) from unfetched


def build(target: Path, env: Mapping[str, str] = os.environ) -> Path:
    """Build the pinned version with the Go toolchain on PATH and put it at `target`.

    Everything Go writes stays in a folder that is removed, so no home folder is needed.
    """
    go = shutil.which("go", path=env.get("PATH", os.defpath))
    if go is None:
        raise InstallFailed("there is no `go` on PATH")
    with _workshop(target) as workshop:
        places = {
            "GOBIN": str(workshop / "bin"),
            "GOPATH": str(workshop / "path"),
            "GOMODCACHE": str(workshop / "modules"),
            "GOCACHE": str(workshop / "cache"),
            # Without this Go write-protects its module cache, which then can't be removed.
            "GOFLAGS": f"{env.get('GOFLAGS', '')} -modcacherw".strip(),
        }
        try:
            subprocess.run(
                [go, "install", GO_PACKAGE],
                env={**env, **places},
                cwd=workshop,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BUILD_TIMEOUT_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip() or f"exit status {error.returncode}").splitlines()[-1]
            raise InstallFailed(f"`go install {GO_PACKAGE}` failed: {last}") from error
        except subprocess.TimeoutExpired as error:
            raise InstallFailed(f"`go install` took more than {BUILD_TIMEOUT_S} s") from error
        return _put_in_place(workshop / "bin" / "server", target)


def release_for(system: str, machine: str) -> Release:
    """The released binary for a host, named as by `platform.system` and `platform.machine`."""
    host = system.lower(), GO_NAMES.get(machine.lower(), machine.lower())
    if host not in RELEASES:
        raise InstallFailed(f"no checksum is pinned for {system} on {machine}")
    return RELEASES[host]


def download(release: Release, target: Path, *, url: str = DOWNLOAD_URL) -> Path:
    """Fetch `release` from the folder at `url` and put it at `target`, if its checksum is right."""
    source = f"{url.rstrip('/')}/{release.asset}"
    if not source.startswith(("https://", "http://")):
        raise InstallFailed(f"{source} is not an http or https address")
    with _workshop(target) as workshop:
        fetched = workshop / release.asset
        try:
            digest = _fetch(source, fetched)
        except (OSError, HTTPException) as error:
            raise InstallFailed(f"{source}: {error}") from error
        if digest != release.sha256:
            raise InstallFailed(
                f"{source} is not the released file: its SHA-256 is {digest}, "
                f"it should be {release.sha256}"
            )
        return _put_in_place(fetched, target)


def _fetch(source: str, into: Path) -> str:
    """Write what `source` answers, and say the SHA-256 of what was written."""
    digest = hashlib.sha256()
    written = 0
    with (
        # The scheme was checked by the caller.
        urllib.request.urlopen(source, timeout=SILENCE_TIMEOUT_S) as answer,  # noqa: S310
        into.open("wb") as file,
    ):
        while chunk := answer.read(1 << 16):
            written += file.write(chunk)
            if written > MAX_BYTES:
                raise InstallFailed(f"{source} is longer than {MAX_BYTES} bytes")
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """A folder on the file system of `target`, so that a rename into place is atomic."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".installing-", dir=target.parent)
    except OSError as error:
        raise InstallFailed(
            f"{target.parent} can't be written ({error}); set XDG_CACHE_HOME to a folder that can"
        ) from error
    with folder as name:
        yield Path(name)


def _put_in_place(built: Path, target: Path) -> Path:
    built.chmod(0o755)
    return built.replace(target)


def _can_run(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def main() -> int:
    """Install the server unless it is there, and print where it is."""
    try:
        server = ensure_server()
    except ToxiproxyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{server}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
