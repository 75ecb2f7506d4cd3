"""The only door out: HTTP to other servers, with every address checked as it is dialled.

security.md §5: the check sits where the socket is made, so literals, names, redirects, and a name
that changes its answer between two look-ups all come past it. Plain http, port 80 and names that
no public server has (`localhost`, `.local` …) reach only the networks that the settings allow.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from node.errors import Unreachable
from node.federation.dial import Guard, Network, is_home_name
from node.federation.recent import Recent
from node.federation.target import Target, split

DEFAULT_LIMIT = 1 << 20
"""Bytes of an answer to GET."""
POST_ANSWER_LIMIT = 64 << 10
"""Bytes of an answer to POST that are read; more is left unread, the status counts."""
KEEP_ALIVE = 20.0
"""Seconds an idle connection is kept."""
MAX_IDLE = 512
"""Origins with idle connections; beyond it a connection is closed after its answer."""
MOST_AHEAD = 8
"""Answers on one connection that nobody has asked for; with more it is closed."""
DNS_CACHE = 60
"""Seconds a name's addresses are kept. Safe, because the address is checked each time it is dialled."""
DNS_THREADS = 32
MOST_NAMES = 10_000
"""Names that are remembered to have had an address."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSED_ERRNO = 0xC1C1
"""An errno that no system has, so that a refusal is known again after aiohttp has wrapped it."""

Sign = Callable[[str, str], dict[str, str]]
"""(method, url) → every header to send, Host included: see httpsig.sign()."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `url` is the address that gave it, after redirects; `headers` ignores case."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """`application/activity+json`: lower case, without parameters; "" when the server does not say.

        Text whatever bytes came, since it is told in errors, and these are written down.
        """
        written = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return written.encode(errors="backslashreplace").decode()

    @property
    def profile(self) -> str | None:
        """The `profile` parameter of Content-Type: tells ActivityStreams from any other `application/ld+json`."""
        for part in self.headers.get("Content-Type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "profile":
                return value.strip().strip('"')
        return None

    @property
    def is_activity_json(self) -> bool:
        """What ActivityPub §3.2 lets a server answer with; anything else may be an upload of anybody."""
        if self.media_type == "application/activity+json":
            return True
        profiles = (self.profile or "").split()
        return self.media_type == "application/ld+json" and "https://www.w3.org/ns/activitystreams" in profiles


class Client:
    """Fetches and delivers. Make it inside the running loop that uses it; close() it at the end.

    `total_timeout` (seconds) bounds one get() with all its redirects, down to the last byte;
    `connect_timeout` one attempt to connect. Raises nothing but Unreachable.
    """

    def __init__(
        self,
        *,
        allow_networks: Sequence[Network] = (),
        user_agent: str,
        total_timeout: float = 10.0,
        connect_timeout: float = 10.0,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = Guard(allow_networks)
        self._total_timeout = total_timeout
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._resolver = resolver or _Resolver()
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._ssl = ssl_context or _default_ssl()
        self._public = self._session(self._dial_public)
        self._home = self._session(self._dial_home)

    async def get(
        self,
        url: str,
        *,
        accept: str,
        sign: Sign | None = None,
        limit: int = DEFAULT_LIMIT,
        redirects: int = 3,
        same_origin_redirects: bool = False,
        headers: Mapping[str, str] | None = None,
        into: Callable[[bytes], object] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Fetch `url`, whatever the status of the answer, following at most `redirects` redirects.

        Each hop is signed anew by `sign` and passes the same checks; `headers` are extra ones, left
        off once a redirect leaves the origin. `limit` is in bytes. With `into` the body is given to
        it piece by piece, as it comes, and the answer has none; `timeout` (seconds) is for large ones.
        """
        target = first = split(url)
        most = timeout or self._total_timeout
        try:
            async with asyncio.timeout(most):
                for _ in range(redirects + 1):
                    sent = {**self._headers, "Accept": accept, "Host": target.host}
                    if headers and (target.scheme, target.host) == (first.scheme, first.host):
                        sent.update(headers)
                    if sign is not None:
                        sent.update(sign("GET", target.url))
                    answer = await self._send("GET", target, sent, None)
                    async with answer:
                        if answer.status not in _REDIRECTS:
                            return await _whole(answer, target, limit, into)
                        answer.close()
                        target = _next(answer, target, same_origin_redirects)
        except TimeoutError:
            raise _timed_out(target.url, most) from None
        except _FOREIGN as error:
            raise _translated(error, target.url) from error
        raise Unreachable(f"{first.url} redirects more than {redirects} times", code="too_many_redirects")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float = 30.0) -> Response:
        """Deliver `body`, and return whatever status comes; a redirect is an answer like any other.

        `headers` are those of httpsig.sign() for this `url`. Only the first 64 KiB of the answer
        are read. Once the status is here the delivery is settled, however the rest may end.
        """
        target = split(url)
        if headers.get("Host", target.host) != target.host:
            raise Unreachable(f"signed for host {headers['Host']}, not for {target.url}", code="bad_url")
        sent = {**self._headers, "Host": target.host, **headers}
        got: Response | None = None
        try:
            async with asyncio.timeout(timeout):
                answer = await self._send_again("POST", target, sent, body)
                async with answer:
                    got = Response(answer.status, target.url, answer.headers, b"")
                    text, _ = await _read(answer, POST_ANSWER_LIMIT)
                    return Response(answer.status, target.url, answer.headers, text)
        except TimeoutError:
            if got is not None:
                return got
            raise _timed_out(target.url, timeout) from None
        except _FOREIGN as error:
            if got is not None:
                return got
            raise _translated(error, target.url) from error

    def may_ask(self, url: str) -> bool:
        """Whether there is a way out to this address at all; what it resolves to is looked at when it is dialled."""
        try:
            self._door(split(url))
        except Unreachable:
            return False
        return True

    async def close(self) -> None:
        await self._public.close()
        await self._home.close()
        await self._resolver.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _session(self, dial: Callable[[Any], socket.socket]) -> aiohttp.ClientSession:
        pool = _Pool(
            resolver=self._resolver,
            ttl_dns_cache=DNS_CACHE,
            ssl=self._ssl,
            keepalive_timeout=KEEP_ALIVE,
            limit=0,  # the callers bound how much they ask at once
            socket_factory=dial,
        )
        return aiohttp.ClientSession(
            connector=pool,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def _send(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        session = self._door(target)
        return await session.request(
            method, URL(target.url, encoded=True), headers=headers, data=body, allow_redirects=False
        )

    async def _send_again(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        """A kept connection may be closed by the other side as we write. Inboxes know an activity by its id,
        so sending it a second time does no harm; aiohttp does as much for GET by itself."""
        try:
            return await self._send(method, target, headers, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError):
            return await self._send(method, target, headers, body)

    def _door(self, target: Target) -> aiohttp.ClientSession:
        """The session for an address: the public one, or the one that reaches only allowed networks."""
        name, _, port_text = target.host.rpartition(":") if _has_port(target.host) else (target.host, "", "")
        port = int(port_text) if port_text else (443 if target.scheme == "https" else 80)
        if port < 1024 and port not in (80, 443):
            raise _refused(target.url, f"port {port} is not one that servers of this network use")
        literal = name.startswith("[")
        if target.scheme == "https" and port != 80 and (literal or not is_home_name(name)):
            return self._public
        if not self._guard.has_exceptions:
            raise _refused(target.url, "plain http, port 80 and local names are for allowed networks only")
        return self._home

    def _dial_public(self, info: Any) -> socket.socket:
        address = info[4][0]
        if not self._guard.may_dial(address):
            raise OSError(_REFUSED_ERRNO, f"{address} is not a public address")
        return socket.socket(info[0], info[1], info[2])

    def _dial_home(self, info: Any) -> socket.socket:
        address = info[4][0]
        if not self._guard.is_allowed(address):
            raise OSError(_REFUSED_ERRNO, f"{address} is not in the allowed networks")
        return socket.socket(info[0], info[1], info[2])


class _Answers(ResponseHandler):
    """What comes over a connection: one answer to each request, and a few before it (100, 103) that say nothing yet.
    aiohttp keeps whatever else comes, and reads it as fast as it is sent: 70 MB of memory a second, and no turn for
    anybody else."""

    def feed_data(self, data: Any, size: int = 0) -> None:
        if len(self) < MOST_AHEAD:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.transport.abort()


class _Pool(aiohttp.TCPConnector):
    """aiohttp's connections, with a bound on how many idle ones a large fan-out leaves behind."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        protocol: Callable[..., ResponseHandler] = _Answers
        self._factory = partial(protocol, loop=self._loop)

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close or len(self._conns) >= MAX_IDLE)


class _Resolver(AbstractResolver):
    """getaddrinfo in threads of its own: names that never answer hold up no signing.

    Nor names that had an address when last asked for, which are looked up in other threads than those that had none,
    or are new: of these a stranger has as many as it likes.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns")
        self._for_known = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns-known")
        self._known: Recent[str, bool] = Recent(MOST_NAMES)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        threads = self._for_known if self._known.pop(host) else self._threads
        try:
            found = await loop.run_in_executor(
                threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
            )
        except UnicodeError as error:  # a label too long or empty, says the codec in between
            raise OSError(None, f"not a host name: {host}") from error
        self._known.put(host, True)
        return [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, sockaddr in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._for_known.shutdown(wait=False, cancel_futures=True)


def _default_ssl() -> ssl.SSLContext | bool:
    """The system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR as they are set now.

    aiohttp made a context of the system's when it was imported; a second one costs 0.7 MiB and 20 ms.
    """
    if not ("SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ):
        return True
    return _authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _authorities(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    """Those that OpenSSL finds where the environment says; made once for all clients of a process."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _next(answer: aiohttp.ClientResponse, target: Target, same_origin: bool) -> Target:
    """Where a redirect leads, read as strictly as any other address."""
    location = answer.headers.get("Location", "")
    try:
        onward = split(urljoin(target.url, location)) if location else None
    except ValueError:
        onward = None
    if onward is None:
        raise Unreachable(f"{target.url} redirects to no address", code="bad_redirect", status=answer.status)
    if same_origin and (onward.scheme, onward.host) != (target.scheme, target.host):
        raise Unreachable(
            f"{target.url} redirects to another origin: {onward.url}", code="bad_redirect", status=answer.status
        )
    return onward


async def _whole(
    answer: aiohttp.ClientResponse, target: Target, limit: int, into: Callable[[bytes], object] | None = None
) -> Response:
    """The answer with its whole body, which is at most `limit` bytes and not compressed."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise Unreachable(
            f"{target.url} answered in the encoding {encoding[:40]!r}, which was not asked for",
            code="broken_answer",
            status=answer.status,
        )
    fits = answer.content_length is None or answer.content_length <= limit
    body, fits = await _read(answer, limit, into) if fits else (b"", False)
    if not fits:
        answer.close()
        raise Unreachable(f"{target.url} answers with more than {limit} bytes", code="too_large", status=answer.status)
    return Response(answer.status, target.url, answer.headers, body)


async def _read(
    answer: aiohttp.ClientResponse, limit: int, into: Callable[[bytes], object] | None = None
) -> tuple[bytes, bool]:
    """At most `limit` bytes of the body, and whether that was all; if not, the connection is closed."""
    chunks: list[bytes] = []
    size = 0
    while chunk := await answer.content.readany():
        size += len(chunk)
        if size > limit:
            answer.close()
            return b"".join(chunks)[:limit], False
        if into is None:
            chunks.append(chunk)
        else:
            into(chunk)
    return b"".join(chunks), True


# ── foreign exceptions, in our words ─────────────────────────────────────────────────────────

# ValueError and RuntimeError: aiohttp and uvloop let a few of them through (a header that cannot be
# sent, a transport closed under the writer).
_FOREIGN = (aiohttp.ClientError, OSError, ValueError, RuntimeError)


def _translated(error: BaseException, url: str) -> Unreachable:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"no address is known for the host of {url}", code="dns")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return Unreachable(f"no trustworthy TLS connection to {url}: {_short(error)}", code="tls")
        case OSError(errno=number) if number == _REFUSED_ERRNO:
            return _refused(url, error.strerror or "its address is not a public one")
        case aiohttp.ClientConnectorError() | aiohttp.ClientOSError() | OSError():
            return Unreachable(f"could not connect to {url}: {_short(error)}", code="connect")
        case aiohttp.InvalidURL():
            return Unreachable(f"cannot ask {url}: {_short(error)}", code="bad_url")
        case _:
            return Unreachable(f"{url} gave a broken answer: {_short(error)}", code="broken_answer")


def _refused(url: str, why: str) -> Unreachable:
    return Unreachable(
        f"refused to dial {url}: {why}",
        code="refused_address",
        hint="For tests or a home network, name the network in CUICUI_ALLOW_NETWORKS.",
    )


def _timed_out(url: str, seconds: float) -> Unreachable:
    return Unreachable(f"{url} did not answer within {seconds:g} s", code="timeout")


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
