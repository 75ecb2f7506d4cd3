"""What goes out, held against what each server's source demands of it."""

# ruff: noqa: E501 - the table has a row for each demand

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from node.model import Draft
from tests.support.following import follows
from tests.support.homes import Home, eventually
from tests.support.stranger import AP, AS2, PUBLIC, Json, Stranger

Sent = dict[str, Json]


async def everything(alice: Home, carol: Stranger) -> Sent:
    """One of each thing that the owner does, as it came to carol's inbox; and what carol finds when she asks."""
    await follows(alice, carol)
    assert (await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)).status == 202
    theirs = carol.note("from carol")
    await carol.deliver(carol.create(theirs), alice.base)
    liked = (await alice.node.owner.find_post(str(theirs["id"]))) or pytest.fail("carol's post is not here")
    owner, acts = alice.node.owner, alice.node.interactions
    draft = Draft(f"{carol.handle} hello #Birds", warning="birds", language="de", in_reply_to=liked.note.iri)
    post = (await owner.post(draft)).post
    await acts.boost(liked.note.iri)
    await acts.like(liked.note.iri)
    await acts.pin((await owner.post(Draft("pinned"))).post.note.iri)
    await owner.edit(post.note.iri, f"{carol.handle} hello again #Birds")
    await alice.quiet()
    await acts.unlike(liked.note.iri)
    await acts.unboost(liked.note.iri)
    await owner.delete(post.note.iri)
    await owner.unfollow(carol.iri)
    await alice.quiet()
    sent: Sent = {}

    async def all_there() -> bool:
        for item in carol.place.received:
            inner = item.json.get("object")
            kind = str(item.json["type"])
            sent.setdefault(f"Undo {inner['type']}" if kind == "Undo" and isinstance(inner, dict) else kind, item.json)
            if kind == "Create" and isinstance(inner, dict) and inner.get("inReplyTo"):
                sent["Create"] = item.json
        return set(sent) >= ACTIVITIES

    await eventually(all_there)
    asked = {"actor": alice.node.ids.actor, "outbox": f"{alice.base}/outbox?page=true"}
    for name, address in asked.items():
        sent[name] = json.loads((await carol.get(address)).body)
    finger = f"{alice.base}/.well-known/webfinger?resource=acct:{alice.node.ids.acct}"
    sent["webfinger"] = json.loads((await carol.get(finger, accept="application/jrd+json")).body)
    return sent


ACTIVITIES = {
    *("Follow", "Accept", "Create", "Update", "Delete", "Announce", "Like", "Add"),
    *("Undo Follow", "Undo Like", "Undo Announce"),
}


def _note(sent: Sent) -> Any:
    return sent["Create"]["object"]


def _activities(sent: Sent) -> list[Any]:
    return [sent[name] for name in ACTIVITIES]


def _host(iri: Any) -> str:
    return urlsplit(iri).netloc


def _contexts(document: Any) -> list[Any]:
    context = document["@context"]
    return context if isinstance(context, list) else [context]


def _is_date(value: Any) -> bool:
    return (
        datetime.fromisoformat(value).tzinfo is not None
        and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value) is not None
    )


PRELOADED = {
    *(
        AS2,
        "https://w3id.org/security/v1",
        "https://w3id.org/security/data-integrity/v1",
        "https://www.w3.org/ns/did/v1",
    ),
    *("https://w3id.org/security/data-integrity/v2", "https://w3id.org/security/multikey/v1", "http://schema.org/"),
}

REQUIRED: list[tuple[str, str, Callable[[Sent], bool]]] = [
    # app/helpers/jsonld_helper.rb, app/lib/activitypub/activity/*.rb, app/lib/activitypub/parser/status_parser.rb
    ("Mastodon", "the AS2 context on every activity", lambda s: all(AS2 in _contexts(one) for one in _activities(s))),
    ("Mastodon", "an id on every activity, on the actor's host",
     lambda s: all(_host(one["id"]) == _host(one["actor"]) for one in _activities(s))),
    ("Mastodon", "the note's id on the actor's host", lambda s: _host(_note(s)["id"]) == _host(s["Create"]["actor"])),
    ("Mastodon", "the public collection by its full address", lambda s: PUBLIC in _note(s)["to"] + _note(s)["cc"]),
    ("Mastodon", "mentions with href, hashtags with name",
     lambda s: {tag["type"]: bool(tag.get("href") and tag["name"]) for tag in _note(s)["tag"]}
     == {"Mention": True, "Hashtag": True}),
    ("Mastodon", "content in the language first named", lambda s: _note(s)["contentMap"] == {"de": _note(s)["content"]}),
    ("Mastodon", "sensitive and summary for a warning", lambda s: (_note(s)["sensitive"], _note(s)["summary"]) == (True, "birds")),
    ("Mastodon", "dates of ISO 8601", lambda s: _is_date(_note(s)["published"]) and _is_date(s["Update"]["object"]["updated"])),
    ("Mastodon", "a Tombstone or an id to delete", lambda s: s["Delete"]["object"]["type"] == "Tombstone"),
    ("Mastodon", "what is undone embedded, with its id",
     lambda s: all(s[f"Undo {one}"]["object"]["id"] == s[one]["id"] for one in ("Follow", "Like", "Announce"))),
    ("Mastodon", "Add with the featured collection as target", lambda s: s["Add"]["target"] == s["actor"]["featured"]),
    # app/services/activitypub/process_account_service.rb, fetch_remote_actor_service.rb
    ("Mastodon", "an account that WebFinger leads back to",
     lambda s: s["webfinger"]["subject"] == f"acct:{s['actor']['preferredUsername']}@{_host(s['actor']['id'])}"
     and any(link.get("href") == s["actor"]["id"] for link in s["webfinger"]["links"] if link["rel"] == "self")),
    ("Mastodon", "inbox, outbox, key", lambda s: all(s["actor"].get(name) for name in ("inbox", "outbox", "publicKey"))),
    # docs/federation/{posts,actors,http_signatures}.md, internal/ap/extract.go
    ("GoToSocial", "one actor, by address", lambda s: all(isinstance(one["actor"], str) for one in _activities(s))),
    ("GoToSocial", "mentions named @user@host",
     lambda s: all(re.fullmatch(r"@\w+@[\w.:-]+", tag["name"]) for tag in _note(s)["tag"] if tag["type"] == "Mention")),
    ("GoToSocial", "the owner of a key", lambda s: s["actor"]["publicKey"]["owner"] == s["actor"]["id"]),
    ("GoToSocial", "a key that is found under its own id",
     lambda s: s["actor"]["publicKey"]["id"].partition("#")[0] == s["actor"]["id"]),
    # ApPersonService.validateActor, ApNoteService.validateNote
    ("Misskey", "a name of letters, at most 128", lambda s: bool(re.fullmatch(r"\w([\w.-]{0,126}\w)?", s["actor"]["preferredUsername"]))),
    ("Misskey", "inbox, collections and key on one host",
     lambda s: {_host(s["actor"][name]) for name in ("id", "inbox", "outbox", "followers", "following", "featured")}
     == {_host(s["actor"]["publicKey"]["id"])}),
    ("Misskey", "one author, of the note's host",
     lambda s: isinstance(_note(s)["attributedTo"], str) and _host(_note(s)["attributedTo"]) == _host(_note(s)["id"])),
    ("Misskey", "url on the id's host", lambda s: _host(_note(s)["url"]) == _host(_note(s)["id"])),
    # lib/pleroma/web/activity_pub/object_validators/*.ex
    ("Akkoma", "to and cc as lists, on activities and notes",
     lambda s: all(isinstance(one[name], list) for one in (s["Create"], _note(s), s["Announce"]) for name in ("to", "cc"))),
    ("Akkoma", "author = actor, published, content",
     lambda s: _note(s)["attributedTo"] == s["Create"]["actor"] and all(_note(s)[name] for name in ("published", "content"))),
    ("Akkoma", "the author of what is liked or boosted is addressed",
     lambda s: all(any("/users/carol" in one for one in [*s[name]["to"], *s[name].get("cc", [])]) for name in ("Like", "Announce"))),
    # activitypub.c: process_input_message
    ("snac", "ids as objects of Follow, Like and Announce",
     lambda s: all(isinstance(s[name]["object"], str) for name in ("Follow", "Like", "Announce"))),
    ("snac", "what is undone says its type and object",
     lambda s: all(s[f"Undo {one}"]["object"]["type"] == one and s[f"Undo {one}"]["object"]["object"]
                   for one in ("Follow", "Like", "Announce"))),
    ("snac", "an Accept that embeds the Follow", lambda s: s["Accept"]["object"]["type"] == "Follow"),
    # mitra_activitypub/src: actors/types.rs, importers, handlers
    ("Mitra", "Multikeys of the actor's own",
     lambda s: all((key["type"], key["controller"]) == ("Multikey", s["actor"]["id"]) for key in s["actor"]["assertionMethod"])),
    ("Mitra", "proofs with the context of what they are on",
     lambda s: all(one["proof"]["cryptosuite"] == "eddsa-jcs-2022" and one["proof"].get("@context", one["@context"]) == one["@context"]
                   for one in (s["Create"], _note(s), s["Update"], s["Delete"]))),
    # @fedify/vocab-runtime: preloaded contexts
    ("Fedify", "no context that has to be fetched",
     lambda s: all(context in PRELOADED for one in (*_activities(s), s["actor"], s["outbox"]) for context in _contexts(one)
                   if isinstance(context, str))),
    # includes/class-http.php, includes/collection/class-interactions.php
    ("WordPress", "a comment: id, content, inReplyTo, and who wrote it",
     lambda s: all(_note(s)[name] for name in ("id", "content", "inReplyTo", "attributedTo"))),
    ("WordPress", "an actor with a page and a name", lambda s: bool(s["actor"]["url"] and s["actor"]["name"])),
]  # fmt: skip


async def test_each_server_gets_what_its_source_demands(alice: Home, carol: Stranger) -> None:
    """Real deliveries, not composed by hand: whatever goes out has all that these servers ask for."""
    sent = await everything(alice, carol)
    assert [f"{server}: {what}" for server, what, holds in REQUIRED if not holds(sent)] == []


async def test_documents_have_the_type_that_all_of_them_ask_for(alice: Home, carol: Stranger) -> None:
    """Mastodon, Misskey and GoToSocial refuse a document of any other type than ActivityPub's."""
    for accept in (AP, 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'):
        reply = await carol.get(alice.node.ids.actor, accept=accept)
        assert reply.headers["Content-Type"].startswith(("application/activity+json", "application/ld+json"))
