"""Effects on a real Toxiproxy: laws, ownership, and what the adapter adds to the library."""

from __future__ import annotations

import signal
import time

import pytest

from sloproof.contracts import Effect, Owner, Undone
from sloproof.effects.http_json import ask
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.proxy_down import ProxyDown
from sloproof.effects.toxic import Toxic
from sloproof.effects.toxiproxy import NoSuchProxy, Server, ToxicExists, ToxiproxyError
from sloproof.errors import EffectError, Unreachable
from sloproof.testing import check_effect
from tests.effects.conftest import Toxiproxy

OWNER = Owner("r", 7)


def toxic(proxy: Toxiproxy, kind: str = "latency", **attributes: object) -> Toxic:
    return Toxic(
        server=proxy.url,
        proxy="link",
        toxic=kind,
        streams=("upstream", "downstream"),
        attributes=attributes or {"latency": 50, "jitter": 0},
        words=kind,
    )


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 50, "jitter": 5}),
        ("bandwidth", {"rate": 10}),
        ("reset_peer", {"timeout": 0}),
        ("timeout", {"timeout": 0}),
    ],
)
def test_toxics_keep_the_laws(
    toxiproxy: Toxiproxy, kind: str, attributes: dict[str, object]
) -> None:
    check_effect(toxic(toxiproxy, kind, **attributes))


def test_a_disabled_proxy_keeps_the_laws(toxiproxy: Toxiproxy) -> None:
    check_effect(ProxyDown(server=toxiproxy.url, proxy="link"))


def test_a_toxic_delays_what_passes_by_its_size_each_way(toxiproxy: Toxiproxy) -> None:
    def took() -> float:
        began = time.perf_counter()
        ask("GET", f"http://{toxiproxy.listen}/")
        return time.perf_counter() - began

    before = min(took() for _ in range(5))
    effect = toxic(toxiproxy).bound(OWNER)
    effect.apply(effect.capture())
    during = min(took() for _ in range(5))
    assert 0.098 <= during - before <= 0.150


def test_a_toxic_of_somebody_else_stays_as_it_is(toxiproxy: Toxiproxy) -> None:
    server = Server(toxiproxy.url)
    foreign = {"name": "theirs", "type": "latency", "stream": "downstream", "attributes": {}}
    server.add_toxic("link", foreign)
    effect = toxic(toxiproxy).bound(OWNER)
    prior = effect.capture()
    assert prior["toxics"] == ["theirs"]
    effect.apply(prior)
    effect.undo(prior)
    assert [one["name"] for one in server.state("link")["toxics"]] == ["theirs"]


def test_a_proxy_that_an_operator_disabled_stays_disabled(toxiproxy: Toxiproxy) -> None:
    server = Server(toxiproxy.url)
    server.enable("link", enabled=False)
    effect = ProxyDown(server=toxiproxy.url, proxy="link").bound(OWNER)
    prior = effect.capture()
    effect.apply(prior)
    assert effect.undo(prior) is Undone.FOREIGN
    assert server.state("link")["enabled"] is False


@pytest.mark.parametrize("kind", ["toxic", "proxy_down"])
def test_what_a_dead_server_held_is_gone_with_it(toxiproxy: Toxiproxy, kind: str) -> None:
    down = ProxyDown(server=toxiproxy.url, proxy="link")
    effect: Effect = toxic(toxiproxy) if kind == "toxic" else down
    effect = effect.bound(OWNER)
    prior = effect.capture()
    effect.apply(prior)
    toxiproxy.process.kill()
    toxiproxy.process.wait()
    assert effect.undo(prior) is Undone.ABSENT
    assert not effect.present(prior)


def test_a_stalled_server_is_an_error_with_a_deadline_and_not_an_absence(
    toxiproxy: Toxiproxy,
) -> None:
    effect = toxic(toxiproxy).bound(OWNER)
    prior = effect.capture()
    effect.apply(prior)
    toxiproxy.process.send_signal(signal.SIGSTOP)
    life = Incarnation.of(toxiproxy.process.pid)
    while life is not None and life.letter() != "T":  # its threads stop one after the other
        time.sleep(0.001)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        effect.undo(prior)
    assert time.monotonic() - began < 10
    toxiproxy.process.send_signal(signal.SIGCONT)
    effect.undo(prior)
    assert not effect.present(prior)


def test_one_process_speaks_to_several_servers(toxiproxy: Toxiproxy) -> None:
    with pytest.raises(Unreachable):
        Server("http://127.0.0.1:9", timeout=0.5).proxy("link")
    assert Server(toxiproxy.url).proxy("link").name == "link"


def test_every_refusal_has_a_type_and_says_where(toxiproxy: Toxiproxy) -> None:
    server = Server(toxiproxy.url)
    with pytest.raises(NoSuchProxy, match="no proxy nowhere"):
        server.proxy("nowhere")
    one = {"name": "a", "type": "latency", "stream": "downstream", "attributes": {}}
    server.add_toxic("link", one)
    with pytest.raises(ToxicExists):
        server.add_toxic("link", one)
    with pytest.raises(ToxiproxyError, match="400"):
        server.add_toxic("link", {**one, "name": "b", "type": "nonsense"})
    with pytest.raises(EffectError, match="not an HTTP address"):
        Server("nonsense").state("link")


def test_a_toxic_can_be_updated(toxiproxy: Toxiproxy) -> None:
    server = Server(toxiproxy.url)
    one = {"name": "a", "type": "latency", "stream": "downstream", "attributes": {"latency": 1}}
    server.add_toxic("link", one)
    server.update_toxic("link", "a", {"latency": 9})
    assert server.state("link")["toxics"][0]["attributes"]["latency"] == 9
