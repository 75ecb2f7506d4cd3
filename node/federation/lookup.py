"""Ask WebFinger: `@name@host` → the actor's id (RFC 7033; federation.md §2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import idna

from keys import canonical
from keys.canonical import JsonValue
from node.errors import BadDocument, NotAllowed, Unreachable
from node.federation.circle import Circle
from node.federation.client import Client, Response
from node.model import Iri
from node.settings import Network

LIMIT = 64 * 1024
_JRD = "application/jrd+json, application/json"
_XRD = ("application/xrd+xml", "application/xml", "text/xml")
_XRD_NAMES = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
_TYPES = ("application/activity+json", 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"')
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Handle:
    """`name` as written; `host` lower case, IDNA A-labels, with its port if it has one."""

    name: str
    host: str

    def __str__(self) -> str:
        return f"@{self.name}@{self.host}"


def parse_handle(text: str) -> Handle | None:
    """Read `@name@host`, `name@host`, `acct:name@host`; None for anything else."""
    name, separator, host = text.strip().removeprefix("acct:").removeprefix("@").partition("@")
    if not separator or not _NAME.fullmatch(name):
        return None
    bare, colon, port = host.rpartition(":") if re.search(r":\d{1,5}$", host) else (host, "", "")
    if not bare or any(character in bare for character in "/?#@% \\"):
        return None
    try:
        ascii_host = bare.lower() if _is_address(bare) else idna.encode(bare, uts46=True).decode().lower()
    except idna.IDNAError:
        return None
    return Handle(name, ascii_host + colon + port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Lookup:
    """Asks other servers who somebody is. `allow_networks` are those that may be spoken to without TLS."""

    def __init__(self, client: Client, circle: Circle, allow_networks: Sequence[Network]) -> None:
        self._client = client
        self._circle = circle
        self._allowed = tuple(allow_networks)

    async def actor_of(self, handle: Handle) -> tuple[Iri, Handle]:
        """The actor's id, and the handle its domain confirms (the subject).

        Follows one other subject, as Mastodon does; more hops are refused. Raises Unreachable, or
        NotAllowed when there is no such account, Refused when the way leads over a blocked server.
        """
        document = await self._ask(handle)
        subject = parse_handle(str(document.get("subject", "")))
        if subject is None:
            raise Unreachable(f"WebFinger of {handle.host} gives no subject for {handle}", code="broken_answer")
        if str(subject).lower() != str(handle).lower():
            document = await self._ask(subject)
            if str(parse_handle(str(document.get("subject", "")))).lower() != str(subject).lower():
                raise Unreachable(f"WebFinger sends {handle} from one name to the next", code="broken_answer")
        return _self_link(document, handle), subject

    async def _ask(self, handle: Handle) -> dict[str, JsonValue]:
        failure: Unreachable | None = None
        for scheme in self._schemes(handle.host):
            resource = quote(f"acct:{handle.name}@{handle.host}", safe="")
            origin = f"{scheme}://{handle.host}"
            url = f"{origin}/.well-known/webfinger?resource={resource}"
            try:
                answer = await self._get(url, _JRD)
                if answer.status == 404 and (template := await self._template(origin)) is not None:
                    elsewhere = template.replace("{uri}", resource)
                    answer = answer if elsewhere == url else await self._get(elsewhere, _JRD)
            except Unreachable as error:
                failure = failure or error
                continue
            return _document(answer, handle)
        assert failure is not None
        raise failure

    async def _template(self, origin: str) -> str | None:
        """Where a domain has its WebFinger, if its host-meta says so (RFC 6415 §2, federation.md §2)."""
        try:
            answer = await self._get(f"{origin}/.well-known/host-meta", ", ".join(_XRD))
        except Unreachable:
            return None
        return _lrdd(answer.body) if answer.status == 200 and answer.media_type in _XRD else None

    async def _get(self, url: str, accept: str) -> Response:
        await self._circle.admit(url)
        return await self._client.get(url, accept=accept, limit=LIMIT, sign=await self._circle.watch(url))

    def _schemes(self, host: str) -> tuple[str, ...]:
        """https; plain http only where it can be right: the client lets it through to named networks alone."""
        if not self._allowed:
            return ("https",)
        bare = host.rpartition(":")[0] if re.search(r":\d{1,5}$", host) else host
        if bare == "localhost":
            return ("http", "https")
        if _is_address(bare):
            address = ipaddress.ip_address(bare.strip("[]"))
            inside = any(address in network for network in self._allowed if network.version == address.version)
            return ("http", "https") if inside else ("https",)
        return ("https", "http")


def _lrdd(body: bytes) -> str | None:
    """The template of a host-meta's `lrdd` link, None without one. A document type is refused: it could define
    entities."""
    from xml.etree import ElementTree  # 1 MiB that few lookups need

    try:
        text = body.decode()  # UTF-8 alone, so that what is looked for is what is parsed
        if "<!" in text.replace("<!--", ""):
            return None
        links = list(ElementTree.fromstring(text).iter(f"{{{_XRD_NAMES}}}Link"))  # noqa: S314 - no document type
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    for link in links:
        template = link.get("template", "")
        if link.get("rel") == "lrdd" and template.startswith(("https://", "http://")) and "{uri}" in template:
            return template
    return None


def _document(answer: Response, handle: Handle) -> dict[str, JsonValue]:
    if answer.status in (404, 410):
        raise NotAllowed(f"{handle.host} knows nobody called {handle.name}", code="unknown_account")
    if answer.status != 200 or answer.media_type not in ("application/jrd+json", "application/json"):
        raise Unreachable(
            f"WebFinger of {handle.host} answered {answer.status} {answer.media_type}",
            code="http_error" if answer.status != 200 else "wrong_type",
            status=answer.status,
        )
    try:
        return canonical.load_object(answer.body)
    except BadDocument as error:
        raise Unreachable(f"WebFinger of {handle.host}: {error.message}", code="broken_answer") from None


def _self_link(document: dict[str, JsonValue], handle: Handle) -> Iri:
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and link.get("type") in _TYPES:
            href = link.get("href")
            if isinstance(href, str) and href.startswith(("https://", "http://")):
                return Iri(href)
    raise Unreachable(f"WebFinger of {handle.host} names no ActivityPub actor for {handle}", code="broken_answer")
