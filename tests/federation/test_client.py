"""The door out, over real sockets on loopback: what it dials, what it refuses, what it survives."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from node.errors import Unreachable
from node.federation import client as module
from node.federation.client import Client, Response
from node.federation.dial import Guard, networks

ACCEPT = "application/activity+json"
LOOPBACK = networks(["127.0.0.0/8", "::1/128"])
ONLY_TWO = networks(["127.0.0.2/32"])
AGENT = "cuicui/test"


class Server:
    """A server that says exactly these bytes, and remembers who came and what they asked."""

    def __init__(self, answer: bytes | Callable[..., Awaitable[None]]) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
                self.requests.append(head + await reader.readexactly(length))
                if callable(self.answer):
                    await self.answer(reader, writer)
                    return
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answer: Any, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Server]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, host, port, ssl=tls, limit=1 << 20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def client(allow: Any = LOOPBACK, **more: Any) -> AsyncIterator[Client]:
    made = Client(allow_networks=allow, user_agent=AGENT, **more)
    try:
        yield made
    finally:
        await made.close()


def ok(body: bytes = b"{}", *extra: str, media_type: str = ACCEPT) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *extra, "", ""]
    return "\r\n".join(lines).encode() + body


def to(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def failure(asked: Awaitable[Response]) -> str:
    """The code of the refusal; anything but Unreachable fails the test."""
    with pytest.raises(Unreachable) as refused:
        await asked
    assert refused.value.message
    return refused.value.code


class Names(AbstractResolver):
    """A name server of ours: each look-up takes the next answer."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [
            {"hostname": host, "host": a, "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST}
            | {"family": socket.AF_INET6 if ":" in a else socket.AF_INET}
            for a in answer
        ]

    async def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext, Path]:
    """(context for a server on 127.0.0.1 and good.example, context that trusts it, the PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cuicui test")])
    now = datetime.now(UTC)
    alternatives = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("good.example")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    trusting = ssl.create_default_context(cadata=pem.decode())
    return server, trusting, path


# ── which addresses ──────────────────────────────────────────────────────────────────────────

# fmt: off
NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1", "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:2::1", "2001:10::1", "2001:db8::1", "3fff::1", "100::1", "fc00::1", "fd12:3456::1", "fe80::1",
    "fe80::1%lo", "fec0::1", "ff02::1", "5f00::1", "4000::1", "::ffff:0:127.0.0.1", "localhost", "1.2.3",
    "2130706433",
]
PUBLIC = [
    "1.1.1.1", "9.9.9.9", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1",
    "192.0.1.1", "198.17.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1",
    "64:ff9b::101:101", "2002:101:101::1",
]
# fmt: on


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public_are_not_dialled(address):
    """security.md §5: unmapped, then global unicast only."""
    assert not Guard().may_dial(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_dialled(address):
    """… and the neighbours of each reserved range are ordinary addresses."""
    assert Guard().may_dial(address)
    assert not Guard(LOOPBACK).is_allowed(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"])
def test_allowed_networks_are_allowed_in_every_spelling(address):
    """Decision 15: CUICUI_ALLOW_NETWORKS."""
    assert Guard(LOOPBACK).is_allowed(address)
    assert Guard(LOOPBACK).may_dial(address)
    assert not Guard(ONLY_TWO).may_dial(address)


# fmt: off
HOSTS = [
    "127.0.0.1", "localhost", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001",
    "2130706433", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[::127.0.0.1]", "LOCALHOST", "localhost.", "127.0.0.1.", "127.0.0.3", "10.0.0.1",
    "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "[fc00::1]", "[fe80::1]",
    "[ff02::1]", "a.localhost", "printer.local", "db.internal", "x.onion", "x.i2p", "router", "home.arpa",
    "x.home.arpa",
]
# fmt: on


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", HOSTS)
async def test_nothing_arrives_at_an_address_that_is_not_allowed(host, scheme):
    """The attack reaches the door, and no connection reaches the listener on loopback."""
    async with (
        serving(ok()) as server,
        client((), resolver=_no_dns()) as door,
        client(ONLY_TWO, resolver=_no_dns()) as narrow,
    ):
        url = f"{scheme}://{host}:{server.port}/"
        for each in (door, narrow):
            assert await failure(each.get(url, accept=ACCEPT)) in ("refused_address", "bad_url", "dns")
            assert await failure(each.post(url, b"{}", {})) in ("refused_address", "bad_url", "dns")
        await asyncio.sleep(0)
        assert server.connections == 0
        async with client() as open_door:  # the listener is really there
            assert (await open_door.get(f"http://127.0.0.1:{server.port}/", accept=ACCEPT)).status == 200
        assert server.connections == 1


def _no_dns() -> AbstractResolver:
    """Numeric spellings as getaddrinfo reads them, and no name server."""

    class Numeric(module._Resolver):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[Any]:
            if host[:1].isdigit() or host.rstrip(".") == "localhost":
                return await super().resolve(host, port, family)
            return await Names(["127.0.0.1"]).resolve(host, port)

    return Numeric()


async def test_localhost_is_reached_only_by_allowing_it():
    async with serving(ok()) as server, client() as door:
        for host in ("localhost", "127.0.0.1", "[::ffff:127.0.0.1]"):
            assert (await door.get(f"http://{host}:{server.port}/", accept=ACCEPT)).status == 200


async def test_a_name_that_changes_its_answer_is_checked_again():
    """DNS rebinding: the first answer may be dialled, the second may not."""
    names = Names(["127.0.0.2"], ["127.0.0.3"])
    async with (
        serving(ok(), "127.0.0.2") as good,
        serving(ok(), "127.0.0.3") as inside,
        client(ONLY_TWO, resolver=names) as door,
    ):
        assert (await door.get(f"http://b.example:{good.port}/", accept=ACCEPT)).status == 200
        assert await failure(door.get(f"http://b.example:{inside.port}/", accept=ACCEPT)) == "refused_address"
        assert (good.connections, inside.connections) == (1, 0)


@pytest.mark.parametrize("answers", [["127.0.0.3", "127.0.0.2"], ["127.0.0.2", "127.0.0.3"], ["::1", "127.0.0.2"]])
async def test_of_mixed_answers_only_the_allowed_address_is_dialled(answers):
    """A name with one public and one private address."""
    async with (
        serving(ok(), "127.0.0.2") as good,
        serving(ok(), "127.0.0.3", port=good.port) as inside,
        client(ONLY_TWO, resolver=Names(answers)) as door,
    ):
        assert (await door.get(f"http://b.example:{good.port}/", accept=ACCEPT)).status == 200
        assert (good.connections, inside.connections) == (1, 0)


async def test_when_every_answer_is_refused_the_reason_is_kept():
    async with client(ONLY_TWO, resolver=Names(["127.0.0.3", "10.0.0.1", "::1", "fe80::1"])) as door:
        assert await failure(door.get("https://b.example/", accept=ACCEPT)) == "refused_address"


async def test_names_of_no_public_server_reach_allowed_addresses_only():
    """`.local`, `.onion`, one label: even over https and even if they resolve to a public address."""
    async with client(ONLY_TWO, resolver=Names(["93.184.216.34"])) as door:
        for host in ("printer.local", "x.onion", "x.i2p", "db.internal", "a.localhost", "intranet", "printer.local."):
            assert await failure(door.get(f"https://{host}/", accept=ACCEPT)) == "refused_address"
    async with serving(ok(), "127.0.0.2") as server, client(ONLY_TWO, resolver=Names(["127.0.0.2"])) as door:
        assert (await door.get(f"http://printer.local:{server.port}/", accept=ACCEPT)).status == 200


@pytest.mark.parametrize("url", ["http://b.example/", "http://b.example:8080/", "https://b.example:80/"])
async def test_plain_http_and_port_80_are_for_allowed_networks(url):
    """Decision 20. The name is not even looked up when no network is allowed."""
    async with client((), resolver=Names(RuntimeError("looked up"))) as door:
        assert await failure(door.get(url, accept=ACCEPT)) == "refused_address"
    async with client(ONLY_TWO, resolver=Names(["93.184.216.34"])) as door:
        assert await failure(door.get(url, accept=ACCEPT)) == "refused_address"


@pytest.mark.parametrize("port", [1, 22, 25, 53, 81, 442, 444, 1023])
async def test_ports_of_other_services_are_refused(port):
    """443, and any above 1023; 80 only at home."""
    async with client() as door:
        for scheme in ("http", "https"):
            url = f"{scheme}://127.0.0.1:{port}/"
            assert await failure(door.get(url, accept=ACCEPT)) == "refused_address"


@pytest.mark.parametrize(
    "url",
    [
        "data:application/json,{}",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "https://user:password@127.0.0.1/",
        "https://good.example\\@127.0.0.1/",
        "https://127.0.0.1/\r\nX-Injected: 1",
        "https:///",
        "",
    ],
)
async def test_addresses_that_are_none_are_refused(url):
    """No scheme but http(s), no userinfo, no control characters."""
    async with client() as door:
        assert await failure(door.get(url, accept=ACCEPT)) == "bad_url"
        assert await failure(door.post(url, b"", {})) == "bad_url"


# ── redirects ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_into_a_refused_network_ends_there(status):
    """Each hop passes the same gate."""
    async with serving(ok(), "127.0.0.3") as inside:
        for location in (
            f"http://127.0.0.3:{inside.port}/",
            f"//127.0.0.3:{inside.port}/",
            f"https://127.0.0.3:{inside.port}/",
        ):
            async with serving(to(location, status), "127.0.0.2") as first, client(ONLY_TWO) as door:
                url = f"http://127.0.0.2:{first.port}/"
                assert await failure(door.get(url, accept=ACCEPT)) == "refused_address"
                assert first.connections == 1
        assert inside.connections == 0


async def test_https_does_not_redirect_down_to_http(authority):
    """A downgrade reaches nobody outside the allowed networks."""
    server_tls, trusting, _ = authority
    async with (
        serving(ok(), "127.0.0.3") as plain,
        serving(to(f"http://127.0.0.3:{plain.port}/"), tls=server_tls) as first,
        client(networks(["127.0.0.1/32"]), ssl_context=trusting) as door,
    ):
        assert await failure(door.get(f"https://127.0.0.1:{first.port}/", accept=ACCEPT)) == "refused_address"
        assert (first.connections, plain.connections) == (1, 0)


async def test_each_hop_is_signed_for_itself_and_extra_headers_stay_at_home():
    """security.md §5: drop what was meant for the first origin."""
    async with serving(ok(), "127.0.0.2") as second, serving(to(f"http://127.0.0.2:{second.port}/b?c")) as first:
        asked: list[tuple[str, str]] = []

        def sign(method: str, url: str) -> dict[str, str]:
            asked.append((method, url))
            return {"Host": url.split("/")[2], "Signature": f"over {url}"}

        async with client() as door:
            url = f"http://127.0.0.1:{first.port}/a"
            answer = await door.get(url, accept=ACCEPT, sign=sign, headers={"X-Secret": "for the first"})
        onward = f"http://127.0.0.2:{second.port}/b?c"
        assert asked == [("GET", url), ("GET", onward)]
        assert answer.url == onward
        assert b"X-Secret" in first.requests[0]
        assert b"X-Secret" not in second.requests[0]
        assert f"Signature: over {onward}".encode() in second.requests[0]
        assert f"Host: 127.0.0.2:{second.port}".encode() in second.requests[0]


async def test_three_redirects_and_no_more():
    async with serving(b"") as server, client() as door:
        server.answer = to("/again")
        assert await failure(door.get(f"http://127.0.0.1:{server.port}/", accept=ACCEPT)) == "too_many_redirects"
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("", "bad_redirect"),
        ("data:text/plain,x", "bad_url"),
        ("https://a@b.example/", "bad_url"),
        ("http://[::1", "bad_redirect"),
    ],
)
async def test_redirects_to_nowhere(location, code):
    async with serving(to(location)) as server, client() as door:
        assert await failure(door.get(f"http://127.0.0.1:{server.port}/", accept=ACCEPT)) == code


async def test_ids_may_be_redirected_within_their_origin_only():
    """FEP-fe34: an id is what its origin says."""
    async with serving(ok(), "127.0.0.2") as other, serving(b"") as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        server.answer = to(f"http://127.0.0.2:{other.port}/")
        assert await failure(door.get(url, accept=ACCEPT, same_origin_redirects=True)) == "bad_redirect"
        assert other.connections == 0


async def test_post_does_not_follow_redirects():
    """federation.md §9: no redirects on POST; the status is the answer."""
    async with serving(ok(), "127.0.0.2") as other, serving(to(f"http://127.0.0.2:{other.port}/", 307)) as server:
        async with client() as door:
            answer = await door.post(f"http://127.0.0.1:{server.port}/inbox", b"{}", {})
        assert answer.status == 307
        assert other.connections == 0


# ── answers ──────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_has_status_address_type_and_body():
    ld = 'application/ld+json; charset=utf-8; profile="https://www.w3.org/ns/activitystreams"'
    async with serving(ok(b'{"a":1}', media_type=ld)) as server, client() as door:
        answer = await door.get(f"http://127.0.0.1:{server.port}/x", accept=ACCEPT)
    assert (answer.status, answer.body, answer.media_type) == (200, b'{"a":1}', "application/ld+json")
    assert answer.profile == "https://www.w3.org/ns/activitystreams"
    assert answer.is_activity_json
    assert answer.headers["content-TYPE"] == ld


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/activity+json", True),
        ("Application/Activity+JSON; charset=utf-8", True),
        ("application/ld+json", False),
        ('application/ld+json; profile="https://example.org/other"', False),
        ("application/json", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_only_activitypub_types_are_activitypub(media_type, expected):
    """security.md §0.7: an upload of a user of that server must not pass for a document of the server."""
    assert Response(200, "", {"Content-Type": media_type}, b"").is_activity_json is expected


@pytest.mark.parametrize("status", [400, 401, 404, 410, 500, 503])
async def test_every_status_is_an_answer(status):
    said = f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno".encode()
    async with serving(said) as server, client() as door:
        got = await door.get(f"http://127.0.0.1:{server.port}/", accept=ACCEPT)
        posted = await door.post(f"http://127.0.0.1:{server.port}/", b"{}", {})
    assert (got.status, got.body, got.headers["Retry-After"]) == (status, b"no", "7")
    assert (posted.status, posted.body) == (status, b"no")


async def test_what_is_sent_is_what_was_signed():
    """aiohttp and yarl rewrite `%2F` and `+` unless they are told not to."""
    headers = {"Host": "", "Content-Type": ACCEPT, "Signature": "s", "Date": "d"}
    path = "/in%2Fbox?a=b%2Fc+d%20e&f='(x)'%C3%BC"
    async with serving(ok()) as server, client() as door:
        headers["Host"] = f"127.0.0.1:{server.port}"
        await door.post(f"http://127.0.0.1:{server.port}{path}", b'{"x":1}', headers)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST {path} HTTP/1.1"
    assert body == b'{"x":1}'
    names = [line.split(":")[0].lower() for line in lines[1:]]
    expected = {"host", "content-type", "signature", "date", "user-agent", "accept-encoding", "content-length"}
    assert sorted(names) == sorted(expected)
    assert "Accept-Encoding: identity" in lines
    assert f"User-Agent: {AGENT}" in lines


async def test_a_signature_for_another_host_is_not_sent():
    """The Host header sent is the one signed."""
    async with serving(ok()) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert await failure(door.post(url, b"{}", {"Host": "b.example"})) == "bad_url"
        assert server.connections == 0


async def test_no_cookies_are_kept_and_no_proxy_is_asked(monkeypatch):
    """One visit leaves no trace in the next, and the environment has no say in where we connect."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.3:9")
    names = Names(["127.0.0.1"])  # a jar keeps no cookies of bare addresses
    async with serving(ok(b"{}", "Set-Cookie: a=b")) as server, client(resolver=names) as door:
        for _ in range(2):
            await door.get(f"http://good.example:{server.port}/", accept=ACCEPT)
        assert len(server.requests) == 2
        assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_connections_are_kept():
    async with serving(ok()) as server, client() as door:
        for _ in range(5):
            await door.post(f"http://127.0.0.1:{server.port}/", b"{}", {})
        assert (server.connections, len(server.requests)) == (1, 5)


async def test_idle_connections_are_bounded(monkeypatch):
    """A fan-out to thousands of hosts does not leave thousands of sockets behind."""
    monkeypatch.setattr(module, "MAX_IDLE", 3)
    async with client() as door:
        closed = 0
        for n in range(2, 10):
            async with serving(ok(), f"127.0.0.{n}") as server:
                for _ in range(2):
                    await door.post(f"http://127.0.0.{n}:{server.port}/", b"{}", {})
                closed += server.connections == 2
        assert closed == 5


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure():
    """The other side may close just as we write: the delivery is made again on a fresh connection."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok())
        await reader.readuntil(b"\r\n\r\n")  # the next request comes on this connection, and is not answered

    async with serving(once) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert (await door.post(url, b"", {})).status == 200
        assert (await door.post(url, b"", {})).status == 200
        assert server.connections == 2


# ── servers that mean harm, or are ill ───────────────────────────────────────────────────────


async def test_a_dripping_body_meets_the_total_deadline():
    """Mastodon CVE-2023-36461: the deadline is for the whole, not for each read."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)

    async with serving(drip) as server, client(total_timeout=0.3) as door:
        url = f"http://127.0.0.1:{server.port}/"
        start = asyncio.get_running_loop().time()
        assert await failure(door.get(url, accept=ACCEPT)) == "timeout"
        assert asyncio.get_running_loop().time() - start < 10, "it drips for twenty seconds"
        answer = await door.post(url, b"{}", {}, timeout=0.3)
        assert answer.status == 200  # the status had come: delivered


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "])
async def test_a_silent_server_meets_the_deadline(sent):
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await reader.read()

    async with serving(silent) as server, client(total_timeout=0.2) as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert await failure(door.get(url, accept=ACCEPT)) == "timeout"
        assert await failure(door.post(url, b"{}", {}, timeout=0.2)) == "timeout"


async def _endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    try:
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()
    except ConnectionError:
        pass


@pytest.mark.parametrize("first", [ok(), b""], ids=["after the answer", "before it"])
async def test_answers_that_nobody_asked_for_end_the_connection(first):
    """security.md §0.10: a kept connection is no way to fill the memory, nor are interim answers without end."""
    over = asyncio.Event()

    async def talkative(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        try:
            while not writer.is_closing():
                await asyncio.sleep(0.02)
                writer.write((ok() if first else b"HTTP/1.1 100 Continue\r\n\r\n") * 50)
                await writer.drain()
        except ConnectionError:
            pass
        over.set()

    async with serving(talkative) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        if first:
            assert (await door.post(url, b"{}", {})).status == 200
        else:
            assert await failure(door.get(url, accept=ACCEPT)) in ("broken_answer", "connect")
        await asyncio.wait_for(over.wait(), 5)


async def test_an_endless_body_stops_at_the_limit():
    async with serving(_endless) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert await failure(door.get(url, accept=ACCEPT, limit=100_000)) == "too_large"
        answer = await asyncio.wait_for(door.post(url, b"{}", {}), 5)  # it would go on until the delivery's deadline
        assert answer.status == 200
        assert len(answer.body) <= module.POST_ANSWER_LIMIT


@pytest.mark.parametrize(("size", "code"), [(100, None), (101, "too_large")])
async def test_the_limit_is_the_limit(size, code):
    async with serving(ok(b"x" * size)) as server, client() as door:
        asked = door.get(f"http://127.0.0.1:{server.port}/", accept=ACCEPT, limit=100)
        if code:
            assert await failure(asked) == code
        else:
            assert len((await asked).body) == size


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "x-nonsense"])
async def test_a_compressed_answer_is_refused(encoding):
    """We ask for identity; a bomb is never inflated."""
    bomb = gzip.compress(b"\0" * 10_000_000)
    async with serving(ok(bomb, f"Content-Encoding: {encoding}")) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert await failure(door.get(url, accept=ACCEPT)) == "broken_answer"
        assert (await door.post(url, b"{}", {})).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
        b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    ],
)
async def test_broken_answers_and_header_bombs_are_named(answer):
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with serving(say) as server, client(total_timeout=3) as door:
        code = await failure(door.get(f"http://127.0.0.1:{server.port}/", accept=ACCEPT))
        assert code == "broken_answer"


async def test_a_body_cut_short_is_a_broken_answer():
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        await writer.drain()

    async with serving(cut) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert await failure(door.get(url, accept=ACCEPT)) == "broken_answer"
        assert (await door.post(url, b"{}", {})).status == 200


async def test_a_connection_reset_is_named():
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with serving(reset) as server, client() as door:
        url = f"http://127.0.0.1:{server.port}/"
        assert await failure(door.get(url, accept=ACCEPT)) in ("connect", "broken_answer")
        assert await failure(door.post(url, b"{}", {})) in ("connect", "broken_answer")


async def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    async with client() as door:
        assert await failure(door.get(url, accept=ACCEPT)) == "connect"
        assert await failure(door.post(url, b"{}", {})) == "connect"


async def test_a_name_that_does_not_exist():
    async with client(resolver=Names(socket.gaierror(-2, "Name or service not known"))) as door:
        assert await failure(door.get("https://nobody.example/", accept=ACCEPT)) == "dns"


async def test_names_that_never_answer_keep_nobody_from_a_name_that_did(monkeypatch):
    """security.md §5, slow answers: a stranger has as many names as it likes, at a name server that says nothing."""
    monkeypatch.setattr(module, "DNS_CACHE", 0.01)
    answered, usual = threading.Event(), socket.getaddrinfo

    def ask(host: str, *rest: Any) -> Any:
        if "dead" in host:
            answered.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return usual("127.0.0.1", *rest)

    monkeypatch.setattr(module.socket, "getaddrinfo", ask)
    async with serving(ok(b"{}", "Connection: close")) as server, client() as door:
        url = f"http://good.example:{server.port}/"
        assert (await door.get(url, accept=ACCEPT)).status == 200
        lost = [
            asyncio.create_task(failure(door.get(f"http://{n}.dead.example:8080/", accept=ACCEPT))) for n in range(64)
        ]
        try:
            await asyncio.sleep(0.2)
            assert (await door.get(url, accept=ACCEPT, timeout=5)).status == 200
        finally:
            answered.set()
            assert set(await asyncio.gather(*lost)) <= {"dns", "timeout"}


async def test_bad_tls_is_named(authority):
    """An unknown authority, a name that is not in the certificate, and no TLS at all."""
    server_tls, trusting, _ = authority

    async def not_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 This is not TLS\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(not_tls, "127.0.0.1", 0)
    plain_port = plain.sockets[0].getsockname()[1]
    async with serving(ok(), tls=server_tls) as server, plain:
        async with client() as door:
            assert await failure(door.get(f"https://127.0.0.1:{server.port}/", accept=ACCEPT)) == "tls"
        async with client(ssl_context=trusting, resolver=Names(["127.0.0.1"])) as door:
            assert await failure(door.get(f"https://evil.example:{server.port}/", accept=ACCEPT)) == "tls"
            assert await failure(door.get(f"https://127.0.0.1:{plain_port}/", accept=ACCEPT)) == "tls"
            for host in ("good.example", "127.0.0.1", "Good.Example"):
                assert (await door.get(f"https://{host}:{server.port}/", accept=ACCEPT)).status == 200


async def test_ssl_cert_file_is_honoured(authority, monkeypatch):
    """Decision 15: outgoing TLS honours SSL_CERT_FILE."""
    server_tls, _, path = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with serving(ok(), tls=server_tls) as server, client() as door:
        assert (await door.get(f"https://127.0.0.1:{server.port}/", accept=ACCEPT)).status == 200
