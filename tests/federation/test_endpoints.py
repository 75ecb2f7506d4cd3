"""What other servers read of us: found, negotiated, and never more than they may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from keys import TransportKey, proof
from keys.canonical import load_object
from node.federation import parse
from node.model import PUBLIC, Iri, Visibility
from node.storage.relations import State
from tests.web.filled import House, furnish, leave, open_doors

AP = "application/activity+json"
LD = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
HOST = "ada.example"
BASE = f"https://{HOST}"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = await furnish(tmp_path)
    server = await open_doors(made)
    yield made
    await leave(made, server)


# ── discovery ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("resource", "subject", "actor"),
    [
        (f"acct:ada@{HOST}", f"acct:ada@{HOST}", "/actor"),
        (f"acct:ADA@{HOST.upper()}", f"acct:ada@{HOST}", "/actor"),
        (f"{BASE}/actor", f"acct:ada@{HOST}", "/actor"),
        (f"{BASE}/@ada", f"acct:ada@{HOST}", "/actor"),
        (f"acct:{HOST}@{HOST}", f"acct:{HOST}@{HOST}", "/server-actor"),
        (f"{BASE}/", f"acct:{HOST}@{HOST}", "/server-actor"),
        (BASE, f"acct:{HOST}@{HOST}", "/server-actor"),
    ],
)
async def test_webfinger_knows(house: House, resource: str, subject: str, actor: str) -> None:
    """RFC 7033 §4.1: "A WebFinger resource is queried" by any of the names it has."""
    reply = await house.get(f"/.well-known/webfinger?resource={quote(resource, safe='')}")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/jrd+json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.json["subject"] == subject
    links = reply.json["links"]
    assert isinstance(links, list)
    assert {"rel": "self", "type": AP, "href": BASE + actor} in links


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "bad_request"),
        ("?resource=", 400, "bad_request"),
        (f"?resource=acct:ada@{HOST}&resource=acct:bob@{HOST}", 400, "bad_request"),
        (f"?resource=acct:bob@{HOST}", 404, "not_found"),
        ("?resource=acct:ada@elsewhere.example", 404, "not_found"),
        ("?resource=%00%ff", 404, "not_found"),
    ],
)
async def test_webfinger_does_not_know(house: House, query: str, status: int, code: str) -> None:
    """RFC 7033 §4.2: a missing or malformed resource is 400, one without information 404."""
    reply = await house.get(f"/.well-known/webfinger{query}")
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


async def test_webfinger_gives_the_links_that_are_asked_for(house: House) -> None:
    """RFC 7033 §4.3: `rel` may be repeated, and selects links; everything else stays."""
    profile = "http://webfinger.net/rel/profile-page"
    path = f"/.well-known/webfinger?resource=acct:ada@{HOST}"
    both = (await house.get(f"{path}&rel=self&rel={quote(profile, safe='')}")).json
    assert [link["rel"] for link in both["links"]] == ["self", profile]  # type: ignore[attr-defined]
    assert both["subject"] == f"acct:ada@{HOST}"
    assert (await house.get(f"{path}&rel=none")).json["links"] == []


async def test_a_handle_may_have_a_port(tmp_path: Path) -> None:
    """A node tried on one machine is `@alice@127.0.0.1:8140`, and can be followed by that name."""
    alice = await furnish(tmp_path, handle="alice", base="http://127.0.0.1:8140")
    server = await open_doors(alice)
    reply = await alice.get("/.well-known/webfinger?resource=acct:alice@127.0.0.1:8140")
    assert reply.json["subject"] == "acct:alice@127.0.0.1:8140"
    assert (await alice.get("/.well-known/webfinger?resource=acct:alice@127.0.0.1")).status == 404
    await leave(alice, server)


async def test_host_meta_leads_to_webfinger(house: House) -> None:
    """RFC 6415 §3.1: the LRDD template."""
    reply = await house.get("/.well-known/host-meta")
    assert reply.headers["Content-Type"].startswith("application/xrd+xml")
    assert f'template="{BASE}/.well-known/webfinger?resource={{uri}}"' in reply.text


@pytest.mark.parametrize("version", ["2.0", "2.1"])
async def test_nodeinfo(house: House, version: str) -> None:
    """NodeInfo: the index links to each version, and GoToSocial compares its content type literally."""
    await house.say("one")
    await house.say("for followers", Visibility.FOLLOWERS)
    index = (await house.get("/.well-known/nodeinfo")).json
    rel = f"http://nodeinfo.diaspora.software/ns/schema/{version}"
    assert {"rel": rel, "href": f"{BASE}/nodeinfo/{version}"} in index["links"]  # type: ignore[operator]
    reply = await house.get(f"/nodeinfo/{version}")
    assert reply.headers["Content-Type"] == f'application/json; profile="{rel}#"'
    assert reply.json["version"] == version
    assert reply.json["software"]["name"] == "cuicui"  # type: ignore[index]
    assert reply.json["usage"] == {"users": {"total": 1, "activeMonth": 1, "activeHalfyear": 1}, "localPosts": 1}
    house.now += timedelta(days=60)
    assert (await house.get(f"/nodeinfo/{version}")).json["usage"]["users"] == {  # type: ignore[index]
        "total": 1,
        "activeMonth": 0,
        "activeHalfyear": 1,
    }


async def test_there_is_no_other_nodeinfo(house: House) -> None:
    assert (await house.get("/nodeinfo/1.0")).status == 404


# ── actors ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (AP, f"{AP}; charset=utf-8"),
        (LD, LD),
        (None, f"{AP}; charset=utf-8"),
        ("application/json", f"{AP}; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("path", ["/actor", "/server-actor"])
async def test_actors_are_served_as_activitypub(house: House, path: str, accept: str | None, content_type: str) -> None:
    """ActivityPub §3.2: the server responds with the ActivityStreams representation to either media type."""
    reply = await house.get(path, accept)
    assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)
    assert parse.actor(load_object(reply.body)).iri == BASE + path
    assert "Accept" in reply.headers["Vary"]
    assert reply.headers["Cache-Control"] == "public, max-age=180"


async def test_the_actor_carries_the_owners_proof(house: House) -> None:
    """The identity key vouches for the key that signs requests."""
    reply = await house.get("/actor", AP)
    assert proof.check(load_object(reply.body), house.keys.identity.public, house.now).method.startswith(
        house.ids.actor
    )


@pytest.mark.parametrize(
    ("path", "page"),
    [("/actor", "/@ada"), ("/notes/77", "/@ada/77"), ("/notes/77/activity", "/@ada/77"), ("/outbox", "/@ada")],
)
async def test_a_browser_is_sent_to_the_page(house: House, path: str, page: str) -> None:
    """Said without looking: whether the note exists is for the page to tell."""
    reply = await house.get(path, HTML)
    assert (reply.status, reply.headers["Location"], reply.headers["Vary"]) == (303, BASE + page, "Accept")


@pytest.mark.parametrize("path", ["/actor", "/.well-known/nodeinfo", "/outbox", "/followers"])
async def test_what_is_held_already_is_not_sent_again(house: House, path: str) -> None:
    """RFC 9110 §15.4.5: 304 when the condition of a conditional GET evaluates to false."""
    first = await house.get(path, AP)
    again = await house.get(path, AP, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])


async def test_head_is_get_without_the_body(house: House) -> None:
    """RFC 9110 §9.3.2."""
    got = await house.get("/actor", AP)
    head = await house.ask("HEAD", "/actor", AP)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert head.headers["Content-Length"] == str(len(got.body))


async def test_the_host_header_is_not_believed(house: House) -> None:
    """Every address we give comes from the settings (security.md §6)."""
    for path in ("/actor", "/outbox?page=true", "/.well-known/nodeinfo", "/.well-known/host-meta"):
        assert b"evil.example" not in (await house.get(path, AP, Host="evil.example")).body


# ── notes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.UNLISTED])
async def test_a_note_is_served_as_it_was_signed(house: House, visibility: Visibility) -> None:
    """A proof is over bytes: what is stored is what is served, and anybody may check it."""
    number = await house.say("Hello, loom", visibility)
    reply = await house.get(f"/notes/{number}", AP)
    assert reply.status == 200
    assert reply.body == await house.document(number)
    assert proof.check(load_object(reply.body), house.keys.identity.public, house.now)
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Cache-Control"] == "public, max-age=180"
    create = await house.get(f"/notes/{number}/activity", AP)
    assert create.json["id"] == f"{BASE}/notes/{number}/activity"
    assert proof.check(load_object(create.body), house.keys.identity.public, house.now)


@pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.DIRECT])
@pytest.mark.parametrize("part", ["", "/activity", "/replies", "/replies?page=true"])
async def test_a_private_note_is_as_absent_as_one_that_never_was(
    house: House, visibility: Visibility, part: str
) -> None:
    """Security: "private = 404 (same as absent) to everyone but verified addressee/follower"."""
    bob = await house.meet("@bob@bob.example")
    await house.follow(bob, State.PENDING)  # asked, and not yet accepted
    private = await house.say("between us", visibility)
    absent = private - (1 << 20)
    for asker in (None, bob):
        there, nowhere = [
            await (house.get_as(asker, path) if asker else house.get(path, AP))
            for path in (f"/notes/{private}{part}", f"/notes/{absent}{part}")
        ]
        there.headers.pop("Date"), nowhere.headers.pop("Date")
        assert (there.status, there.body, there.headers) == (404, nowhere.body, nowhere.headers)
        assert there.headers["Cache-Control"] == "private, no-store"


async def test_followers_read_what_is_for_followers(house: House) -> None:
    """An accepted follower proves who they are by an HTTP signature; nobody keeps a copy of the answer."""
    bob, eve = await house.meet("@bob@bob.example"), await house.meet("@eve@eve.example")
    await house.follow(bob)
    number = await house.say("for followers", Visibility.FOLLOWERS)
    for part in ("", "/activity", "/replies"):
        reply = await house.get_as(bob, f"/notes/{number}{part}")
        assert reply.status == 200
        assert reply.headers["Cache-Control"] == "private, no-store"
        assert "Signature" in reply.headers["Vary"]
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert (await house.get_as(eve, f"/notes/{number}{part}")).status == 404
        assert (await house.get(f"/notes/{number}{part}", AP)).status == 404  # and it was not kept for others
    assert (await house.get_as(bob, f"/notes/{number}")).body == await house.document(number)


async def test_a_wrong_signature_is_nobodys(house: House) -> None:
    """Bob's name under another key opens nothing."""
    bob = await house.meet("@bob@bob.example")
    await house.follow(bob)
    number = await house.say("for followers", Visibility.FOLLOWERS)
    assert (await house.get_as(bob, f"/notes/{number}", key=TransportKey.generate())).status == 404


async def test_a_direct_note_is_for_those_it_names(house: House) -> None:
    """ActivityPub §5: addressing says who may see it; following does not."""
    bob, eve = await house.meet("@bob@bob.example"), await house.meet("@eve@eve.example")
    await house.follow(eve)
    number = await house.say("psst", Visibility.DIRECT, to=(bob.iri,))
    assert (await house.get_as(bob, f"/notes/{number}")).status == 200
    assert (await house.get_as(eve, f"/notes/{number}")).status == 404


async def test_a_deleted_note_leaves_a_tombstone(house: House) -> None:
    """ActivityPub §6.4: respond with 410 Gone, and "a Tombstone as response body"."""
    number = await house.say("a slip")
    assert (await house.get(f"/notes/{number}", AP)).status == 200
    await house.delete(number, public=True)
    reply = await house.get(f"/notes/{number}", AP)
    assert reply.status == 410
    assert reply.json["type"] == "Tombstone"
    assert (reply.json["id"], reply.json["formerType"]) == (f"{BASE}/notes/{number}", "Note")
    assert (await house.get(f"/notes/{number}/activity", AP)).status == 410


async def test_a_deleted_private_note_leaves_nothing(house: House) -> None:
    """That it existed was private too."""
    number = await house.say("between us", Visibility.FOLLOWERS)
    await house.delete(number, public=False)
    assert (await house.get(f"/notes/{number}", AP)).status == 404


@pytest.mark.parametrize("number", ["0", "007", "-1", "1e9", "9223372036854775808", "9" * 19, "9" * 400, "%00", "٣"])
async def test_what_is_no_number_of_a_note_is_not_there(house: House, number: str) -> None:
    assert (await house.get(f"/notes/{number}", AP)).status == 404


async def test_others_notes_are_not_served_as_ours(house: House) -> None:
    """What others wrote is theirs to serve."""
    bob = await house.meet("@bob@bob.example")
    number = await house.say("mine")
    theirs = await house.answer(bob, house.ids.note(number), "<p>theirs</p>")
    for part in ("", "/activity", "/replies", "/replies?page=true"):
        assert (await house.get(f"/notes/{theirs.rpartition('/')[2]}{part}", AP)).status == 404, part
    assert (await house.get(f"/contexts/{theirs.rpartition('/')[2]}", AP)).status == 404


async def test_answers_are_a_collection_of_the_open_ones(house: House) -> None:
    """Replies are ids, for others to fetch at their origin; a private answer is not among them."""
    bob = await house.meet("@bob@bob.example")
    number = await house.say("What do you think?")
    own = house.ids.note(number)
    house.now += timedelta(minutes=1)
    open_ones = [await house.answer(bob, own, f"<p>{count}</p>") for count in range(22)]
    await house.answer(bob, own, "<p>private</p>", visibility=Visibility.DIRECT)
    collection = (await house.get(f"/notes/{number}/replies", AP)).json
    assert (collection["type"], collection["totalItems"]) == ("OrderedCollection", 22)
    assert await everything(house, str(collection["first"])) == open_ones


async def test_nothing_of_who_answers_stands_under_the_signature(house: House) -> None:
    """integrity-proofs.md §6: `replies` is an address; the pages behind it say how many there are."""
    bob = await house.meet("@bob@bob.example")
    number = await house.say("What do you think?")
    before = await house.get(f"/notes/{number}", AP)
    house.now += timedelta(minutes=1)
    answer = await house.answer(bob, house.ids.note(number), "<p>yes</p>")
    shown = await house.get(f"/notes/{number}", AP)
    assert shown.body == before.body
    assert shown.json["replies"] == house.ids.replies(house.ids.note(number))
    page = (await house.get(str(shown.json["replies"]).removeprefix(house.ids.base) + "?page=true", AP)).json
    assert (page["orderedItems"], page["totalItems"]) == ([answer], 1)


async def test_a_conversation_is_a_collection(house: House) -> None:
    """FEP-7888: `context` resolves to the posts of the conversation, answers to answers included."""
    bob = await house.meet("@bob@bob.example")
    number = await house.say("What do you think?")
    house.now += timedelta(minutes=1)
    first = await house.answer(bob, house.ids.note(number), "<p>1</p>")
    second = await house.say("2", answers=first)
    private = await house.answer(bob, house.ids.note(second), "<p>3</p>", visibility=Visibility.FOLLOWERS)
    await house.answer(bob, private, "<p>below what is private</p>")
    items = (await house.get(f"/contexts/{number}", AP)).json["orderedItems"]
    assert items == [house.ids.note(number), first, house.ids.note(second)]
    assert (await house.get(f"/contexts/{second}", AP)).status == 404  # another's conversation


@pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.DIRECT])
async def test_a_private_conversation_is_as_absent_as_one_that_never_was(house: House, visibility: Visibility) -> None:
    """Security: "private = 404 (same as absent)": that it was begun, and who answered, is nobody's to know."""
    bob = await house.meet("@bob@bob.example")
    private = await house.say("between us", visibility)
    await house.answer(bob, house.ids.note(private), "<p>openly</p>")
    there, nowhere = [await house.get(f"/contexts/{number}", AP) for number in (private, private - (1 << 20))]
    assert (there.status, there.body) == (404, nowhere.body)


async def test_an_edit_is_seen_at_once(house: House) -> None:
    """What is kept in memory goes as soon as something changed."""
    number = await house.say("before")
    before = await house.get(f"/notes/{number}", AP)
    await house.delete(number, public=True)
    after = await house.get(f"/notes/{number}", AP, If_None_Match=before.headers["ETag"])
    assert after.status == 410


# ── collections ──────────────────────────────────────────────────────────────────────────────


async def everything(house: House, first: str) -> list[str]:
    """Walk a collection as a client does: `next` until there is none."""
    found: list[str] = []
    address: str | None = first
    while address is not None:
        assert address.startswith(BASE)
        page = (await house.get(address.removeprefix(BASE), AP)).json
        assert (page["type"], page["id"]) == ("OrderedCollectionPage", address)
        items = page["orderedItems"]
        assert isinstance(items, list)
        found += [item if isinstance(item, str) else str(item["id"]) for item in items]
        address = str(page["next"]) if "next" in page else None
    return found


async def test_the_outbox_is_what_was_sent(house: House) -> None:
    """ActivityPub §5.1: newest first, and only what the reader may see. Each item with the proof it was sent with."""
    numbers = []
    for count in range(45):
        house.now += timedelta(seconds=1)
        numbers.append(await house.say(f"number {count}", Visibility.UNLISTED if count % 2 else Visibility.PUBLIC))
    await house.say("not for the outbox", Visibility.FOLLOWERS)
    await house.say("nor this", Visibility.DIRECT)
    collection = (await house.get("/outbox", AP)).json
    assert collection["totalItems"] == 45
    wanted = [house.ids.create(house.ids.note(number)) for number in reversed(numbers)]
    assert await everything(house, str(collection["first"])) == wanted
    newest = (await house.get("/outbox?page=true", AP)).json["orderedItems"][0]  # type: ignore[index]
    assert proof.check(newest, house.keys.identity.public, house.now)


async def test_the_outbox_can_be_read_upwards(house: House) -> None:
    """`prev` leads to what is newer, also when it was written after the page was read."""
    for count in range(3):
        house.now += timedelta(seconds=1)
        await house.say(f"number {count}")
    page = (await house.get("/outbox?page=true", AP)).json
    house.now += timedelta(seconds=1)
    late = await house.say("late")
    newer = (await house.get(str(page["prev"]).removeprefix(BASE), AP)).json["orderedItems"]
    assert [item["id"] for item in newer] == [house.ids.create(house.ids.note(late))]  # type: ignore[attr-defined]


async def test_the_oldest_page_of_the_outbox_is_its_last(house: House) -> None:
    """ActivityPub, AS2 §5.2: `last` is the furthest proceeding page; nothing comes after it."""
    for count in range(23):
        house.now += timedelta(seconds=1)
        await house.say(f"number {count}")
    last = str((await house.get("/outbox", AP)).json["last"])
    page = (await house.get(last.removeprefix(BASE), AP)).json
    contents = [item["object"]["source"]["content"] for item in page["orderedItems"]]  # type: ignore[attr-defined]
    assert contents == [f"number {count}" for count in reversed(range(20))]
    assert "next" not in page


async def test_a_page_is_named_by_what_was_understood(house: House) -> None:
    """Its `id` is the address that leads to it, whatever else was written into the question."""
    page = (await house.get("/outbox?x=%22evil%22&page=true&max_id=5", AP)).json
    assert page["id"] == f"{BASE}/outbox?page=true&max_id=5"


async def test_followers_newest_first(house: House) -> None:
    """ActivityPub §5: "in reverse chronological order"; somebody new does not move a page."""
    strangers = [await house.meet(f"@s{count:03}@many.example") for count in range(95)]
    for count, stranger in enumerate(strangers):
        await house.follow(stranger, at=house.now + timedelta(seconds=count // 3))  # some in the same second
    pending = await house.meet("@pending@many.example")
    await house.follow(pending, State.PENDING)
    collection = (await house.get("/followers", AP)).json
    assert collection["totalItems"] == 95
    found = await everything(house, str(collection["first"]))
    assert sorted(found) == sorted(stranger.iri for stranger in strangers)
    assert found[0] in {stranger.iri for stranger in strangers[-3:]}
    assert (await house.get("/following", AP)).json["totalItems"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "/outbox?page=true&max_id=x",
        "/outbox?page=true&min_id=-1",
        "/outbox?page=true&max_id=" + "9" * 30,
        "/followers?page=true&before=x",
        "/followers?page=true&before=1795176018000",
        "/followers?page=true&before=1795176018000.%7E%7E",
        "/followers?page=true&before=1795176018000._w",
        "/followers?page=true&before=1795176018000.AAAA",
        "/followers?page=true&before=99999999999999999.aHR0cHM6Ly9hLmV4YW1wbGU",
    ],
)
async def test_a_page_that_cannot_be_is_said_to_be_wrong(house: House, path: str) -> None:
    reply = await house.get(path, AP)
    assert (reply.status, reply.json["code"]) == (400, "bad_request")


async def test_featured_is_there_and_empty(house: House) -> None:
    """Mastodon reads it with the profile; an absent one is an error in its log."""
    assert (await house.get("/featured", AP)).json["orderedItems"] == []


# ── activities and the inbox ─────────────────────────────────────────────────────────────────


async def test_only_public_activities_can_be_read(house: House) -> None:
    """Whom the owner follows, accepts or refuses is between the two."""
    await house.log(5, {"type": "Announce", "to": [PUBLIC], "object": "https://b.example/1"})
    await house.log(6, {"type": "Follow", "to": ["https://b.example/bob"], "object": "https://b.example/bob"})
    assert (await house.get("/activities/5", AP)).json["type"] == "Announce"
    private, absent = await house.get("/activities/6", AP), await house.get("/activities/7", AP)
    assert (private.status, private.body) == (404, absent.body)


async def test_the_inbox_takes_post_only(house: House) -> None:
    """RFC 9110 §15.5.6: 405 with the methods that are allowed."""
    reply = await house.get("/inbox", AP)
    assert (reply.status, reply.headers["Allow"], reply.json["code"]) == (405, "POST", "method_not_allowed")
    body = json.dumps({"id": Iri("https://b.example/1")})
    assert (await house.ask("POST", "/inbox", X_Note=body)).status == 202
    assert len(house.received) == 1
