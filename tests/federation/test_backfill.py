"""Nobody stares at an empty page: posts on follow, whole threads, and nothing trusted more than a delivery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from node.errors import CuicuiError
from node.federation import parse, spans, threads, walk
from node.federation.backfill import RECENT
from node.model import Post, Verdict
from node.storage import activities, chores, notes
from tests.support.following import follows
from tests.support.homes import Home, eventually
from tests.support.outboxes import Outbox, follow, host, reply_to, served, written
from tests.support.stranger import AS2, PUBLIC, Json, Place, Stranger, stamp


async def at_home(home: Home, count: int, within: float = 8.0) -> list[Post]:
    """Wait until that many posts are in the home timeline."""

    async def enough() -> list[Post]:
        posts = await home.node.owner.timeline(limit=80)
        return posts if len(posts) >= count else []

    return await eventually(enough, within=within)


# ── on follow ────────────────────────────────────────────────────────────────────────────────


async def test_the_recent_posts_are_there_as_soon_as_the_follow_is_accepted(alice: Home, carol: Stranger) -> None:
    """Issue 3, on follow: "recent public posts (up to 40, politely) appear with their dates, silently"."""
    items = written(carol, 55)
    Outbox(carol, items)
    told: list[str] = []
    alice.node.events.subscribe(lambda tell: told.append(tell.kind))
    await follow(alice, carol)
    posts = await at_home(alice, RECENT)
    await alice.idle()
    assert len(await alice.node.owner.timeline(limit=80)) == RECENT
    assert [post.note.iri for post in posts] == [item["object"]["id"] for item in items[:RECENT]]  # type: ignore[index]
    assert [stamp(post.note.published) for post in posts] == [item["published"] for item in items[:RECENT]]  # type: ignore[arg-type]
    assert {post.authorship.verdict for post in posts} == {Verdict.VOUCHED}
    assert "note" not in told
    assert told.count("backfilled") == 1


async def test_what_was_looked_at_before_the_follow_comes_home_with_it(alice: Home, carol: Stranger) -> None:
    """Issue 3, nobody stares at an empty page: who looks at a profile and then follows finds those posts at home.

    GoToSocial names its posts in the outbox and has them fetched one by one: those that are here are not.
    """
    items = written(carol, 5)
    Outbox(carol, items)
    _, looked_at = await alice.node.reading.open_profile(carol.handle)
    assert len(looked_at) == 5
    assert await alice.node.owner.timeline() == []
    await follow(alice, carol)
    assert [post.note.iri for post in await at_home(alice, 5)] == [item["object"]["id"] for item in items]  # type: ignore[index]
    await alice.node.owner.unfollow(carol.iri)
    assert await alice.node.owner.timeline() == []
    carol.place.received.clear()
    await follow(alice, carol)
    await at_home(alice, 5)


async def test_a_proof_counts_as_much_as_on_a_delivery(alice: Home, dave: Stranger) -> None:
    """Issue 3: "own verdict (`vouched`, or `signed` where a proof holds)"; the evidence is the bytes as they came."""
    items = written(dave, 2)
    Outbox(dave, items)
    await follow(alice, dave)
    posts = await at_home(alice, 2)
    assert {post.authorship.verdict for post in posts} == {Verdict.SIGNED}
    async with alice.node.store.read() as tx:
        name = await notes.evidence_of(tx, posts[0].id)
        assert name is not None
        logged = await activities.get(tx, name)
    assert logged is not None
    assert (logged.type, json.loads(logged.body)) == ("Fetched", items[0])
    assert logged.body in json.dumps(items).encode()


FORGERIES: list[tuple[str, Callable[[Json, Stranger], Any], bool]] = [
    (
        "a post of a neighbour's",
        lambda item, _: {**item, "object": {**_note(item), "attributedTo": "NEIGHBOUR"}},
        False,
    ),
    ("an activity of a neighbour's", lambda item, _: {**item, "actor": "NEIGHBOUR"}, False),
    ("a post of another server", lambda item, evil: {**item, "object": evil.note("forged")}, False),
    ("a proof that does not hold", lambda item, _: {**item, "object": {**_note(item), "content": "forged"}}, False),
    ("an id of ours", lambda item, _: {**item, "object": {**_note(item), "id": "OURS"}}, False),
    ("no post at all", lambda item, _: {**item, "object": {"type": "Vote"}}, False),
    ("a number", lambda _, __: 7, False),
    ("parts moved about", lambda item, _: {**item, "object": {**_note(item), "@graph": []}}, False),
    ("the post itself", lambda item, _: _note(item), True),
]


def _note(item: Json) -> Json:
    note = item["object"]
    assert isinstance(note, dict)
    return note


@pytest.mark.parametrize(("forge", "stays"), [row[1:] for row in FORGERIES], ids=[row[0] for row in FORGERIES])
async def test_an_outbox_may_speak_for_its_owner_alone(
    alice: Home, dave: Stranger, mallory: Stranger, forge: Callable[[Json, Stranger], Any], stays: bool
) -> None:
    """security.md §0.2: "every embedded object that is not the signer's own is reduced to its id"."""
    good, bad = written(dave, 2)
    neighbour = dave.place.stranger("neighbour")
    text = json.dumps(forge(bad, mallory)).replace("NEIGHBOUR", neighbour.iri).replace("OURS", f"{alice.base}/notes/1")
    Outbox(dave, [json.loads(text), good])
    await follow(alice, dave)
    await at_home(alice, 1)
    await alice.idle()
    assert len(await alice.node.owner.timeline()) == (2 if stays else 1)
    assert (await alice.rows())["notes"] == (2 if stays else 1)


async def test_what_an_outbox_only_names_is_fetched_from_where_it_lives(alice: Home, carol: Stranger) -> None:
    """federation.md §8: items may be ids, and those of others' posts are not asked for."""
    note = host(carol, carol.note("by its id", cc=[f"{carol.iri}/followers"]))
    Outbox(carol, [note["id"], "http://127.0.0.1:1/notes/1", {"type": "Create", "object": note["id"]}])
    await follow(alice, carol)
    assert "by its id" in (await at_home(alice, 1))[0].note.content


async def test_boosts_come_as_they_would_have_live(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """Issue 3: "boosts and replies by the same rules as live": the original, from its own origin."""
    original = host(mallory, mallory.prove(mallory.note("worth reading", published=stamp(datetime.now(UTC)))))
    lie = {**original, "content": "<p>what the friend's server made of it</p>"}
    boost = carol.activity("Announce", lie, published=stamp(datetime.now(UTC)), to=[PUBLIC])
    Outbox(carol, [boost])
    await follow(alice, carol)
    [post] = await at_home(alice, 1)
    assert "worth reading" in post.note.content
    assert (post.author.iri, post.authorship.verdict) == (mallory.iri, Verdict.SIGNED)
    assert (await alice.rows())["reactions"] == 1


async def test_what_was_delivered_meanwhile_is_not_there_twice(alice: Home, carol: Stranger) -> None:
    """security.md §2: "Create of a known id = no-op", also when it is found once more."""
    items = written(carol, 3)
    outbox = Outbox(carol, items[1:])
    await follow(alice, carol)
    await at_home(alice, 2)
    outbox.items = items
    assert (await carol.deliver(items[0], alice.base)).status == 202
    assert (await carol.deliver(items[1], alice.base)).status == 202
    await at_home(alice, 3)
    assert (await alice.rows())["notes"] == 3


async def test_an_outbox_without_end_is_left(alice: Home, carol: Stranger) -> None:
    """security.md §5, endless collections: a bound on pages, and no page twice."""
    asked: list[str] = []

    async def endless(request: web.Request) -> web.StreamResponse:
        asked.append(request.path_qs)
        number = int(request.query.get("page", "0")) + 1
        url = f"{carol.iri}/outbox"
        page: Json = {"@context": AS2, "id": url, "type": "OrderedCollectionPage", "orderedItems": [number]}
        return served({**page, "next": f"{url}?page={number}"})

    carol.place.documents[urlsplit(f"{carol.iri}/outbox").path] = endless
    await follow(alice, carol)
    await eventually(lambda: _true(len(asked) > 3))
    await alice.idle()
    assert len(asked) <= 7
    assert len(set(asked)) == len(asked)


async def _true(value: bool) -> bool:
    return value


async def test_a_page_may_not_lead_to_another_server(alice: Home, carol: Stranger, elsewhere: Place) -> None:
    """federation.md §8: "`next` must stay on the same host"."""
    items = written(carol, 1)
    page: Json = {"@context": AS2, "id": f"{carol.iri}/outbox", "type": "OrderedCollection", "orderedItems": items}
    carol.place.documents[urlsplit(f"{carol.iri}/outbox").path] = {**page, "next": f"{elsewhere.base}/trap"}
    await follow(alice, carol)
    await at_home(alice, 1)
    await alice.idle()
    assert elsewhere.asked == {}


async def test_a_server_that_asks_for_a_pause_gets_it(alice: Home, carol: Stranger) -> None:
    """Issue 3, polite: "Retry-After"; afterwards the posts come all the same."""
    outbox = Outbox(carol, written(carol, 1))
    outbox.status, outbox.headers = 503, {"Retry-After": "3600"}
    await follow(alice, carol)

    async def postponed() -> datetime | None:
        async with alice.node.store.read() as tx:
            found = await chores.get(tx, chores.OUTBOX, carol.iri)
        return found.next_at if found is not None and found.attempts else None

    next_at = await eventually(postponed)
    assert next_at is not None
    assert timedelta(minutes=59) < next_at - alice.clock() <= timedelta(hours=1)
    assert await alice.node.owner.timeline() == []


async def test_a_look_at_a_profile_shows_posts(alice: Home, carol: Stranger) -> None:
    """Issue 3: "a profile looked up shows its posts"; they are not taken for posts of somebody followed."""
    Outbox(carol, written(carol, 5))
    known, posts = await alice.node.reading.open_profile(carol.handle)
    assert known.actor.iri == carol.iri
    assert [post.note.content for post in posts] == [f"<p>post {n} of carol</p>" for n in (5, 4, 3, 2, 1)]
    assert await alice.node.owner.timeline() == []
    assert await alice.said_to_me() == []


async def test_a_profile_is_shown_though_its_outbox_cannot_be_read(alice: Home, carol: Stranger) -> None:
    """The account is there; only its posts are not to be had."""
    carol.place.documents[urlsplit(f"{carol.iri}/outbox").path] = {"id": f"{carol.iri}/outbox", "type": "Surprise"}
    known, posts = await alice.node.reading.open_profile(carol.handle)
    assert (known.actor.iri, posts) == (carol.iri, [])


# ── whole threads ────────────────────────────────────────────────────────────────────────────


async def test_opening_a_post_brings_the_whole_conversation(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger
) -> None:
    """Issue 3, whole threads: parents and replies are fetched, each from its origin, and what more there is is said."""
    root = host(carol, carol.note("the beginning"))
    middle = host(mallory, reply_to(mallory, root["id"], "in the middle"))
    opened = reply_to(dave, middle["id"], "what was opened")
    first = host(carol, reply_to(carol, opened["id"], "first answer"))
    nested = host(mallory, reply_to(mallory, first["id"], "answer to the answer"))
    host(carol, first, {"id": f"{first['id']}/replies", "type": "Collection", "items": [nested["id"]]})
    strange = host(mallory, mallory.note("has nothing to do with it"))
    page = f"{opened['id']}/replies?page=1"
    host(
        dave,
        opened,
        {
            "id": f"{opened['id']}/replies",
            "type": "Collection",
            "totalItems": 9,
            "first": {"type": "CollectionPage", "next": page, "partOf": f"{opened['id']}/replies", "items": []},
        },
    )
    dave.place.documents[urlsplit(page).path] = {
        "@context": AS2,
        "id": page,
        "type": "CollectionPage",
        "items": [first["id"], {**strange, "content": "forged"}, strange["id"], f"{alice.base}/notes/1"],
    }
    thread = await alice.node.reading.open_thread(str(opened["id"]))
    assert [text(post) for post in thread.above] == ["the beginning", "in the middle"]
    assert {text(post) for post in thread.below} == {"first answer", "answer to the answer"}
    assert thread.more == 7
    assert await alice.node.owner.timeline() == []
    assert await alice.said_to_me() == []
    before = dict(carol.place.asked)
    again = await alice.node.reading.open_thread(str(thread.post.id))
    assert (len(again.below), again.more) == (2, 7)
    assert carol.place.asked == before, "a thread that was just completed is not asked for again"


def text(post: Post) -> str:
    return post.note.content.removeprefix("<p>").removesuffix("</p>")


async def test_a_conversation_that_its_origin_collects_is_read(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """FEP-7888: `context` resolves to a collection of the posts of the conversation."""
    context = f"{carol.place.base}/contexts/1"
    root = host(carol, carol.note("gathered", context=context))
    far = host(mallory, mallory.note("said elsewhere", context=context, inReplyTo=root["id"]))
    carol.place.documents["/contexts/1"] = {
        "@context": AS2,
        "id": context,
        "type": "OrderedCollection",
        "orderedItems": [root["id"], far["id"]],
    }
    thread = await alice.node.reading.open_thread(str(root["id"]))
    assert [text(post) for post in thread.below] == ["said elsewhere"]


EMBEDDED: dict[str, Any] = {
    "an address": "{own}",
    "a collection that names its first page": {"id": "{own}", "type": "Collection", "first": "{own}?page=0"},
    "a first page that names the next": {
        "id": "{own}",
        "type": "Collection",
        "first": {"type": "CollectionPage", "next": "{own}?page=0"},
    },
    "a first page with its address alone": {
        "id": "{own}",
        "type": "Collection",
        "first": {"type": "CollectionPage", "id": "{own}?page=0"},
    },
    "a first page without answers": {
        "id": "{own}",
        "type": "Collection",
        "first": {"type": "CollectionPage", "partOf": "{own}", "next": "{own}?page=0", "items": []},
    },
    "a first page with the author's own answers": {
        "id": "{own}",
        "type": "Collection",
        "first": {"type": "CollectionPage", "partOf": "{own}", "next": "{own}?page=0", "items": ["{inside}"]},
    },
    "the same, ordered, without an id": {
        "type": "OrderedCollection",
        "first": {"type": "OrderedCollectionPage", "next": "{own}?page=0", "orderedItems": ["{inside}"]},
    },
}
"""How `replies` is written: an address alone by cuicui, Mitra and Misskey; embedded by Mastodon; and between."""


async def test_answers_are_found_however_their_collection_is_written(alice: Home, carol: Stranger) -> None:
    """Issue 3, "replies collections": an embedded page, with items or without, leads on to `next`."""
    found, there = {}, {}
    for spelling, collection in EMBEDDED.items():
        root = carol.note("asked")
        own = f"{root['id']}/replies"
        inside = host(carol, reply_to(carol, root["id"], "in the note"))
        paged = [host(carol, reply_to(carol, root["id"], f"on page {number}")) for number in range(2)]
        written_so = json.dumps(collection).replace("{own}", own).replace("{inside}", str(inside["id"]))
        host(carol, root, json.loads(written_so))
        carol.place.documents[urlsplit(own).path] = paging(own, [[one["id"]] for one in paged], total=3)
        thread = await alice.node.reading.open_thread(str(root["id"]))
        words = {"on page 0", "on page 1"} | ({"in the note"} if "{inside}" in json.dumps(collection) else set())
        there[spelling] = words, 3 - len(words)  # a page may say how many there are in all
        found[spelling] = {text(post) for post in thread.below}, thread.more
    assert found == there


def paging(own: str, pages: list[list[object]], total: int) -> Callable[[web.Request], Any]:
    """A collection whose pages each say how many there are in all, as ours do."""

    async def answer(request: web.Request) -> web.Response:
        top: Json = {"@context": AS2, "id": own, "type": "Collection", "totalItems": total, "first": f"{own}?page=0"}
        if "page" not in request.query:
            return served(top)
        number = int(request.query["page"])
        onward = {"next": f"{own}?page={number + 1}"} if number + 1 < len(pages) else {}
        page = {"@context": AS2, "id": f"{own}?page={number}", "type": "CollectionPage", "partOf": own, **onward}
        return served({**page, "totalItems": total, "items": pages[number]})

    return answer


async def test_an_embedded_page_buys_no_further_pages(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """security.md §5: "≤ 3 pages" of a collection, none twice, and none but at the origin of the post."""
    root = carol.note("asked")
    own, path = f"{root['id']}/replies", urlsplit(f"{root['id']}/replies").path
    first = {"type": "CollectionPage", "next": f"{own}?page=0", "items": []}
    host(carol, root, {"id": own, "type": "Collection", "first": first})
    carol.place.documents[path] = paging(own, [[] for _ in range(9)], total=9)
    assert (await alice.node.reading.open_thread(str(root["id"]))).more == 9
    assert carol.place.asked[path] == threads.PAGES
    circle = carol.note("round and round")
    own, path = f"{circle['id']}/replies", urlsplit(f"{circle['id']}/replies").path
    looped = {"@context": AS2, "id": f"{own}?page=0", "type": "CollectionPage", "next": f"{own}?page=0", "items": []}
    host(carol, circle, {"id": own, "type": "Collection", "first": looped})
    carol.place.documents[path] = looped
    await alice.node.reading.open_thread(str(circle["id"]))
    assert carol.place.asked[path] == 1
    away = {"type": "CollectionPage", "next": f"{mallory.place.base}/pages"}
    for id in ({}, {"id": own}):
        astray = carol.note("elsewhere")
        host(carol, astray, {**id, "type": "Collection", "first": away})
        await alice.node.reading.open_thread(str(astray["id"]))
    assert mallory.place.asked["/pages"] == 0


@pytest.mark.parametrize("followed", [False, True])
async def test_what_a_server_shows_by_mistake_is_kept_for_followers_alone(
    alice: Home, carol: Stranger, followed: bool
) -> None:
    """security.md §0.9: a post for followers that can be fetched is for us only if the owner is one of them."""
    if followed:
        await follows(alice, carol)
    note = carol.note("for friends", to=[f"{carol.iri}/followers"])
    carol.place.documents[str(note["id"]).removeprefix(carol.place.base)] = note
    try:
        await alice.node.reading.open_thread(str(note["id"]))
    except CuicuiError:
        assert not followed
    assert (await alice.node.owner.find_post(str(note["id"])) is not None) is followed


async def test_a_thread_costs_no_more_than_its_budget(alice: Home, carol: Stranger) -> None:
    """security.md §5: "≤ 3 pages, ≤ 40 ancestors, ≤ 50 fetches"; what was left is counted."""
    root = carol.note("popular")
    answers = [host(carol, reply_to(carol, root["id"], f"answer {n}")) for n in range(80)]
    host(carol, root, {"type": "Collection", "items": [answer["id"] for answer in answers]})
    before = carol.place.asked.total()
    thread = await alice.node.reading.open_thread(str(root["id"]))
    assert 0 < carol.place.asked.total() - before <= threads.FETCHES + 5
    assert len(thread.below) + thread.more == 80
    assert thread.more > 30


async def test_a_chain_of_parents_ends(alice: Home, carol: Stranger) -> None:
    """security.md §4, cycles; §5, chains: two posts that answer each other are two posts."""
    one, two = carol.note("one"), carol.note("two")
    one["inReplyTo"], two["inReplyTo"] = two["id"], one["id"]
    host(carol, one)
    host(carol, two)
    thread = await alice.node.reading.open_thread(str(one["id"]))
    assert [text(post) for post in thread.above] == ["two"]


async def test_a_missing_parent_is_not_fetched_when_a_reply_arrives(alice: Home, carol: Stranger) -> None:
    """One delivery costs others nothing: parents come when a thread is opened."""
    await follow(alice, carol)
    await alice.idle()
    root = host(carol, carol.note("unknown"))
    reply = reply_to(carol, root["id"], "answer")
    assert (await carol.deliver(carol.create(reply), alice.base)).status == 202
    await at_home(alice, 1)
    await asyncio.sleep(0.1)
    assert carol.place.asked[urlsplit(str(root["id"])).path] == 0


# ── deciders ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        '{"orderedItems": [ {"a": [1, 2]} , "x,]}" ,3 ]}',
        '{"first": {"items": [{"b": "\\"["}, []], "next": "n"}, "items": [9]}',
        '{"items": {"id": "alone"}}',
        '{"items": []}',
        '{"items": null}',
        "{}",
        ' {"é": "ü", "orderedItems": ["ß", {"ñ": 1.0}]} ',
    ],
)
def test_items_keep_the_bytes_they_came_in(body: str) -> None:
    """decisions.md §8: "a proof is always checked over the received bytes; nothing is re-serialised"."""
    document = json.loads(body)
    page = document.get("first", document)
    wanted = page.get("orderedItems", page.get("items"))
    found = spans.items(body.encode())
    assert [json.loads(raw) for raw in found] == (
        [] if wanted is None else wanted if isinstance(wanted, list) else [wanted]
    )
    assert all(raw.decode() in body for raw in found)


def test_of_a_page_without_end_the_beginning_is_read() -> None:
    """security.md §0.10: half a million items in a mebibyte held the loop for a second, page after page; 200 count."""
    body = b'{"type": "OrderedCollection", "orderedItems": [%s]}' % b",".join([b"0"] * 400_000)
    assert spans.items(body) == [b"0"] * parse.MAX_ITEMS


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("silent_for", "gap", "silent"),
    [
        (2 * DAY, timedelta(hours=1), True),
        (timedelta(hours=20), timedelta(hours=1), False),  # at least a day
        (2 * DAY, DAY, False),
        (4 * DAY, DAY, True),
        (6 * DAY, None, False),
        (8 * DAY, None, True),
        (8 * DAY, 30 * DAY, True),  # everybody is asked once a week
    ],
)
def test_who_is_silent_for_longer_than_usual(silent_for: timedelta, gap: timedelta | None, silent: bool) -> None:
    """Issue 3: "a followed author has been silent longer than they usually are"."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert walk.is_silent(now, now - silent_for, gap) is silent
