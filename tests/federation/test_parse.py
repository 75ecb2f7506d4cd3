"""Their JSON → our types: every spelling that servers use, and a named refusal for everything else."""

from __future__ import annotations

import copy
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import Identity, TransportKey
from node.errors import Malformed, Refused
from node.federation import parse
from node.model import (
    PUBLIC,
    Accept,
    Activity,
    Attachment,
    Audience,
    Create,
    Delete,
    Follow,
    Ignored,
    KeyKind,
    Mention,
    Reject,
    UndoFollow,
    Update,
    UpdateActor,
    Visibility,
)

AS2 = "https://www.w3.org/ns/activitystreams"
OURS = "https://alice.example/actor"
BOB = "https://b.example/users/bob"
FOLLOW = "https://b.example/follows/1"
ED25519 = Identity.from_seed(bytes(range(32))).public.multikey
RSA = TransportKey.generate().public.pem


def note(**changes: Any) -> dict[str, Any]:
    return {
        "@context": AS2,
        "id": "https://b.example/notes/1",
        "type": "Note",
        "attributedTo": BOB,
        "to": [PUBLIC],
        "cc": [f"{BOB}/followers"],
        "content": "<p>hello</p>",
        **changes,
    }


def activity(kind: str, obj: Any, **changes: Any) -> dict[str, Any]:
    return {
        "@context": AS2,
        "id": f"https://b.example/activities/{kind}",
        "type": kind,
        "actor": BOB,
        "object": obj,
        **changes,
    }


def actor(**changes: Any) -> dict[str, Any]:
    return {
        "@context": [AS2, "https://w3id.org/security/v1"],
        "id": BOB,
        "type": "Person",
        "preferredUsername": "bob",
        "inbox": f"{BOB}/inbox",
        "publicKey": {"id": f"{BOB}#main-key", "owner": BOB, "publicKeyPem": RSA},
        **changes,
    }


# ── addresses, dates ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address",
    [
        "https://b.example/users/bob",
        "http://127.0.0.1:8080/actor",
        "https://[::1]:8080/actor",
        "https://b.example",
        "https://b.example?x=1#y",
        "https://b.example?x=1/y#é/z",
        "http://b/c",
        "https://xn--mnchen-3ya.example/é",
        "https://b.example/@bob|^{}`",
    ],
)
def test_an_id_is_an_http_address(address: str):
    """Non-string ids are refused; http(s) with a host is what an id is."""
    assert parse.iri(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        7,
        True,
        [],
        {},
        "",
        "b.example",
        "//b.example/x",
        "https://",
        "https:///x",
        "https://:443/x",
        "ftp://b.example/",
        "javascript:alert(1)",
        "did:key:z6Mk",
        "urn:uuid:1",
        "ap://b.example/",
        "https://bob@b.example/",
        "https://bob:pw@b.example/",
        "https://b.example:0/",
        "https://b.example:65536/",
        "https://b.example:x/",
        "https://b.example:/",
        "https://b.example\\@evil.example/",
        "https://b.example/\\x",
        "https://b.example/a b",
        "https://b.example?a b/c",
        "https://b.example?a/\u2028",
        "http:///b.example/c",
        " https://b.example/",
        "https://b.example/\n",
        "https://b.example/\x00",
        "https://b.example/\ud800",
        "https://b.example/\x85",
        'https://b.example/"><script>',
        "https://münchen.example/",
        "https://b\u2100example/",
        "https://[::g]/",
        "https://[1:2/",
        "https://b%2eexample/",
        "https://b.example/" + "x" * 2048,
        "https://b.example/" + "\N{BIRD}" * 508,
    ],
)
def test_what_is_no_http_address_is_no_id(address: Any):
    """≤ 2048 bytes, http(s) only, no user name, no control characters or surrogates, host present."""
    with pytest.raises(Malformed):
        parse.iri(address)


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (None, ()),
        ([], ()),
        (BOB, (BOB,)),
        ([BOB], (BOB,)),
        ({"id": BOB, "type": "Person"}, (BOB,)),
        ([BOB, {"id": OURS}, BOB, 7, None, [OURS], "as:x"], (BOB, OURS)),
        ("as:Public", (PUBLIC,)),
        ("Public", (PUBLIC,)),
        (["Public", PUBLIC, "as:Public"], (PUBLIC,)),
        ({"type": "Link", "href": BOB}, (BOB,)),
    ],
)
def test_one_or_many_ids(value: Any, ids: tuple[str, ...]):
    """Any single value may arrive as an array of one and vice versa; accept `as:Public` and `Public` too."""
    assert parse.iris_of(value) == ids


def test_ids_are_bounded():
    """`as_ids(v)` of security.md §4: str or {id:str} or list of these, ≤ N."""
    assert len(parse.iris_of([f"https://b.example/{n}" for n in range(10_000)])) == parse.MAX_ADDRESSEES


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-05T12:00:00Z", datetime(2026, 1, 5, 12, tzinfo=UTC)),
        ("2026-01-05t12:00:00z", datetime(2026, 1, 5, 12, tzinfo=UTC)),
        ("2026-01-05T12:00:00.123Z", datetime(2026, 1, 5, 12, 0, 0, 123000, tzinfo=UTC)),
        ("2026-01-05T12:00:00.123456789Z", datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-05T14:00:00+02:00", datetime(2026, 1, 5, 12, tzinfo=UTC)),
        ("2026-01-05T12:00:00", datetime(2026, 1, 5, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("2026-13-05T12:00:00Z", None),
        ("2026-01-05", None),
        ("yesterday", None),
        (1767614400, None),
        (None, None),
    ],
)
def test_dates(written: Any, read: datetime | None):
    """RFC 3339 in any of its forms; a bad date is no date."""
    assert parse.date(written) == read


# ── notes ────────────────────────────────────────────────────────────────────────────────────


def test_a_note_as_federation_shows_it():
    """ActivityPub's Note with everything that the network puts on it."""
    parsed = parse.note(
        {
            "@context": [AS2],
            "id": "https://b.example/notes/5",
            "type": "Note",
            "attributedTo": BOB,
            "url": "https://b.example/@bob/5",
            "published": "2026-01-05T12:00:00Z",
            "updated": "2026-01-05T13:00:00Z",
            "to": [PUBLIC],
            "cc": [f"{BOB}/followers", OURS],
            "inReplyTo": "https://alice.example/notes/9",
            "context": "https://b.example/contexts/5",
            "conversation": "https://b.example/contexts/5",
            "summary": "cat",
            "sensitive": True,
            "content": "<p>…</p>",
            "contentMap": {"fr": "<p>…</p>"},
            "source": {"content": "…", "mediaType": "text/plain"},
            "attachment": [
                {
                    "type": "Image",
                    "mediaType": "image/webp",
                    "url": "https://b.example/media/c.webp",
                    "name": "A cat",
                    "summary": "A cat",
                    "width": 1200,
                    "height": 800,
                    "blurhash": "L5M^z||wfQ|w|wo1fQo1fQfQfQfQ",
                    "focalPoint": [0, 0.25],
                    "digestMultibase": "zQmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
                }
            ],
            "tag": [
                {"type": "Mention", "href": OURS, "name": "@alice@alice.example"},
                {"type": "Hashtag", "href": "https://b.example/tags/cat", "name": "#cat"},
                {"type": "Emoji", "name": ":x:", "icon": {"type": "Image", "url": "https://b.example/x.png"}},
            ],
            "replies": "https://b.example/notes/5/replies",
        }
    )
    assert parsed.iri == "https://b.example/notes/5"
    assert parsed.author == BOB
    assert parsed.audience.visibility(parse.iri(f"{BOB}/followers")) is Visibility.PUBLIC
    assert parsed.published == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert parsed.updated == datetime(2026, 1, 5, 13, tzinfo=UTC)
    assert parsed.url == "https://b.example/@bob/5"
    assert parsed.in_reply_to == "https://alice.example/notes/9"
    assert parsed.context == "https://b.example/contexts/5"
    assert (parsed.summary, parsed.sensitive) == ("cat", True)
    assert (parsed.content, parsed.language, parsed.source) == ("<p>…</p>", "fr", "…")
    assert parsed.mentions == (Mention(parse.iri(OURS), "@alice@alice.example"),)
    assert parsed.hashtags == ("cat",)
    assert parsed.attachments == (
        Attachment(
            "Image",
            "image/webp",
            "https://b.example/media/c.webp",
            "A cat",
            1200,
            800,
            "L5M^z||wfQ|w|wo1fQo1fQfQfQfQ",
            (0.0, 0.25),
            "zQmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        ),
    )


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"type": ["Note", "https://x.example/Other"]}, "type", "Note"),
        ({"type": ["x:Other", "Note"]}, "type", "Note"),
        ({"attributedTo": [BOB]}, "author", BOB),
        ({"attributedTo": {"type": "Person", "id": BOB}}, "author", BOB),
        ({"to": "as:Public", "cc": OURS}, "audience", Audience((PUBLIC,), (parse.iri(OURS),))),
        ({"content": None, "contentMap": {"fr": "<p>a</p>", "en": "b"}}, "content", "<p>a</p>"),
        ({"contentMap": {"en": "x", "fr": "<p>hello</p>"}}, "language", "fr"),
        ({"contentMap": {"en": "x"}}, "language", "en"),
        ({"contentMap": {"not a language": "x"}}, "language", None),
        ({"content": "a\n\n<b>", "mediaType": "text/plain"}, "content", "<p>a</p><p>&lt;b&gt;</p>"),
        ({"content": "<script>x</script><p onclick=x>y</p>"}, "content", "<p>y</p>"),
        ({"content": "a\x00b"}, "content", "ab"),
        ({"content": 7}, "content", ""),
        ({"type": "Article", "name": "T & U", "summary": "s"}, "content",
         "<p><strong>T &amp; U</strong></p><p>hello</p>"),
        ({"type": "Article", "name": "T", "summary": "s"}, "summary", ""),
        ({"type": "Page", "content": None, "name": "T", "summary": "<p>s</p>"}, "content",
         "<p><strong>T</strong></p><p>s</p>"),
        ({"content": None, "name": "option"}, "content", ""),
        ({"summary": "cw"}, "sensitive", True),
        ({"summary": None, "sensitive": "yes"}, "sensitive", False),
        ({"url": "javascript:alert(1)"}, "url", None),
        ({"url": {"type": "Link", "href": "https://b.example/1"}}, "url", "https://b.example/1"),
        ({"url": [{"type": "Link", "href": "https://b.example/1.mp4", "mediaType": "video/mp4"},
                  {"type": "Link", "href": "https://b.example/1", "mediaType": "text/html; charset=utf-8"}]},
         "url", "https://b.example/1"),
        ({"url": ["x", "https://b.example/1"]}, "url", "https://b.example/1"),
        ({"inReplyTo": {"id": "https://c.example/1"}}, "in_reply_to", "https://c.example/1"),
        ({"inReplyTo": ["https://c.example/1"]}, "in_reply_to", "https://c.example/1"),
        ({"inReplyTo": ""}, "in_reply_to", None),
        ({"conversation": "tag:b.example,2026:1"}, "context", "tag:b.example,2026:1"),
        ({"published": "soon"}, "published", None),
        ({"source": {"content": "**x**", "mediaType": "text/markdown"}}, "source", None),
        ({"tag": {"type": "Hashtag", "name": "cat"}}, "hashtags", ("cat",)),
        ({"tag": [{"type": "Hashtag", "name": "#a b"}, {"type": "Hashtag"}, 7, None, "x"]}, "hashtags", ()),
        ({"tag": {"type": "Mention", "href": OURS}}, "mentions", (Mention(parse.iri(OURS), ""),)),
        ({"tag": {"type": "Mention", "href": "javascript:x", "name": "@x"}}, "mentions", ()),
        ({"attachment": {"type": "Document", "mediaType": "image/png", "url": "https://b.example/1"}}, "attachments",
         (Attachment("Image", "image/png", "https://b.example/1"),)),
        ({"attachment": {"type": "Audio", "url": [{"href": "https://b.example/1", "mediaType": "audio/ogg"}]}},
         "attachments", (Attachment("Audio", "audio/ogg", "https://b.example/1"),)),
        ({"attachment": [{"type": "Note", "content": "x"}, {"type": "Image", "url": "javascript:x"}, "x", 7,
                         {"type": "Link", "href": "https://b.example/"}]}, "attachments", ()),
        ({"attachment": {"type": "Image", "url": "https://b.example/1", "width": True, "height": -1,
                         "focalPoint": [7, 0], "blurhash": "<>", "mediaType": "../x"}},
         "attachments", (Attachment("Image", "", "https://b.example/1"),)),
        ({"bto": [OURS], "bcc": [OURS]}, "audience", Audience((PUBLIC,), (parse.iri(f"{BOB}/followers"),))),
    ],
)  # fmt: skip
def test_notes_of_many_servers(changes: dict[str, Any], field: str, expected: Any):
    """Input may be string or array, value or language map, id or embedded object."""
    assert getattr(parse.note(note(**changes)), field) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": 7},
        {"id": ["https://b.example/1"]},
        {"id": "urn:uuid:1"},
        {"type": None},
        {"type": "Person"},
        {"type": {}},
        {"attributedTo": None},
        {"attributedTo": []},
        {"attributedTo": [BOB, "https://c.example/eve"]},
        {"attributedTo": {"name": "bob"}},
        {"@graph": []},
        {"@included": {}},
        {"@reverse": {}},
        {"content": "x" * 100_001},
        {"content": "<p><b><i><u><s><em><strong><code>" + "<p>x" * 3_900},
    ],
)
def test_a_note_that_is_refused(changes: dict[str, Any]):
    """Exactly one author, one id; documents with @graph/@included/@reverse refused; content ≤ 100 kB."""
    with pytest.raises(Malformed):
        parse.note(note(**changes))


def test_what_hangs_on_a_note_is_bounded():
    """≤ 50 mentions, 16 attachments, 64 tags."""
    parsed = parse.note(
        note(
            tag=[{"type": "Mention", "href": f"https://b.example/{n}", "name": "@x"} for n in range(120)]
            + [{"type": "Hashtag", "name": f"#t{n}"} for n in range(120)],
            attachment=[{"type": "Image", "url": f"https://b.example/{n}"} for n in range(10_000)],
        )
    )
    assert (len(parsed.mentions), len(parsed.hashtags), len(parsed.attachments)) == (50, 64, 16)


def test_a_size_that_no_picture_has_is_none():
    """security.md §4: wrong values are left out at the door."""
    sizes = [(640, 480), (65_536, 1), (1, 10**18), (-1, 0), (True, 1.5)]
    pictures = [{"type": "Image", "url": "https://b.example/1", "width": w, "height": h} for w, h in sizes]
    found = [(one.width, one.height) for one in parse.note(note(attachment=pictures)).attachments]
    assert found == [(640, 480), (None, 1), (1, None), (None, 0), (None, None)]


# ── actors ───────────────────────────────────────────────────────────────────────────────────


def test_what_an_actor_says_is_bounded():
    """security.md §4: "bio ≤ 20 kB, 16 fields"."""
    rows = [{"type": "PropertyValue", "name": f"n{n}", "value": "v" * 5_000} for n in range(40)]
    parsed = parse.actor(actor(summary="x" * 50_000, attachment=rows))
    assert (len(parsed.summary), len(parsed.fields)) == (20_000, 16)
    assert {len(field.value) for field in parsed.fields} == {2_000}


def test_an_actor_as_federation_shows_it():
    """The actor document of a full-featured server."""
    parsed = parse.actor(
        actor(
            name="Bob\u202e",
            summary="<p onclick=x>Bonjour</p>",
            url="https://b.example/@bob",
            outbox=f"{BOB}/outbox",
            followers=f"{BOB}/followers",
            following=f"{BOB}/following",
            featured=f"{BOB}/featured",
            endpoints={"sharedInbox": "https://b.example/inbox"},
            icon={"type": "Image", "mediaType": "image/webp", "url": "https://media.example/a.webp"},
            image=[{"type": "Image", "url": [{"type": "Link", "href": "https://media.example/h.webp"}]}],
            published="2026-01-01T00:00:00Z",
            manuallyApprovesFollowers=True,
            discoverable=True,
            alsoKnownAs="https://c.example/bob",
            movedTo="https://d.example/bob",
            webfinger="bob@example.org",
            attachment=[{"type": "PropertyValue", "name": "Site", "value": '<a href="https://b.example/">b</a>'}],
            assertionMethod=[
                {"id": f"{BOB}#{ED25519}", "type": "Multikey", "controller": BOB, "publicKeyMultibase": ED25519}
            ],
            generator={"type": "Application", "implements": [{"type": "Link", "href": "https://x.example/rfc9421"}]},
        )
    )
    assert (parsed.iri, parsed.type, parsed.handle, parsed.name) == (BOB, "Person", "@bob@b.example", "Bob")
    assert parsed.summary == "<p>Bonjour</p>"
    assert (parsed.inbox, parsed.shared_inbox) == (f"{BOB}/inbox", "https://b.example/inbox")
    assert (parsed.outbox, parsed.followers, parsed.following, parsed.featured) == tuple(
        f"{BOB}/{name}" for name in ("outbox", "followers", "following", "featured")
    )
    assert (parsed.icon, parsed.image) == ("https://media.example/a.webp", "https://media.example/h.webp")
    assert (parsed.locked, parsed.discoverable, parsed.bot) == (True, True, False)
    assert parsed.published == datetime(2026, 1, 1, tzinfo=UTC)
    assert (parsed.also_known_as, parsed.moved_to) == (("https://c.example/bob",), "https://d.example/bob")
    assert parsed.webfinger == "bob@example.org"
    assert parsed.implements == ("https://x.example/rfc9421",)
    assert parsed.fields[0].name == "Site"
    assert 'rel="nofollow noopener noreferrer"' in parsed.fields[0].value
    assert [(key.id, key.kind) for key in parsed.keys] == [
        (f"{BOB}#main-key", KeyKind.RSA),
        (f"{BOB}#{ED25519}", KeyKind.ED25519),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"publicKey": None},
        {"publicKey": {"id": f"{BOB}#k", "owner": "https://b.example/users/eve", "publicKeyPem": RSA}},
        {"publicKey": {"id": f"{BOB}#k", "publicKeyPem": RSA}},
        {"publicKey": {"id": "https://evil.example/k", "owner": BOB, "publicKeyPem": RSA}},
        {"publicKey": {"id": f"{BOB}#k", "owner": BOB, "publicKeyPem": "junk"}},
        {"publicKey": f"{BOB}#k"},
        {"assertionMethod": [f"{BOB}#k"]},
        {"assertionMethod": {"id": f"{BOB}#k", "type": "Key", "controller": BOB, "publicKeyMultibase": ED25519}},
        {"assertionMethod": {"id": f"{BOB}#k", "type": "Multikey", "controller": OURS, "publicKeyMultibase": ED25519}},
        {"assertionMethod": {"id": f"{BOB}#k", "type": "Multikey", "controller": BOB, "publicKeyMultibase": "zzz"}},
        {"assertionMethod": {"id": f"{OURS}#k", "type": "Multikey", "controller": BOB, "publicKeyMultibase": ED25519}},
    ],
)
def test_a_key_that_is_not_the_actors_own_is_left_out(changes: dict[str, Any]):
    """`owner` and `controller` must be the actor, on the actor's origin; a bad key is skipped, not fatal."""
    assert parse.actor(actor(**{"publicKey": None, **changes})).keys == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": None}, "malformed"),
        ({"type": "Note"}, "malformed"),
        ({"inbox": None}, "malformed"),
        ({"inbox": "https://victim.example/inbox"}, "wrong_origin"),
        ({"preferredUsername": None}, "malformed"),
        ({"preferredUsername": "bob\u202e"}, "malformed"),
        ({"preferredUsername": "b@b"}, "malformed"),
        ({"preferredUsername": "x" * 200}, "malformed"),
    ],
)
def test_an_actor_that_is_refused(changes: dict[str, Any], code: str):
    """User name `[\\w.-]+` in ASCII; everything of an actor lives on the actor's origin."""
    with pytest.raises(Refused) as caught:
        parse.actor(actor(**changes))
    assert caught.value.code == code


def test_what_an_actor_claims_elsewhere_is_left_out():
    """Misskey "silently drops a foreign sharedInbox"; FEP-fe34 compares scheme, host and port."""
    elsewhere = "https://victim.example/x"
    parsed = parse.actor(actor(endpoints={"sharedInbox": elsewhere}, followers=elsewhere, featured=elsewhere))
    assert (parsed.shared_inbox, parsed.followers, parsed.featured) == (None, None, None)


# ── activities ───────────────────────────────────────────────────────────────────────────────

EMBEDDED_FOLLOW = {"id": "https://alice.example/activities/1", "type": "Follow", "actor": OURS, "object": BOB}
THEIR_FOLLOW = {"id": FOLLOW, "type": "Follow", "actor": BOB, "object": OURS}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (activity("Follow", OURS), Follow),
        (activity("Follow", [OURS]), Follow),
        (activity("Follow", {"id": OURS, "type": "Person"}), Follow),
        (activity("Follow", OURS, actor={"id": BOB, "type": "Person"}), Follow),
        (activity("Follow", OURS, actor=[BOB]), Follow),
        (activity("Accept", EMBEDDED_FOLLOW), Accept),
        (activity("Accept", "https://alice.example/activities/1"), Accept),
        (activity("Reject", EMBEDDED_FOLLOW), Reject),
        (activity("Undo", THEIR_FOLLOW), UndoFollow),
        (activity("Undo", FOLLOW), UndoFollow),
        (activity("Create", note()), Create),
        (activity("Create", [note()]), Create),
        (activity("Create", note(type="Question", oneOf=[{"type": "Note", "name": "a"}])), Create),
        (activity("Update", note(updated="2026-01-05T13:00:00Z")), Update),
        (activity("Update", actor()), UpdateActor),
        (activity("Delete", "https://b.example/notes/1"), Delete),
        (activity("Delete", {"id": "https://b.example/notes/1", "type": "Tombstone"}), Delete),
        (activity("Delete", note()), Delete),
        (activity("Delete", BOB), Delete),
    ],
)
def test_activities_of_many_servers(document: dict[str, Any], expected: type[Activity]):
    """The shapes of Mastodon, GoToSocial, Misskey, Pleroma, snac and Mitra."""
    parsed = parse.activity(document)
    assert type(parsed) is expected
    assert (parsed.id, parsed.actor) == (document["id"], BOB)


def test_an_answer_keeps_both_ways_to_find_its_follow():
    """Inbound `object` may be only the id (Mitra) or an embedded Follow with an unknown id (Mastodon)."""
    embedded, bare = parse.activity(activity("Accept", EMBEDDED_FOLLOW)), parse.activity(activity("Accept", FOLLOW))
    assert isinstance(embedded, Accept)
    assert isinstance(bare, Accept)
    assert (embedded.follow, embedded.follower) == ("https://alice.example/activities/1", OURS)
    assert (bare.follow, bare.follower) == (FOLLOW, None)
    without_id = parse.activity(activity("Accept", {**EMBEDDED_FOLLOW, "id": "https://b.example/#accepts/x y"}))
    assert isinstance(without_id, Accept)
    assert (without_id.follow, without_id.follower) == (None, OURS)


def test_an_undo_keeps_both_ways_to_find_its_follow():
    """Inbound bare ids must work."""
    assert parse.activity(activity("Undo", THEIR_FOLLOW)) == UndoFollow(
        parse.iri("https://b.example/activities/Undo"), parse.iri(BOB), parse.iri(FOLLOW), parse.iri(OURS)
    )
    bare = parse.activity(activity("Undo", FOLLOW))
    assert isinstance(bare, UndoFollow)
    assert (bare.follow, bare.object) == (FOLLOW, None)


def test_a_create_lends_its_audience_to_a_note_without_one():
    """Mastodon reads the object's to/cc, and falls back to the activity's."""
    document = activity("Create", note(to=None, cc=None), to=[OURS])
    parsed = parse.activity(document)
    assert isinstance(parsed, Create)
    assert parsed.note.audience == Audience((parse.iri(OURS),))
    widened = parse.activity(activity("Create", note(to=[OURS], cc=[]), to=[PUBLIC]))
    assert isinstance(widened, Create)
    assert PUBLIC not in widened.note.audience


@pytest.mark.parametrize(
    ("document", "label"),
    [
        (activity("Create", "https://b.example/notes/1"), "Create(reference)"),
        (activity("Create", [note(), note()]), "Create(several)"),
        (activity("Create", {"type": "ChatMessage", "id": "https://b.example/1"}), "Create(unknown)"),
        (activity("Create", {"type": "Vote", "id": "https://b.example/1"}), "Create(Vote)"),
        (activity("Update", "https://b.example/notes/1"), "Update(reference)"),
        (activity("Undo", {"type": "Block", "id": "https://b.example/1", "object": OURS}), "Undo(Block)"),
        (activity("Announce", {"type": "Create", "id": "https://b.example/1"}), "Announce(Create)"),
        (activity("Accept", {"type": "QuoteRequest", "id": "https://b.example/1"}), "Accept(QuoteRequest)"),
        (activity("Dislike", "https://alice.example/notes/1"), "Dislike"),
        (activity("Add", {"type": "Hashtag", "name": "#birds"}, id=None), "Add"),
        (activity("Remove", "https://b.example/notes/1", id=None), "Remove"),
        (activity("View", None), "View"),
        (activity("https://x.example/Whatever-7f3a", None), "unknown"),
    ],
)
def test_what_we_do_nothing_with_is_ignored_under_a_known_name(document: dict[str, Any], label: str):
    """Unknown types: 202, not stored. A stranger's word does not become a name in our counters."""
    parsed = parse.activity(document)
    assert isinstance(parsed, Ignored)
    assert parsed.type == label
    assert parsed.id == (document["id"] or "")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "Create"},
        {"type": 7, "id": FOLLOW, "actor": BOB},
        activity("Follow", OURS, id=None),
        activity("Follow", OURS, id={"id": FOLLOW}),
        activity("Follow", OURS, actor=None),
        activity("Follow", OURS, actor=[BOB, OURS]),
        activity("Follow", OURS, actor={"type": "Person"}),
        activity("Follow", None),
        activity("Follow", [OURS, BOB]),
        activity("Follow", {"type": "Person"}),
        activity("Accept", {"type": "Follow"}),
        activity("Undo", {"type": "Follow"}),
        activity("Undo", 7),
        activity("Create", None),
        activity("Create", 7),
        activity("Create", {"id": "https://b.example/1"}),
        activity("Create", note(), **{"@graph": []}),
        activity("Create", note(**{"@graph": []})),
        activity("Undo", {"type": "Follow", "id": f"{BOB}/follows/1", "@included": []}),
        activity("Accept", {"type": "Follow", "id": f"{OURS}/follows/1", "@reverse": {}}),
        activity("Delete", {"type": "Tombstone"}),
        activity("Like", OURS, actor="bob"),
    ],
)
def test_an_activity_that_is_refused(document: dict[str, Any]):
    """Misskey: a missing or non-string id is fatal. `actor` is one URL."""
    with pytest.raises(Malformed):
        parse.activity(document)


def test_nobody_undoes_the_follow_of_somebody_else():
    """Undo.object: stored actor == signer; what the embedded Follow says already has to agree."""
    with pytest.raises(Refused) as caught:
        parse.activity(activity("Undo", {**THEIR_FOLLOW, "actor": "https://c.example/carol"}))
    assert caught.value.code == "wrong_actor"


# ── collections ──────────────────────────────────────────────────────────────────────────────


def test_collections_and_their_pages():
    """`next` must stay on the same host; hidden members are a total without `first`."""
    own = f"{BOB}/outbox"
    hidden = parse.collection_page({"id": own, "type": "OrderedCollection", "totalItems": 7})
    assert (hidden.total, hidden.first, hidden.items) == (7, None, ())
    paged = parse.collection_page({"id": own, "type": "OrderedCollection", "first": f"{own}?page=1"})
    assert paged.first == f"{own}?page=1"
    page = parse.collection_page(
        {"id": f"{own}?page=1", "type": "OrderedCollectionPage", "orderedItems": [BOB] * 999, "next": f"{own}?page=2"}
    )
    assert (len(page.items), page.next) == (parse.MAX_ITEMS, f"{own}?page=2")
    embedded = parse.collection_page(
        {"id": own, "type": "Collection", "first": {"type": "CollectionPage", "items": BOB, "next": f"{own}?p=2"}}
    )
    assert (embedded.items, embedded.next) == ((BOB,), f"{own}?p=2")
    elsewhere = parse.collection_page({"id": own, "type": "CollectionPage", "next": "https://victim.example/"})
    assert elsewhere.next is None
    with pytest.raises(Malformed):
        parse.collection_page({"id": own, "type": "Note"})


# ── total ────────────────────────────────────────────────────────────────────────────────────

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["Note", "Follow", "Create", "Person", "Link", PUBLIC, BOB, OURS, "\ud800", "https://[", "<p>"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "type", "actor", "object", "href", "url", "name", "content", "mediaType", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_WHOLE = [
    activity(
        "Create",
        note(
            tag=[{"type": "Mention", "href": OURS, "name": "@a"}, {"type": "Hashtag", "name": "#x"}],
            attachment=[{"type": "Image", "url": [{"href": BOB}], "focalPoint": [0, 1], "width": 1, "name": "x"}],
            contentMap={"en": "x"},
            summary="x",
            source={"content": "x"},
            url=[{"href": BOB, "mediaType": "text/html"}],
            inReplyTo=BOB,
            published="2026-01-01T00:00:00Z",
            context=BOB,
        ),
    ),
    activity(
        "Update",
        actor(
            icon={"url": BOB},
            endpoints={"sharedInbox": BOB},
            generator={"implements": [{"href": BOB}]},
            attachment=[{"type": "PropertyValue", "name": "x", "value": "y"}],
            assertionMethod=[{"id": BOB, "type": "Multikey", "controller": BOB, "publicKeyMultibase": ED25519}],
            alsoKnownAs=[BOB],
            name="x",
            summary="x",
        ),
    ),
    activity("Follow", OURS),
    activity("Accept", EMBEDDED_FOLLOW),
    activity("Undo", THEIR_FOLLOW),
    activity("Delete", {"id": BOB, "type": "Tombstone"}),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A whole activity in which up to three values, anywhere, are replaced by any JSON."""
    document = copy.deepcopy(draw(st.sampled_from(_WHOLE)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from([place for place in _places(document) if place]))
        target: Any = document
        for step in path:
            target = target[step]
        target[last] = draw(_JSON)
    return document


@given(damaged())
def test_whatever_comes_in_what_comes_out_is_ours(document: dict[str, Any]):
    """Validate to dataclasses at the door: an Activity, or a named refusal, and never anything else."""
    try:
        parsed = parse.activity(document)
    except Refused:
        return
    assert isinstance(parsed, Activity)
    json.dumps(dataclasses.asdict(parsed), default=str, ensure_ascii=False).encode()  # no half of a surrogate pair


@given(st.dictionaries(st.text(max_size=8), _JSON, max_size=6))
def test_every_reader_is_total(document: dict[str, Any]):
    """One bad document never breaks anything but itself."""
    for read in (parse.activity, parse.actor, parse.note, parse.collection_page, parse.id_of, parse.actor_id_of):
        try:
            read(document)
        except Refused:
            continue
