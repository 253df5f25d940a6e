"""Ways out and ways in: proxy, mapped ports, forwarded ports."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import SecretStr

from soulmesh.client.client import Client
from soulmesh.client.listening import ListenPortChanged
from soulmesh.client.reach import (
    ForwardedPortUnknown,
    PortKeeper,
    PortMapped,
    PortNotMapped,
    Proxy,
    Reach,
    parse_proxy,
    run_command,
)
from soulmesh.client.server_link import LoggedIn
from soulmesh.client.settings import ClientSettings
from soulmesh.config import Network as NetworkSection
from soulmesh.core.port_mapping import Lease
from soulmesh.errors import ConfigError
from soulmesh.net.port_mapping import MappingFailed
from soulmesh.net.socks import Socks5Network
from soulmesh.net.stream import open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.wire import to_server
from tests.client.stage import Stage, play
from tests.net.test_socks import Proxy as SocksServer
from tests.support.loops import real


class Router:
    """Opens ports ten above those asked for, as long as it is willing."""

    method = "router"

    def __init__(self, address: str | None = "8.8.4.4") -> None:
        self.address = address
        self.willing = True
        self.open_ports: set[int] = set()

    async def keep(self, port: int, tell: Callable[[Lease], None]) -> NoReturn:
        if not self.willing:
            raise MappingFailed("router: it does not want to")
        self.open_ports.add(port)
        try:
            while True:
                tell(Lease(self.address, port + 10, 600, self.method))
                await asyncio.sleep(300)
                if not self.willing:
                    raise MappingFailed("router: it changed its mind")
        finally:
            self.open_ports.discard(port)


def announced(stage: Stage, name: str) -> list[tuple[int, int | None]]:
    said = stage.server.sessions[name].said(to_server.SetListenPort)
    return [(message.port, message.obfuscated_port) for message in said]


def keeper(client: Client, reach: Reach, router: Router) -> PortKeeper:
    return PortKeeper(client.world, client.listening, client.server, client.events, reach, mappers=[router])


def test_mapped_ports_are_announced_under_their_numbers_outside() -> None:
    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve")
        router = Router()
        keeping = keeper(eve, Reach(map_port="auto"), router)
        await keeping.start()
        await asyncio.sleep(2000)
        assert router.open_ports == {2234, 2235}
        assert announced(stage, "eve")[0] == (2234, 2235)
        assert announced(stage, "eve")[-1] == (2244, 2245)
        assert len(announced(stage, "eve")) == 3, "renewals are not announced again"
        mapped = stage.events("eve", PortMapped)
        assert [event.external_port for event in mapped] == [2244, 2245]
        # Another port: the old ones are given back, the new ones asked for.
        await eve.set_listen_port(3000)
        await asyncio.sleep(1)
        assert router.open_ports == {3000, 3001}
        assert announced(stage, "eve")[-1] == (3010, 3011)
        await keeping.close()
        assert router.open_ports == set()

    play(scene)


def test_a_mapping_that_is_no_use_says_why() -> None:
    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve")
        keeping = keeper(eve, Reach(map_port="auto"), Router("100.64.3.4"))
        await keeping.start()
        await asyncio.sleep(1)
        problem = stage.events("eve", PortMapped)[0].problem
        assert problem is not None
        assert "carrier NAT" in problem
        await keeping.close()

    play(scene)


def test_a_router_that_answers_before_the_login_is_held_against_what_the_server_says() -> None:
    """Routers answer in milliseconds, and only the server knows how we look from outside."""

    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve")

        class Server:
            address = ""

        server = Server()
        keeping = PortKeeper(
            eve.world, eve.listening, server, eve.events, Reach(map_port="auto"), mappers=[Router("8.8.4.4")]
        )
        await keeping.start()
        await asyncio.sleep(1)
        assert [event.problem for event in stage.events("eve", PortMapped)] == [None, None]
        server.address = "9.9.9.9"
        eve.events.emit(LoggedIn("eve", "", "9.9.9.9"))
        later = stage.events("eve", PortMapped)[2:]
        assert [event.port for event in later] == [2234, 2235]
        assert all("9.9.9.9" in str(event.problem) for event in later)
        eve.events.emit(LoggedIn("eve", "", "9.9.9.9"))
        assert len(stage.events("eve", PortMapped)) == 4
        await keeping.close()

    play(scene)


def test_upnp_is_not_asked_where_all_is_kept_to_one_interface() -> None:
    """What it sends to everybody would leave another way than the tunnel."""

    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve", changes={"obfuscated_port": -1})
        reach = Reach(map_port="auto", interface="tun0")
        keeping = PortKeeper(eve.world, eve.listening, eve.server, eve.events, reach)
        await keeping.start()
        await asyncio.sleep(1)
        assert not any(
            "UPnP" in reason for event in stage.events("eve", PortNotMapped) for reason in event.reasons
        )
        assert not [way for way in keeping._mappers or () if way.method == "UPnP"]
        await keeping.close()

    play(scene)
    with pytest.raises(ConfigError, match=r"UPnP cannot be kept to network\.interface"):
        Reach.of(NetworkSection(interface="tun0", map_port="upnp"))


def test_a_router_that_does_not_help_is_told_once_with_its_reason() -> None:
    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve", changes={"obfuscated_port": -1})
        router = Router()
        router.willing = False
        keeping = keeper(eve, Reach(map_port="auto"), router)
        await keeping.start()
        await asyncio.sleep(4000)
        (told,) = stage.events("eve", PortNotMapped)
        assert told.reasons == ("the router does not open a port: router: it does not want to",)
        router.willing = True
        await asyncio.sleep(1000)
        assert announced(stage, "eve")[-1] == (2244, 0)
        router.willing = False
        await asyncio.sleep(400)
        assert "changed its mind" in stage.events("eve", PortNotMapped)[-1].reasons[0]
        await keeping.close()

    play(scene)


def test_the_forwarded_port_of_a_vpn_is_followed_without_a_new_login() -> None:
    async def scene(stage: Stage) -> None:
        path = stage.folder / "forwarded"
        path.write_text("40001\n")
        eve = await stage.enter("eve", reach=Reach(forwarded_port_file=path))
        await asyncio.sleep(1)
        assert eve.listening.port == 40001
        path.write_text("40002")
        await asyncio.sleep(40)
        assert eve.listening.port == 40002
        assert announced(stage, "eve")[-1][0] == 40002
        assert len(stage.server.sessions["eve"].said(to_server.Login)) == 1
        path.unlink()
        await asyncio.sleep(100)
        path.write_text("no port")
        await asyncio.sleep(100)
        assert eve.listening.port == 40002, "the last one stays"
        reasons = [event.reason for event in stage.events("eve", ForwardedPortUnknown)]
        assert len(reasons) == 2
        assert "is not there" in reasons[0]
        assert "does not begin with a port" in reasons[1]
        path.write_text("40003 2026-01-01")
        await asyncio.sleep(40)
        assert eve.listening.port == 40003

    play(scene)


def test_a_forwarded_port_that_is_in_use_is_told_and_tried_again() -> None:
    async def scene(stage: Stage) -> None:
        path = stage.folder / "forwarded"
        path.write_text("40001")
        eve = stage.client("eve", reach=Reach(forwarded_port_file=path))
        taken = await stage.host("eve").listen(asyncio.Protocol, "", 40001)
        async with eve:
            await asyncio.sleep(100)
            assert eve.listening.port == 2234
            (told,) = stage.events("eve", ForwardedPortUnknown)
            assert "in use" in told.reason
            taken.close()
            await asyncio.sleep(40)
            assert eve.listening.port == 40001

    play(scene)


def test_a_command_can_tell_the_forwarded_port() -> None:
    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve")
        answers = ["40001\n", "", "40002 tcp\n"]

        async def run(command: object) -> str:
            assert command == ("vpn-port", "--print")
            return answers.pop(0)

        reach = Reach(forwarded_port_command=("vpn-port", "--print"), look_every=10)
        keeping = PortKeeper(eve.world, eve.listening, eve.server, eve.events, reach, run=run)
        await keeping.start()
        ports = []
        for _ in range(3):
            await asyncio.sleep(9)
            ports.append(eve.listening.port)
        assert ports == [40001, 40001, 40002]
        assert "vpn-port does not begin with a port" in stage.events("eve", ForwardedPortUnknown)[0].reason
        await keeping.close()

    play(scene)


@real
async def test_commands_are_run_without_a_shell_and_their_failures_have_words() -> None:
    assert await run_command([sys.executable, "-c", "print(40001)"]) == "40001\n"
    with pytest.raises(ConfigError, match="cannot be run"):
        await run_command(["/no/such/program"])
    with pytest.raises(ConfigError, match="failed with status 3"):
        await run_command([sys.executable, "-c", "raise SystemExit(3)"])
    # One that prints without end is read once and let go.
    with pytest.raises(ConfigError, match="prints more than a port"):
        await run_command([sys.executable, "-c", "import sys\nwhile True: sys.stdout.write('1' * 65536)"])


def test_everything_that_leaves_goes_through_the_proxy() -> None:
    async def scene(stage: Stage) -> None:
        bob = await stage.enter("bob")
        proxy = SocksServer(stage.network.host("10.0.0.99"))
        listener = await proxy.start()
        reach = Reach(proxy=Proxy("10.0.0.99", listener.port))
        eve = await stage.enter("eve", reach=reach)
        assert isinstance(eve.world.network, Socks5Network)
        assert proxy.asked == [("10.0.0.1", 2242)]
        await eve.links.send("bob", _status_question())
        assert (stage.addresses["bob"], 2234) in proxy.asked
        assert stage.host("eve").calls_made == len(proxy.asked)
        assert bob.server.connected
        for task in proxy.tasks:
            task.cancel()

    play(scene)


def _status_question() -> object:
    from soulmesh.wire import peer

    return peer.PeerUserInfoRequest()


def test_one_stranger_cannot_take_all_the_places_of_those_who_have_not_spoken() -> None:
    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve", changes={"most_pending_per_host": 4, "init_timeout": 60.0})
        rude, polite = stage.network.host("10.0.0.66"), stage.network.host("10.0.0.67")
        address = stage.addresses["eve"]
        silent = [await open_stream(rude, address, 2234) for _ in range(6)]
        await asyncio.sleep(1)
        assert [stream.at_eof for stream in silent] == [False] * 4 + [True] * 2
        other = await open_stream(polite, address, 2234)
        await asyncio.sleep(1)
        assert not other.at_eof
        # Whoever leaves makes room.
        silent[0].close()
        await asyncio.sleep(1)
        again = await open_stream(rude, address, 2234)
        await asyncio.sleep(1)
        assert not again.at_eof
        assert eve.listening.port == 2234
        for stream in (*silent, other, again):
            stream.abort()

    play(scene)


def test_ports_are_announced_again_when_they_change() -> None:
    async def scene(stage: Stage) -> None:
        eve = await stage.enter("eve")
        eve.listening.announce(50000)
        await asyncio.sleep(1)
        assert announced(stage, "eve")[-1] == (50000, 2235)
        assert stage.events("eve", ListenPortChanged)[-1] == ListenPortChanged(50000, 2235)

    play(scene)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("socks5://10.0.0.1:9050", Proxy("10.0.0.1", 9050)),
        ("socks5h://proxy.example", Proxy("proxy.example", 1080)),
        ("proxy.example:99", Proxy("proxy.example", 99)),
        ("socks5://me:p%40ss@[::1]:1", Proxy("::1", 1, "me", "p@ss")),
    ],
)
def test_proxies_are_written_as_urls(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy
    assert "p@ss" not in repr(proxy)


@pytest.mark.parametrize(
    "text", ["http://x:1", "socks5://", "socks5://x:99999", "socks5://x/path", "socks5://s3cret@:1"]
)
def test_what_is_no_proxy_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="a proxy is written socks5://") as caught:
        parse_proxy(text)
    assert "s3cret" not in str(caught.value)


def test_the_settings_file_says_it_all() -> None:
    section = NetworkSection(
        local_address="127.0.0.1",
        interface="lo",
        proxy=SecretStr("socks5://me:secret@127.0.0.1:9"),
        map_port="auto",
        router="192.168.1.1",
        forwarded_port_file=Path("/run/port"),
        forwarded_port_command="vpn 'a b'",
    )
    reach = Reach.of(section)
    assert reach == Reach(
        local_address="127.0.0.1",
        interface="lo",
        proxy=Proxy("127.0.0.1", 9, "me", "secret"),
        map_port="auto",
        router="192.168.1.1",
        forwarded_port_file=Path("/run/port"),
        forwarded_port_command=("vpn", "a b"),
    )
    assert "secret" not in repr(reach)
    network = reach.network()
    assert isinstance(network, Socks5Network)
    assert isinstance(network.inside, TcpNetwork)
    assert (network.inside.local_address, network.inside.interface) == ("127.0.0.1", "lo")
    plain = Reach(interface="lo").network(TcpNetwork())
    assert isinstance(plain, TcpNetwork)
    assert plain.interface == "lo", "a network that was given is bound too"
    assert Reach.of(NetworkSection()) == Reach()
    with pytest.raises(ConfigError, match=r"network\.proxy"):
        Reach.of(NetworkSection(proxy=SecretStr("http://x")))
    with pytest.raises(ConfigError, match=r"network\.forwarded_port_command"):
        Reach.of(NetworkSection(forwarded_port_command="'open quote"))


def test_a_client_bound_to_an_address_listens_there_alone() -> None:
    @real
    async def work() -> None:
        client = Client("eve", "x", reach=Reach(local_address="127.0.0.1"), settings=ClientSettings())
        assert client.settings.listen_host == "127.0.0.1"

    work()
