"""Documents are believed as far as the place they came from may speak (FEP-fe34)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from node.errors import Unreachable
from tests.support.homes import Home
from tests.support.stranger import AP, Json, Place, Stranger

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _redirect(to: str) -> Served:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": to})

    return answer


def _as(content_type: str, body: bytes) -> Served:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": content_type})

    return answer


async def test_a_document_is_fetched_where_its_id_is(alice: Home, place: Place) -> None:
    """federation.md §11: "if id differs from the URL asked, refetch once at id and require equality"."""
    note: Json = {"id": f"{place.base}/n/1", "type": "Note", "content": "the true one"}
    place.documents |= {"/n/1": note, "/page/1": {**note, "content": "a copy"}}
    found = await alice.node.fetcher.document(f"{place.base}/page/1")
    assert (found.iri, found.document["content"]) == (note["id"], "the true one")


async def test_another_servers_document_is_asked_for_there(alice: Home, place: Place, elsewhere: Place) -> None:
    """Misskey CVE-2024-52591: a copy on another server is worth nothing; its own origin is asked."""
    note: Json = {"id": f"{place.base}/n/1", "type": "Note", "content": "the true one"}
    place.documents["/n/1"] = note
    elsewhere.documents["/copy"] = {**note, "content": "forged"}
    found = await alice.node.fetcher.document(f"{elsewhere.base}/copy")
    assert found.document["content"] == "the true one"
    elsewhere.documents["/missing"] = {**note, "id": f"{place.base}/n/2"}
    with pytest.raises(Unreachable):
        await alice.node.fetcher.document(f"{elsewhere.base}/missing")


async def test_a_redirect_to_another_server_lets_it_speak_for_itself_only(
    alice: Home, place: Place, elsewhere: Place
) -> None:
    """security.md §2: "compare id with the FINAL URL"."""
    place.documents["/n/1"] = _redirect(f"{elsewhere.base}/forged")
    elsewhere.documents["/forged"] = {"id": f"{place.base}/n/1", "type": "Note", "content": "forged"}
    with pytest.raises(Unreachable):
        await alice.node.fetcher.document(f"{place.base}/n/1")


async def _outcome(home: Home, url: str) -> str:
    """The id of what is fetched, or the code of the error that we make of it."""
    try:
        return (await home.node.fetcher.document(url)).iri
    except Unreachable as error:
        return error.code


async def test_an_id_that_is_none_is_an_error_in_our_words(alice: Home, place: Place) -> None:
    """Total: whatever a stranger serves, what comes out is a document or Unreachable."""
    for name in ("http://[", 7, None, "", [], "https://h:99999/", "javascript:alert(1)", "urn:x"):
        place.documents["/n/1"] = {"id": name, "type": "Note"}
        assert await _outcome(alice, f"{place.base}/n/1") in ("bad_url", "broken_answer"), name


async def test_two_pages_that_send_one_on_are_left_after_two(alice: Home, place: Place) -> None:
    """Refetched once, then stop."""
    place.documents["/a"] = {"id": f"{place.base}/b"}
    place.documents["/b"] = {"id": f"{place.base}/a"}
    with pytest.raises(Unreachable):
        await alice.node.fetcher.document(f"{place.base}/a")
    assert sum(place.asked.values()) == 2


TYPES = {
    AP: True,
    'application/ld+json; profile="https://www.w3.org/ns/activitystreams"': True,
    "application/activity+json; charset=utf-8": True,
    "application/ld+json": False,
    "application/json": False,
    "text/plain": False,
    "image/png": False,
    "text/html": False,
}


async def test_an_upload_is_not_a_document(alice: Home, place: Place) -> None:
    """Mastodon CVE-2024-25623: documents only under their own type."""
    url = f"{place.base}/upload"
    found = {}
    for content_type in TYPES:
        place.documents["/upload"] = _as(content_type, f'{{"id": "{url}", "type": "Note"}}'.encode())
        found[content_type] = await _outcome(alice, url)
    assert found == {content_type: url if fine else "wrong_type" for content_type, fine in TYPES.items()}


async def test_fetches_are_signed_by_the_server_and_not_by_the_owner(alice: Home, carol: Stranger) -> None:
    """federation.md §11: "Sign GETs as the server actor"."""
    await alice.node.actors.refresh(carol.iri)
    signature = carol.place.asked_with[-1]["Signature"]
    assert f'keyId="{alice.base}/server-actor#main-key"' in signature


async def test_a_server_that_wants_the_other_dialect_is_asked_again(alice: Home, place: Place) -> None:
    """http-signatures §5: a GET too is repeated once with the other scheme."""
    url = f"{place.base}/n/1"

    async def picky(request: web.Request) -> web.StreamResponse:
        if "Signature-Input" not in request.headers:
            return web.Response(status=401)
        return web.json_response({"id": url, "type": "Note"}, content_type=AP)

    place.documents["/n/1"] = picky
    assert (await alice.node.fetcher.document(url)).iri == url
    assert place.asked["/n/1"] == 2


async def test_only_a_plain_yes_is_an_answer(alice: Home, place: Place) -> None:
    """federation.md §3: "require 200": a part or a copy of a document is not the document."""
    url = f"{place.base}/n/1"
    found = {}
    for status in (200, 201, 202, 203, 206, 300, 304):

        async def answer(_request: web.Request, status: int = status) -> web.StreamResponse:
            return web.json_response({"id": url, "type": "Note"}, status=status, content_type=AP)

        place.documents["/n/1"] = answer
        found[status] = await _outcome(alice, url)
    assert found == {status: url if status == 200 else "http_error" for status in found}


async def test_a_redirect_does_not_lead_back_to_us(alice: Home, place: Place) -> None:
    """security.md §5: nothing that comes from outside may send us to ourselves, also by a detour."""
    place.documents["/n/1"] = _redirect(f"{alice.base}/notes/1")
    with pytest.raises(Unreachable, match="this node's own address"):
        await alice.node.fetcher.document(f"{place.base}/n/1")


@pytest.mark.parametrize("how", ["its id is elsewhere", "it redirects elsewhere", "it has no id", "it is as asked for"])
async def test_a_page_is_the_word_of_its_own_origin(alice: Home, place: Place, elsewhere: Place, how: str) -> None:
    """federation.md §8: "`next` must stay on the same host"; another's collection is not taken for this one's."""
    page: Json = {"id": f"{place.base}/outbox?page=1", "type": "OrderedCollectionPage", "orderedItems": []}
    url = f"{place.base}/outbox"
    place.documents["/outbox"] = page
    match how:
        case "its id is elsewhere":
            place.documents["/outbox"] = {**page, "id": f"{elsewhere.base}/outbox"}
        case "it redirects elsewhere":
            place.documents["/outbox"] = _redirect(f"{elsewhere.base}/outbox")
            elsewhere.documents["/outbox"] = {**page, "id": f"{elsewhere.base}/outbox"}
        case "it has no id":
            del page["id"]
    if how.endswith("elsewhere"):
        with pytest.raises(Unreachable):
            await alice.node.fetcher.page(url)
        assert not elsewhere.asked
        return
    found = await alice.node.fetcher.page(url)
    assert found is not None
    assert (found.url, found.document) == (url, page)
