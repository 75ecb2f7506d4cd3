"""Our types → the JSON that goes out, and that parse.py reads it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import Identity, TransportKey
from node import text
from node.federation import compose, discovery, parse
from node.ids import Ids
from node.model import (
    PUBLIC,
    Accept,
    Add,
    Announce,
    Attachment,
    Audience,
    Choice,
    Create,
    Delete,
    Emoji,
    Follow,
    Iri,
    KeyKind,
    Like,
    Mention,
    Note,
    Poll,
    Profile,
    QuotePolicy,
    Reject,
    Remove,
    UndoAnnounce,
    UndoFollow,
    UndoLike,
    Update,
    UpdateActor,
    Visibility,
)

IDS = Ids("https://alice.example", "alice")
BOB = Iri("https://b.example/users/bob")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MULTIKEY = Identity.generate().public.multikey
PEM = TransportKey.generate().public.pem
PROFILE = Profile("alice", "Alice", "Bonjour\n\nhttps://a.example/", created_at=NOW)

dates = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=0)
)
iris = st.integers(0, 2**63).map(lambda n: Iri(f"https://b.example:8443/x/{n}?é=1#f"))
words = st.from_regex(r"\A[^\W\d][\w]{0,20}\Z")
plain_text = st.text(max_size=80).map(lambda written: text.plain(written, 200))
lines_text = st.text(max_size=80).map(lambda written: text.plain(written, 200, lines=True))
contents = st.text(max_size=200).map(lambda written: text.sanitise(text.from_plain(written)))
ratio = st.floats(-1, 1)

attachments = st.builds(
    Attachment,
    type=st.just("Image"),
    media_type=st.sampled_from(["image/png", "image/webp"]),
    url=iris,
    alt=lines_text,
    width=st.just(640),
    height=st.just(480),
    blurhash=st.none() | st.just("L5M^z||wfQ|w|wo1fQo1fQfQfQfQ"),
    focus=st.none() | st.tuples(ratio, ratio),
    digest=st.none() | st.just("zQmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"),
)


choices = st.builds(Choice, name=plain_text.filter(bool), votes=st.integers(0, 10**6))
polls = st.builds(
    Poll,
    choices=st.lists(choices, min_size=1, max_size=5, unique_by=lambda choice: choice.name).map(tuple),
    multiple=st.booleans(),
    ends=st.none() | dates,
    closed=st.none() | dates,
    voters=st.none() | st.integers(0, 10**6),
)
asked = st.just({}) | polls.map(lambda poll: {"type": "Question", "poll": poll})


@st.composite
def notes(draw: st.DrawFn, edited: bool | None = None) -> Note:
    warning = draw(plain_text)
    people = draw(st.lists(iris, max_size=3, unique=True))
    iri = IDS.note(draw(st.integers(1, 2**63)))
    return Note(
        iri=iri,
        author=IDS.actor,
        audience=compose.audience(draw(st.sampled_from(Visibility)), IDS, people),
        content=draw(contents),
        published=draw(dates),
        updated=draw(dates if edited else st.none() | dates if edited is None else st.none()),
        url=draw(st.none() | iris),
        in_reply_to=draw(st.none() | iris),
        context=draw(st.none() | iris | st.just("tag:b.example,2026:1")),
        summary=warning,
        sensitive=warning != "" or draw(st.booleans()),
        language=draw(st.none() | st.sampled_from(["fr", "pt-BR"])),
        mentions=tuple(Mention(person, draw(plain_text)) for person in people),
        hashtags=tuple(draw(st.lists(words, max_size=3, unique_by=str.casefold))),
        attachments=tuple(draw(st.lists(attachments, max_size=2))),
        source=draw(st.none() | lines_text),
        emojis=draw(st.just(()) | st.just((Emoji("blobcat", "https://b.example/blobcat.png"),))),
        quote=(quote := draw(st.none() | iris)),
        quote_stamp=draw(st.none() | iris) if quote is not None else None,
        quote_policy=draw(st.none() | st.sampled_from(QuotePolicy)),
        **draw(asked),
    )


def wire(document: dict[str, Any]) -> dict[str, Any]:
    """What the other side reads. Absent fields are omitted instead of sent as null (federation.md §1.5)."""

    def has_null(value: Any) -> bool:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return value is None or any(map(has_null, inner))

    read: dict[str, Any] = json.loads(json.dumps(document, ensure_ascii=False))
    assert not has_null(read)
    return read


# ── the mirror ───────────────────────────────────────────────────────────────────────────────


@given(notes())
def test_what_we_compose_we_can_parse(note: Note):
    """parse.note(compose.note(note)) == note."""
    assert parse.note(wire(compose.note(note, IDS))) == note


@given(notes())
def test_a_create_carries_its_note(note: Note):
    """Create embeds the object; activity id NOTE/activity; published, to, cc copied."""
    document = wire(compose.create(compose.note(note, IDS), IDS))
    assert parse.activity(document) == Create(Iri(f"{note.iri}/activity"), IDS.actor, note)
    for name in ("published", "to", "cc"):
        assert document[name] == document["object"][name]


@given(notes(edited=True))
def test_an_update_carries_its_note(note: Note):
    """`id: NOTE#updates/UNIX`, full object with `updated`."""
    parsed = parse.activity(wire(compose.update(compose.note(note, IDS), IDS)))
    assert note.updated is not None
    assert parsed == Update(Iri(f"{note.iri}#updates/{int(note.updated.timestamp())}"), IDS.actor, note)


def test_every_other_activity_is_read_back():
    """Accept, Reject and Undo embed the full Follow."""
    ours, theirs = Follow(IDS.activity(1), IDS.actor, BOB), Follow(Iri(f"{BOB}#follow/1"), BOB, IDS.actor)
    answer = IDS.activity(2)
    assert parse.activity(wire(compose.follow(ours))) == ours
    assert parse.activity(wire(compose.accept(answer, theirs))) == Accept(answer, IDS.actor, theirs.id, BOB)
    assert parse.activity(wire(compose.reject(answer, theirs))) == Reject(answer, IDS.actor, theirs.id, BOB)
    assert parse.activity(wire(compose.undo_follow(answer, ours))) == UndoFollow(answer, IDS.actor, ours.id, BOB)
    for document in (compose.follow(ours), compose.undo_follow(answer, ours)):
        assert document["to"] == [BOB]
    assert compose.accept(answer, theirs)["to"] == [BOB]


def test_reactions_are_read_back():
    """federation.md §7: an object that is a string, and an Undo that embeds the activity."""
    answer, theirs = IDS.activity(2), Iri("https://b.example/notes/1")
    boost = Announce(IDS.activity(1), IDS.actor, theirs)
    announce = wire(compose.announce(boost, BOB, IDS, NOW))
    assert parse.activity(announce) == boost
    assert (announce["to"], announce["cc"]) == ([PUBLIC], [IDS.followers, BOB])
    undo = wire(compose.undo(answer, announce))
    assert parse.activity(undo) == UndoAnnounce(answer, IDS.actor, boost.id, theirs)
    assert (undo["to"], undo["cc"]) == (announce["to"], announce["cc"])
    for like in (Like(IDS.activity(1), IDS.actor, theirs), Like(IDS.activity(1), IDS.actor, theirs, "🎉")):
        document = wire(compose.like(like, BOB))
        assert parse.activity(document) == like
        assert document["to"] == [BOB]
        undo = wire(compose.undo(answer, document))
        assert parse.activity(undo) == UndoLike(answer, IDS.actor, like.id, theirs, like.content)
        assert undo["to"] == [BOB]
    pinned = IDS.note(5)
    assert parse.activity(wire(compose.add(answer, pinned, IDS))) == Add(answer, IDS.actor, pinned, IDS.featured)
    assert parse.activity(wire(compose.remove(answer, pinned, IDS))) == Remove(answer, IDS.actor, pinned, IDS.featured)


def test_a_private_note_is_deleted_in_private():
    """Recipients are computed from the stored audience; a followers-only delete is not shouted to Public."""
    audience = compose.audience(Visibility.FOLLOWERS, IDS, [BOB])
    document = wire(compose.delete(IDS.note(5), audience, IDS))
    assert parse.activity(document) == Delete(IDS.delete(IDS.note(5)), IDS.actor, IDS.note(5))
    assert (document["to"], document["cc"]) == ([IDS.followers], [BOB])
    assert document["object"] == {"id": IDS.note(5), "type": "Tombstone"}


def test_the_owners_actor_is_read_back():
    """Every property of the actor document that others act on."""
    profile = Profile(
        "alice",
        "Alice",
        "Bonjour https://a.example/ #chat",
        approves_followers=True,
        created_at=NOW,
        also_known_as=(BOB,),
        moved_to=BOB,
    )
    document = wire(compose.actor(profile, IDS, transport_pem=PEM, multikeys=[MULTIKEY]))
    parsed = parse.actor(document)
    assert (parsed.iri, parsed.type, parsed.username, parsed.name) == (IDS.actor, "Person", "alice", "Alice")
    assert "https://alice.example/tags/chat" in parsed.summary
    assert (parsed.inbox, parsed.shared_inbox, parsed.outbox) == (IDS.inbox, IDS.inbox, IDS.outbox)
    assert (parsed.followers, parsed.following, parsed.featured) == (IDS.followers, IDS.following, IDS.featured)
    assert (parsed.locked, parsed.discoverable, parsed.bot) == (True, True, False)
    assert (parsed.also_known_as, parsed.moved_to, parsed.published) == ((BOB,), BOB, NOW)
    assert (parsed.webfinger, parsed.url) == ("alice@alice.example", "https://alice.example/@alice")
    assert [(key.id, key.kind, key.material) for key in parsed.keys] == [
        (IDS.main_key, KeyKind.RSA, PEM),
        (IDS.identity_key(MULTIKEY), KeyKind.ED25519, MULTIKEY),
    ]
    assert parsed.implements == tuple(href for href, _ in compose.IMPLEMENTS)
    update = parse.activity(wire(compose.update_actor(document, NOW)))
    assert update == UpdateActor(Iri(f"{IDS.actor}#updates/{int(NOW.timestamp())}"), IDS.actor, parsed)


def test_an_actor_that_has_not_moved_does_not_say_so():
    """Omit absent fields instead of sending null; the actor contains no counters or volatile values."""
    document = compose.actor(PROFILE, IDS, transport_pem=PEM, multikeys=[])
    assert "movedTo" not in document
    assert "icon" not in document
    assert document == compose.actor(PROFILE, IDS, transport_pem=PEM, multikeys=[])


@pytest.mark.parametrize(
    ("base", "username"),
    [
        ("https://alice.example", "alice.example"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("http://[::1]:8080", "_1"),
    ],
)
def test_the_server_actor_is_read_back(base: str, username: str):
    """Type Application, preferredUsername = host name, own RSA key, inbox = shared inbox, locked."""
    ids = Ids(base, "alice")
    parsed = parse.actor(wire(compose.server_actor(ids, PEM)))
    assert (parsed.iri, parsed.type, parsed.username) == (ids.server_actor, "Application", username)
    assert (parsed.inbox, parsed.locked, parsed.bot) == (ids.inbox, True, True)
    assert [key.id for key in parsed.keys] == [ids.server_key]


def test_collections_are_read_back():
    """OrderedCollection with id, type, totalItems, first; pages with partOf, orderedItems, next, prev."""
    page_id = f"{IDS.outbox}?page=true"
    whole = parse.collection_page(wire(compose.collection(IDS.outbox, 7, page_id)))
    assert (whole.id, whole.total, whole.first) == (IDS.outbox, 7, page_id)
    assert "first" not in compose.collection(IDS.followers, 7)
    document = wire(compose.collection_page(page_id, IDS.outbox, [BOB], next=f"{page_id}&max_id=1"))
    page = parse.collection_page(document)
    assert (page.items, page.next) == ((BOB,), f"{page_id}&max_id=1")
    assert (document["partOf"], "prev" in document) == (IDS.outbox, False)
    assert parse.collection_page(wire(compose.full_collection(IDS.featured, [BOB]))).items == (BOB,)


# ── the shape ────────────────────────────────────────────────────────────────────────────────

PLAIN = Note(
    IDS.note(5),
    IDS.actor,
    compose.audience(Visibility.PUBLIC, IDS),
    "<p>x</p>",
    NOW,
    language="fr",
    quote_policy=QuotePolicy.PUBLIC,
)


@pytest.mark.parametrize(
    ("visibility", "to", "cc"),
    [
        (Visibility.PUBLIC, (PUBLIC,), (IDS.followers, BOB)),
        (Visibility.UNLISTED, (IDS.followers,), (PUBLIC, BOB)),
        (Visibility.FOLLOWERS, (IDS.followers,), (BOB,)),
        (Visibility.DIRECT, (BOB,), ()),
    ],
)
def test_the_four_audiences(visibility: Visibility, to: tuple[Iri, ...], cc: tuple[Iri, ...]):
    """The table of addressing: what Mastodon reads each level as."""
    audience = compose.audience(visibility, IDS, [BOB, BOB])
    assert audience == Audience(to, cc)
    assert audience.visibility(IDS.followers) is visibility


def test_a_note_has_arrays_and_nothing_absent():
    """On output always arrays for to, cc, tag, attachment; `updated` only on edited posts; no bto, no bcc."""
    document = wire(compose.note(PLAIN, IDS))
    for name in ("@context", "to", "cc", "tag", "attachment"):
        assert isinstance(document[name], list)
    for name in ("updated", "inReplyTo", "context", "summary", "source", "url", "bto", "bcc"):
        assert name not in document
    assert document["published"] == "2026-01-05T12:00:00Z"
    assert document["replies"] == f"{PLAIN.iri}/replies"
    assert document["contentMap"] == {"fr": document["content"]}
    assert document["interactionPolicy"] == {"canQuote": {"automaticApproval": [PUBLIC]}}


def test_a_note_defines_only_the_terms_it_uses():
    """Only the preloaded remote contexts; everything else as inline terms, and only what is used."""
    bare = wire(compose.note(PLAIN, IDS))["@context"]
    assert bare[:2] == [compose.AS2, compose.DATA_INTEGRITY]
    assert set(bare[2]) == {"sensitive", "gts", "interactionPolicy", "canQuote", "automaticApproval"}
    picture = Attachment("Image", "image/png", "https://a.example/1", blurhash="L5M^z||wfQ|w|wo1fQo1fQ", focus=(0, 1))
    full = Note(
        IDS.note(5),
        IDS.actor,
        compose.audience(Visibility.DIRECT, IDS, [BOB]),
        "x",
        context="tag:x",
        hashtags=("a",),
        attachments=(picture,),
    )
    assert set(wire(compose.note(full, IDS))["@context"][2]) == {
        "sensitive",
        "Hashtag",
        "toot",
        "blurhash",
        "focalPoint",
        "ostatus",
        "conversation",
    }


def test_private_notes_invite_no_quotes():
    """Followers-only and direct posts carry no approval for quoting."""
    note = Note(IDS.note(5), IDS.actor, compose.audience(Visibility.FOLLOWERS, IDS), "x", NOW)
    assert "interactionPolicy" not in compose.note(note, IDS)


def test_a_tombstone_says_what_was_there():
    """GET of a deleted id: `{"type":"Tombstone","id","formerType":"Note","deleted"}`."""
    assert compose.tombstone(IDS.note(5), NOW) == {
        "@context": compose.AS2,
        "id": IDS.note(5),
        "type": "Tombstone",
        "formerType": "Note",
        "deleted": "2026-01-05T12:00:00Z",
    }


# ── discovery ────────────────────────────────────────────────────────────────────────────────


def test_webfinger_names_the_actor():
    """`subject` present; a `self` link of exactly application/activity+json that equals the actor id."""
    document = wire(discovery.webfinger(IDS, PROFILE))
    assert document["subject"] == "acct:alice@alice.example"
    assert [link["href"] for link in document["links"] if link["rel"] == "self"] == [IDS.actor]
    assert document["links"][0]["type"] == "application/activity+json"
    assert wire(discovery.server_webfinger(IDS))["links"][0]["href"] == IDS.server_actor


@pytest.mark.parametrize(
    ("resource", "owner", "server"),
    [
        ("acct:alice@alice.example", True, False),
        ("acct:ALICE@Alice.Example", True, False),
        ("https://alice.example/actor", True, False),
        ("https://alice.example/@alice", True, False),
        ("https://alice.example/", False, True),
        ("https://alice.example", False, True),
        ("acct:alice.example@alice.example", False, True),
        ("https://alice.example/server-actor", False, True),
        ("acct:bob@alice.example", False, False),
        ("acct:alice@b.example", False, False),
        ("", False, False),
    ],
)
def test_who_is_asked_for(resource: str, owner: bool, server: bool):
    """Answer for acct: (case-insensitively), the actor id, its url, and https://host/ (FEP-d556)."""
    assert (discovery.is_owner(resource, IDS), discovery.is_server(resource, IDS)) == (owner, server)


def test_host_meta_points_to_webfinger():
    """XRD with one Link rel="lrdd" and the WebFinger template."""
    links = ElementTree.fromstring(discovery.host_meta(Ids("https://a&b.example", "alice")))
    assert [(link.get("rel"), link.get("template")) for link in links] == [
        ("lrdd", "https://a&b.example/.well-known/webfinger?resource={uri}")
    ]


@pytest.mark.parametrize("version", discovery.NODEINFO_VERSIONS)
def test_nodeinfo(version: str):
    """One user, closed registrations, and nothing private."""
    document = wire(discovery.nodeinfo(version, PROFILE, discovery.Counts(7, True, True), "0.1.0"))
    assert document["version"] == version
    assert document["software"] == {"name": "cuicui", "version": "0.1.0"}
    assert document["openRegistrations"] is False
    assert document["usage"] == {"users": {"total": 1, "activeMonth": 1, "activeHalfyear": 1}, "localPosts": 7}
    assert f"https://alice.example/nodeinfo/{version}" in [
        link["href"] for link in wire(discovery.nodeinfo_links(IDS))["links"]
    ]
    assert discovery.nodeinfo_type(version).endswith(f'/{version}#"')
