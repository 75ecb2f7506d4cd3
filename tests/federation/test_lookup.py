"""Handles: read, asked for over WebFinger, and believed only as far as their domain confirms them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from node.errors import CuicuiError, NotAllowed, Unreachable
from node.federation.lookup import parse_handle
from tests.support.homes import Home
from tests.support.stranger import AP, Place, Stranger


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@ada@example.org", "@ada@example.org"),
        ("ada@example.org", "@ada@example.org"),
        ("acct:ada@example.org", "@ada@example.org"),
        (" @Ada@EXAMPLE.org ", "@Ada@example.org"),
        ("@ada@example.org:8443", "@ada@example.org:8443"),
        ("@ada@münchen.example", "@ada@xn--mnchen-3ya.example"),
        ("@ada@127.0.0.1:8140", "@ada@127.0.0.1:8140"),
        ("@a.b-c_d@example.org", "@a.b-c_d@example.org"),
        ("ada", None),
        ("@ada", None),
        ("@ada@", None),
        ("@ada@exa mple.org", None),
        ("@ada@example.org/path", None),
        ("@ada@user@example.org", None),
        ("@a/da@example.org", None),
        ("@.ada@example.org", None),
        ("@ада@example.org", None),
        ("https://example.org/@ada", None),
    ],
)
def test_how_handles_are_read(text: str, shown: str | None) -> None:
    """security.md §2: ASCII user names; hosts lower case, as A-labels."""
    found = parse_handle(text)
    assert (None if found is None else str(found)) == shown


@given(st.text(max_size=40))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    """Total: a handle or None, never an exception."""
    found = parse_handle(text)
    assert found is None or found.host.isascii()


async def test_somebody_is_found_by_handle_and_by_address(alice: Home, carol: Stranger) -> None:
    """federation.md §2: WebFinger, then the actor; the second time from memory."""
    by_handle = await alice.node.actors.resolve(carol.handle)
    by_address = await alice.node.actors.resolve(carol.iri)
    assert by_handle.actor.iri == by_address.actor.iri == carol.iri
    assert carol.place.asked["/users/carol"] == 1


async def test_nobody_is_said_to_be_nobody(alice: Home, place: Place) -> None:
    """A 404 of WebFinger is an answer, with a stable code."""
    with pytest.raises(NotAllowed) as caught:
        await alice.node.actors.resolve(f"@nobody@127.0.0.1:{place.port}")
    assert caught.value.code == "unknown_account"


_META = """<?xml version="1.0" encoding="UTF-8"?>{before}
<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><!-- where --><Link rel="other" template="https://x.example/{{uri}}"/>
<Link rel="lrdd" type="application/xrd+xml" template="{template}"/></XRD>"""


def _has_its_webfinger(place: Place, where: str, host_meta: bytes, kind: str = "application/xrd+xml") -> None:
    """WebFinger is at `where` (a path), and not where it should be; what host-meta says is given."""

    async def nothing(_request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def says(_request: web.Request) -> web.Response:
        return web.Response(body=host_meta, content_type=kind)

    async def finger(request: web.Request) -> web.Response:
        asked = request.query["of"]
        link = {"rel": "self", "type": AP, "href": f"{place.base}/users/{asked[5:].partition('@')[0]}"}
        return web.json_response({"subject": asked, "links": [link]}, content_type="application/jrd+json")

    place.documents |= {"/.well-known/webfinger": nothing, "/.well-known/host-meta": says, where: finger}


async def test_a_domain_without_webfinger_may_say_where_it_is(alice: Home, carol: Stranger) -> None:
    """federation.md §2: "on 404 try host-meta"."""
    place = carol.place
    told = _META.format(before="", template=f"{place.base}/finger?of={{uri}}")
    _has_its_webfinger(place, "/finger", told.encode())
    assert (await alice.node.actors.resolve(carol.handle)).actor.iri == carol.iri
    assert [place.asked[path] for path in ("/.well-known/webfinger", "/.well-known/host-meta", "/finger")] == [1, 1, 1]


def _in_utf_16(told: bytes) -> bytes:
    return told.decode().replace("UTF-8", "UTF-16").encode("utf-16")


_LAUGHS = '<!DOCTYPE x [<!ENTITY a "' + "ha" * 100 + '"><!ENTITY b "' + "&a;" * 1000 + '">]>'


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda told: told.replace(b"{uri}", b""), "application/xrd+xml"),
        (lambda told: told.replace(b'"lrdd"', b'"copyright"'), "application/xrd+xml"),
        (lambda told: told.replace(b'template="http:', b'template="file:'), "application/xrd+xml"),
        (lambda told: told.replace(b"?>", b"?>" + _LAUGHS.encode(), 1), "application/xrd+xml"),
        (
            lambda told: told.decode().replace("UTF-8", "UTF-16").replace("?>", "?>" + _LAUGHS).encode("utf-16"),
            "text/xml",
        ),
        (lambda told: told[:-9], "application/xrd+xml"),
        (lambda _told: b"\xff\xfe\0", "application/xrd+xml"),
        (lambda _told: b"", "application/xrd+xml"),
        (lambda told: told, "text/html"),
    ],
)
async def test_a_host_meta_that_says_nothing_is_no_way(
    alice: Home, carol: Stranger, change: Callable[[bytes], bytes], kind: str
) -> None:
    """The 404 stands; and a document type, which can define entities, is not read (security.md §4)."""
    told = _META.format(before="", template=f"{carol.place.base}/finger?of={{uri}}")
    _has_its_webfinger(carol.place, "/finger", change(told.encode()), kind)
    with pytest.raises(NotAllowed) as caught:
        await alice.node.actors.resolve(carol.handle)
    assert caught.value.code == "unknown_account"
    assert carol.place.asked["/finger"] == 0


async def test_a_host_meta_leads_nowhere_that_is_not_dialled(alice: Home, carol: Stranger) -> None:
    """security.md §5: whoever names an address, it is checked as it is dialled; and nobody goes round in circles."""
    for template in ("http://10.0.0.1/{uri}", f"{carol.place.base}/.well-known/webfinger?resource={{uri}}"):
        _has_its_webfinger(carol.place, "/finger", _META.format(before="", template=template).encode())
        with pytest.raises((NotAllowed, Unreachable)):
            await alice.node.actors.resolve(carol.handle)
    assert carol.place.asked["/.well-known/webfinger"] == 2


async def test_a_handle_that_leads_to_another_name_is_refused(alice: Home, carol: Stranger) -> None:
    """Akkoma 3.13, webfinger spoofing: the actor must bear the name that was asked for."""
    carol.place.people["president"] = carol.iri
    with pytest.raises(Unreachable):
        await alice.node.actors.resolve(f"@president@127.0.0.1:{carol.place.port}")


async def test_another_servers_actor_is_not_shown_under_a_borrowed_handle(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """security.md §2, handle theft: a domain that points at somebody else's actor does not rename them."""
    mallory.place.people["carol"] = carol.iri
    found = await alice.node.actors.resolve(f"@carol@127.0.0.1:{mallory.place.port}")
    assert found.actor.iri == carol.iri
    assert found.actor.handle == carol.handle


async def test_whatever_webfinger_answers_is_an_error_in_our_words(alice: Home, place: Place) -> None:
    """Foreign exceptions do not escape; nothing is stored."""
    before = await alice.rows()
    bodies = (b"", b"[]", b"{}", b'{"subject": 7}', b'{"subject": "acct:x@h", "links": 7}', b'{"a": 1, "a": 2}')
    for times, body in enumerate(bodies, start=1):

        async def junk(_request: web.Request, body: bytes = body) -> web.StreamResponse:
            return web.Response(body=body, content_type="application/jrd+json")

        place.documents["/.well-known/webfinger"] = junk
        with pytest.raises(CuicuiError):
            await alice.node.actors.resolve(f"@x@127.0.0.1:{place.port}")
        assert place.asked["/.well-known/webfinger"] == times
        assert await alice.rows() == before, body


async def test_we_do_not_ask_ourselves(alice: Home) -> None:
    """Nothing that comes from outside may send us to ourselves; our own name is known without asking."""
    assert (await alice.node.actors.resolve(alice.address)).actor.iri == alice.node.ids.actor
    with pytest.raises(CuicuiError):
        await alice.node.fetcher.document(f"{alice.base}/notes/1")
