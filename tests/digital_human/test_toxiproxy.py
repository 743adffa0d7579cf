"""Finding and installing the Toxiproxy server, without one and without the network."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from digital_human import toxiproxy
from digital_human.toxiproxy import (
    InstallFailed,
    Release,
    ServerNotFound,
    build,
    cached_server,
    download,
    ensure_server,
    find_server,
    release_for,
)

ROOT = Path(__file__).parents[2]
CONTENT = b"#!/bin/sh\necho a server of 70 kB\n" + b"#" * 70_000
GOOD = Release("toxiproxy-server", hashlib.sha256(CONTENT).hexdigest())
TRUNCATED = Release("truncated", GOOD.sha256)
ENDLESS = Release("endless", GOOD.sha256)


class Releases(BaseHTTPRequestHandler):
    """A release page: one file whole, one that ends too early, one that is too long."""

    def do_GET(self) -> None:
        name = self.path.removeprefix("/v2/")
        if name not in {GOOD.asset, TRUNCATED.asset, ENDLESS.asset}:
            self.send_error(404)
            return
        body = CONTENT[:-40_000] if name == TRUNCATED.asset else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        """Quiet."""


@pytest.fixture(autouse=True)
def _no_proxy_for_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def releases() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Releases) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v2"
        server.shutdown()
        thread.join()


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has nothing: a home that does not exist, an empty PATH."""
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def test_the_named_server_comes_before_the_one_on_path_and_that_before_the_cached(
    empty: dict[str, str], tmp_path: Path
) -> None:
    cached = program(cached_server(empty))
    assert find_server(empty) == cached

    on_path = program(tmp_path / "bin" / "toxiproxy-server")
    assert find_server(empty) == on_path

    named = program(tmp_path / "mine")
    assert find_server({**empty, "TOXIPROXY_SERVER": str(named)}) == named


def test_a_missing_server_is_an_error_that_says_what_to_do(empty: dict[str, str]) -> None:
    with pytest.raises(ServerNotFound, match=r"make setup.*PATH.*TOXIPROXY_SERVER"):
        find_server(empty)


@pytest.mark.parametrize("made", [False, True], ids=["absent", "not executable"])
def test_a_named_server_that_cannot_run_is_never_replaced_by_another(
    empty: dict[str, str], tmp_path: Path, made: bool
) -> None:
    program(cached_server(empty))
    named = tmp_path / "mine"
    if made:
        named.write_text("text")
    env = {**empty, "TOXIPROXY_SERVER": str(named)}

    with pytest.raises(ServerNotFound, match="mine"):
        find_server(env)
    with pytest.raises(ServerNotFound, match="mine"):
        ensure_server(env)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/h"}, "/h/.cache/sloproof/toxiproxy/2.12.0/toxiproxy-server"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c/sloproof/toxiproxy/2.12.0/toxiproxy-server"),
        (
            {"HOME": "/h", "XDG_CACHE_HOME": ""},
            "/h/.cache/sloproof/toxiproxy/2.12.0/toxiproxy-server",
        ),
    ],
)
def test_servers_are_kept_in_the_cache_folder_of_the_user(
    env: dict[str, str], expected: str
) -> None:
    assert cached_server(env) == Path(expected)


@pytest.mark.parametrize(
    ("system", "machine", "asset"),
    [
        ("Linux", "x86_64", "toxiproxy-server-linux-amd64"),
        ("Linux", "aarch64", "toxiproxy-server-linux-arm64"),
        ("Darwin", "arm64", "toxiproxy-server-darwin-arm64"),
    ],
)
def test_each_host_has_its_release(system: str, machine: str, asset: str) -> None:
    release = release_for(system, machine)
    assert release.asset == asset
    assert len(bytes.fromhex(release.sha256)) == 32


def test_a_host_without_a_pinned_checksum_is_refused() -> None:
    with pytest.raises(InstallFailed, match="Linux on riscv64"):
        release_for("Linux", "riscv64")


def test_a_download_with_the_right_checksum_can_be_run(releases: str, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "toxiproxy-server"

    assert download(GOOD, target, url=releases) == target

    assert target.read_bytes() == CONTENT
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert files_below(tmp_path) == [target]
    assert subprocess.check_output([target], text=True) == "a server of 70 kB\n"


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        pytest.param(Release(GOOD.asset, "0" * 64), f"SHA-256 is {GOOD.sha256}", id="wrong sum"),
        pytest.param(TRUNCATED, "SHA-256|incomplete", id="truncated"),
        pytest.param(Release("absent", GOOD.sha256), "404", id="absent"),
    ],
)
def test_a_download_that_is_not_the_release_leaves_nothing(
    releases: str, tmp_path: Path, release: Release, reason: str
) -> None:
    with pytest.raises(InstallFailed, match=reason):
        download(release, tmp_path / "cache" / "toxiproxy-server", url=releases)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_download_that_does_not_end_is_cut_off(
    releases: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toxiproxy, "MAX_BYTES", 60_000)
    with pytest.raises(InstallFailed, match="longer than 60000 bytes"):
        download(ENDLESS, tmp_path / "cache" / "toxiproxy-server", url=releases)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_failed_download_keeps_the_server_that_was_there(releases: str, tmp_path: Path) -> None:
    target = program(tmp_path / "toxiproxy-server", "old")
    with pytest.raises(InstallFailed):
        download(TRUNCATED, target, url=releases)
    assert target.read_text() == "old"
    assert files_below(tmp_path) == [target]


def test_nobody_answering_is_a_failed_installation(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="refused"):
        download(GOOD, tmp_path / "toxiproxy-server", url="http://127.0.0.1:1")


def test_only_web_addresses_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="not an http or https address"):
        download(GOOD, tmp_path / "toxiproxy-server", url="file:///etc")


GO_THAT_BUILDS = """#!/bin/sh
[ "$1 $2" = "install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0" ] || exit 9
for place in "$GOBIN" "$GOPATH" "$GOMODCACHE" "$GOCACHE"; do /bin/mkdir -p "$place"; done
case "$GOFLAGS" in *-modcacherw*) ;; *) exit 9 ;; esac
echo '#!/bin/sh' > "$GOBIN/server"
"""
GO_THAT_FAILS = "#!/bin/sh\necho 'go: first' >&2; echo 'go: no such module' >&2; exit 1\n"


def test_a_build_needs_no_home_and_leaves_only_the_server(
    empty: dict[str, str], tmp_path: Path
) -> None:
    program(tmp_path / "bin" / "go", GO_THAT_BUILDS)
    target = cached_server(empty)

    assert ensure_server(empty) == target

    assert os.access(target, os.X_OK)
    assert list(target.parent.iterdir()) == [target]
    assert find_server(empty) == target


@pytest.mark.parametrize(
    ("go", "reason"), [(None, "no `go` on PATH"), (GO_THAT_FAILS, "no such module")]
)
def test_a_build_that_fails_says_why_and_leaves_nothing(
    empty: dict[str, str], tmp_path: Path, go: str | None, reason: str
) -> None:
    if go:
        program(tmp_path / "bin" / "go", go)
    with pytest.raises(InstallFailed, match=reason):
        build(tmp_path / "cache" / "toxiproxy-server", empty)
    assert files_below(tmp_path / "cache") == []


def test_without_go_the_released_binary_is_installed(
    empty: dict[str, str], releases: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toxiproxy, "release_for", lambda system, machine: GOOD)
    server = ensure_server({**empty, "TOXIPROXY_DOWNLOAD_URL": releases})
    assert server.read_bytes() == CONTENT


def test_when_every_way_fails_each_reason_is_given(
    empty: dict[str, str], releases: str, tmp_path: Path
) -> None:
    program(tmp_path / "bin" / "go", GO_THAT_FAILS)
    with pytest.raises(InstallFailed, match=r"(?s)no such module.*404.*TOXIPROXY_SERVER"):
        ensure_server({**empty, "TOXIPROXY_DOWNLOAD_URL": f"{releases}/elsewhere"})


def test_a_cache_that_cannot_be_written_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallFailed, match="XDG_CACHE_HOME"):
        download(GOOD, tmp_path / "file" / "toxiproxy-server")


@pytest.mark.parametrize("found", [True, False])
def test_the_command_prints_the_server_or_says_what_to_do(tmp_path: Path, found: bool) -> None:
    named = tmp_path / "mine"
    if found:
        program(named)
    done = subprocess.run(
        [sys.executable, "-m", "digital_human.toxiproxy"],
        cwd=ROOT,
        env={**os.environ, "TOXIPROXY_SERVER": str(named)},
        capture_output=True,
        text=True,
        check=False,
    )
    if found:
        assert (done.returncode, done.stdout) == (0, f"{named}\n")
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "correct it or unset it" in done.stderr
