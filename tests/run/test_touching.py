"""Two runs are kept apart by what they touch, not by how their files spell it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sloproof.model.addressing import Command, HttpCall
from sloproof.model.stores import Store, StoreCopy
from sloproof.model.target import (
    Discover,
    Entry,
    Finder,
    Proxy,
    Service,
    SwitchSpec,
    Target,
    TargetLink,
)
from sloproof.run.busy import Holder, TargetBusy
from sloproof.run.claim import place_of
from sloproof.run.lock import TargetLock
from sloproof.run.touching import things_of


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Not beside real runs."""
    monkeypatch.setattr("sloproof.run.touching._SHARED", tmp_path)
    return tmp_path


def target(url: str, *, listens: int | str = 4711, pid_file: str = "", server: str = "") -> Target:
    copy = Finder(name="web-1", listens=listens, pid_file=pid_file or None)
    proxy = Proxy(server=server, name="web") if server else None
    return Target(
        name="shop",
        origin="shop.yaml",
        folder="/shop",
        platform="local",
        entry=Entry(url=url),
        discover=Discover(file=f"{abs(hash((url, listens, server)))}.json"),
        services={"web": Service(instances=(copy,))},
        links=(TargetLink(source="client", to="web", proxy=proxy),),
    )


@pytest.mark.parametrize(
    "url", ["http://localhost:8080", "http://[::1]:8080/x", "HTTP://127.0.0.1:8080"]
)
def test_an_address_is_the_same_however_it_is_spelled(url: str) -> None:
    assert things_of(target(url)) == ["127.0.0.1:4711", "127.0.0.1:8080"]


def test_proxies_and_pid_files_are_touched_too() -> None:
    found = things_of(target("https://a.example", pid_file="x/../1", server="http://localhost:84"))
    assert found == ["/shop/1", "127.0.0.1:4711", "a.example:443", "proxy web of 127.0.0.1:84"]


@pytest.mark.parametrize(
    ("dsn", "found"),
    [
        ("postgresql://me:word@localhost/shop", ["127.0.0.1:5432"]),
        ("postgresql://DB.example.:6000/shop", ["db.example:6000"]),
        ("postgresql://[::1]:5433,db.example/shop", ["127.0.0.1:5433", "db.example:5432"]),
        ("postgresql:///shop?host=/run/postgresql&port=5434", ["/run/postgresql:5434"]),
        ("postgresql://127.0.0.1:$(found.db)/shop", []),
    ],
)
def test_a_store_is_touched_where_it_answers(dsn: str, found: list[str]) -> None:
    store = Store(copies=(StoreCopy(instance="web-1", dsn=dsn),))
    shop = replace(target("http://127.0.0.1:$(found.port)", listens="$(found.web)"), links=())
    assert things_of(replace(shop, stores={"orders": store})) == found


def test_a_switch_is_touched_where_it_is_set() -> None:
    def call(url: str) -> HttpCall:
        return HttpCall(method="PUT", url=url)

    switch = SwitchSpec(
        service="web",
        read=call("http://read.example"),
        set=call("http://localhost:81/control"),
        reset=Command(command=("reset",)),
    )
    shop = target("http://127.0.0.1:$(found.port)", listens="$(found.web)")
    assert things_of(replace(shop, switches={"failing": switch})) == ["127.0.0.1:81"]


def test_two_targets_of_one_database_are_not_tested_at_once(tmp_path: Path) -> None:
    store = Store(copies=(StoreCopy(instance="web-1", dsn="postgresql://localhost/shop"),))
    first = replace(target("http://localhost:8080"), stores={"orders": store})
    other = replace(target("http://localhost:8081", listens=4712), stores={"stock": store})
    held = TargetLock(tmp_path / "one", first, place_of(first), "r1")
    with pytest.raises(TargetBusy, match=r"shop \(127.0.0.1:5432\) is under test by r1"):
        TargetLock(tmp_path / "two", other, place_of(other), "r2")
    held.close()


def test_what_only_the_running_target_tells_is_not_known_yet() -> None:
    assert things_of(target("http://127.0.0.1:$(found.port)", listens="$(found.web)")) == []


def test_whoever_comes_later_is_told_who_has_it_and_where(tmp_path: Path) -> None:
    first = target("http://localhost:8080")
    held = TargetLock(tmp_path / "one", first, place_of(first), "r1")
    other = target("http://127.0.0.1:8080", listens=4712)
    with pytest.raises(TargetBusy) as refused:
        TargetLock(tmp_path / "two", other, place_of(other), "r2")
    assert str(refused.value) == (
        "shop (127.0.0.1:8080) is under test by r1: two runs never share a target "
        f"(`SLOPROOF_STATE_DIR={tmp_path}/one sloproof status` shows it, "
        f"`SLOPROOF_STATE_DIR={tmp_path}/one sloproof stop` ends it)"
    )
    held.close()
    TargetLock(tmp_path / "two", other, place_of(other), "r2").close()
    assert [each.name for each in tmp_path.glob("sloproof-*/*")] == ["touched"]


def test_a_holder_that_is_about_to_say_who_it_is_is_waited_for() -> None:
    said = iter([b"", b'{"run": "r', Holder.written("r1", "/one")])
    found = Holder.told(lambda: next(said))
    assert (found.run, found.state) == ("r1", "/one")


def test_a_guardian_also_holds_what_became_known_after_its_start(tmp_path: Path) -> None:
    late = target("http://127.0.0.1:$(found.port)", listens="$(found.web)")
    engine = TargetLock(tmp_path / "one", late, "here", "r1")
    guardian = [os.dup(fd) for fd in engine.fds]
    engine.touch(target("http://127.0.0.1:8080"))
    for fd in engine.fds:
        os.close(fd)
    other = target("http://localhost:8080")
    with pytest.raises(TargetBusy):
        TargetLock(tmp_path / "two", other, "there", "r2")
    for fd in guardian:
        os.close(fd)
    TargetLock(tmp_path / "two", other, "there", "r2").close()


def test_a_folder_that_others_can_open_is_not_used(tmp_path: Path, apart: Path) -> None:
    (apart / f"sloproof-{os.geteuid()}").mkdir(mode=0o755)
    shop = target("http://localhost:8080")
    with pytest.raises(Exception, match="must be a folder of yours that nobody else can open"):
        TargetLock(tmp_path / "one", shop, "here", "r1")
