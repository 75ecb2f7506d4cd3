"""Fetch ActivityPub documents from where they live, and believe only what that place may say (FEP-fe34)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keys import canonical
from keys.canonical import JsonValue
from node.errors import BadDocument, Unreachable
from node.federation import httpsig, parse
from node.federation.circle import Circle, refusal
from node.federation.client import Client, Response, Sign
from node.federation.schedule import wished
from node.model import Clock, Iri, origin_of

ACCEPT = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document that came from the origin of its own id. Made only by Fetcher."""

    iri: Iri
    document: dict[str, JsonValue]
    body: bytes


@dataclass(frozen=True, slots=True)
class Paged:
    """A collection, or a page of one, as `url` answered with it: the word of that origin. Made only by Fetcher."""

    url: str
    document: dict[str, JsonValue]
    body: bytes
    etag: str | None


class Fetcher:
    """Signed GETs, as the node's server actor: that breaks the deadlock of two servers that each want the other's key.

    The owner's own addresses are never asked for: nothing that comes from outside may send us to ourselves.
    Nor is anything of those whom the owner blocked: not their servers, nor what others show of theirs.
    """

    def __init__(
        self, client: Client, signer: httpsig.Signer, *, circle: Circle, own_origin: str, clock: Clock
    ) -> None:
        self._client = client
        self._circle = circle
        self._signer = signer
        self._own_origin = own_origin
        self._clock = clock

    async def document(self, url: str) -> Fetched:
        """The document at `url`. If it says it lives elsewhere, it is fetched there, once.

        Raises Unreachable (`status` tells 404 and 410 from the rest), Refused (blocked).
        """
        first = await self._get(url)
        iri = first.document.get("id")
        if iri == url or iri == url.partition("#")[0]:
            return first
        if not isinstance(iri, str) or not iri:
            raise Unreachable(f"{url} answered with a document without id", code="broken_answer")
        second = await self._get(iri)
        if second.document.get("id") != iri:
            raise Unreachable(f"{url} names itself {iri}, which names itself otherwise", code="broken_answer")
        return second

    async def page(self, url: str, *, etag: str | None = None) -> Paged | None:
        """A collection, or a page of one; None when it is the same as when it had this entity tag (RFC 9110 §13.1.2).

        Its id may be spelled otherwise than its address, but not live on another origin. Raises Unreachable.
        """
        self._not_ourselves(url)
        asked = {"If-None-Match": etag} if etag else {}
        answer = await self.signed(url, headers=asked, same_origin_redirects=True)
        if answer.status == 304:
            return None
        document = _document(url, answer)
        iri = document.get("id")
        if iri is not None and not (isinstance(iri, str) and origin_of(iri) == origin_of(answer.url)):
            raise Unreachable(f"{url} answered with a collection of somebody else's", code="broken_answer")
        tag = answer.headers.get("ETag", "")
        return Paged(answer.url, document, answer.body, tag if tag and tag.isascii() else None)  # it need not be text

    def _not_ourselves(self, url: str) -> None:
        if origin_of(url) == self._own_origin:
            raise Unreachable(f"{url} is this node's own address", code="bad_url")

    async def _get(self, url: str) -> Fetched:
        self._not_ourselves(url)
        answer = await self.signed(url)
        document = _document(url, answer)
        iri = document.get("id")
        named = (iri, document.get("attributedTo"), document.get("actor"))
        await self._circle.admit(*(known for value in named for known in parse.iris_of(value)))
        if isinstance(iri, str) and origin_of(iri) != origin_of(answer.url) and origin_of(iri) != origin_of(url):
            # Somebody else's document: its own origin must be asked, and is, by document().
            document = {"id": iri}
        elif isinstance(iri, str) and origin_of(iri) != origin_of(answer.url):
            raise Unreachable(
                f"{url} was answered by {origin_of(answer.url)}, which may not speak for it", code="bad_redirect"
            )
        return Fetched(Iri(iri if isinstance(iri, str) else ""), document, answer.body)

    async def signed(
        self,
        url: str,
        accept: str = ACCEPT,
        *,
        headers: Mapping[str, str] | None = None,
        same_origin_redirects: bool = False,
    ) -> Response:
        """GET, signed with draft-cavage; on 401 once more, as the server might want it (http-signatures.md §3, §5)."""

        blocked = await self._circle.blocks()

        async def ask(sign: Sign) -> Response:
            def each_hop(method: str, address: str) -> dict[str, str]:
                """A redirect leads neither to the blocked nor back to us: it is not followed there."""
                if address != url:
                    self._not_ourselves(address)
                    if blocked.covers(address):
                        raise refusal(address)
                return sign(method, address)

            return await self._client.get(
                url, accept=accept, sign=each_hop, headers=headers, same_origin_redirects=same_origin_redirects
            )

        await self._circle.admit(url)
        answer = await ask(self._sign("cavage", accept, with_query=True))
        if answer.status in (400, 401):
            retry = self._sign("cavage", accept, with_query=False) if "?" in url else self._sign("rfc9421", accept)
            answer = await ask(retry)
        await self._circle.admit(answer.url)
        if answer.status != 200 and not (answer.status == 304 and headers):
            raise Unreachable(
                f"{url} answered {answer.status}",
                code="http_error",
                status=answer.status,
                retry_after=wished(answer.headers.get("Retry-After"), self._clock()),
            )
        return answer

    def _sign(self, dialect: str, accept: str, *, with_query: bool = True) -> Sign:
        def sign(method: str, url: str) -> dict[str, str]:
            return httpsig.sign(
                dialect,
                self._signer,
                method,
                url,
                body=None,
                now=self._clock(),
                accept=accept,
                with_query=with_query,
            )

        return sign


def _document(url: str, answer: Response) -> dict[str, JsonValue]:
    """What a server answered with, if it is ActivityPub and strict JSON."""
    if not answer.is_activity_json:
        raise Unreachable(
            f"{url} answered with {answer.media_type or 'no type'}, not with ActivityPub", code="wrong_type"
        )
    try:
        return canonical.load_object(answer.body)
    except BadDocument as error:
        raise Unreachable(f"{url} answered with broken JSON: {error.message}", code="broken_answer") from None
