"""An account that deletes itself is forgotten: every trace but its keys, and nobody else's."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from node.errors import Unreachable
from node.model import Iri
from node.storage import activities
from node.storage import actors as stored
from node.storage.schema import metadata
from tests.support.attack import greet
from tests.support.following import follows, said
from tests.support.homes import Home
from tests.support.stranger import Json, Place, Stranger

KEPT = {"activities", "actors", "keys", "blocks", "hosts"}


def traces(home: Home, words: str) -> dict[str, int]:
    """In which tables something stands, in any column, and how often."""
    assert home.node.store.path is not None
    found: Counter[str] = Counter()
    with closing(sqlite3.connect(home.node.store.path)) as looking:
        for table in metadata.sorted_tables:
            for row in looking.execute(f"SELECT * FROM {table.name}"):
                texts = (value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in row)
                found[table.name] += sum(words.casefold() in text.casefold() for text in texts)
    return {name: times for name, times in found.items() if times}


async def live(home: Home, who: Stranger) -> list[Json]:
    """Follow and be followed, write, answer, boost, like, edit, pin, mention, ask."""
    me = home.node.ids.actor
    post = await said(home, "mine")
    await follows(home, who)
    note = who.note(f"unmistakable {who.name}", cc=[me])
    edited = {**note, "content": f"<p>unmistakable {who.name}, edited</p>", "updated": "2031-01-01T00:00:00Z"}
    direct = who.say(f"unmistakable {who.name}, in private", me)
    pin = who.activity("Add", note["id"], target=f"{who.iri}/featured")
    everything = [
        who.activity("Follow", me),
        who.create(note),
        who.activity("Update", edited),
        direct,
        who.create(who.note(f"unmistakable {who.name}, in answer", cc=[me], inReplyTo=post.note.iri)),
        who.activity("Announce", post.note.iri),
        who.activity("Like", post.note.iri),
        pin,
    ]
    for activity in everything:
        assert (await who.deliver(activity, home.base)).status == 202
    await home.quiet()
    return everything


async def test_nothing_is_left_of_who_left_but_the_keys(alice: Home, place: Place, carol: Stranger) -> None:
    """federation.md §12; issue: notes, home, reactions, notifications, follows; keys are kept as evidence."""
    dora = place.stranger("dora")
    dora.extra = {"featured": f"{dora.iri}/featured", "summary": "<p>unmistakable dora herself</p>"}
    dora.publish()
    everything = await live(alice, dora)
    await greet(alice, carol)
    assert {"notes", "reactions", "followers", "follows", "featured"} <= set(traces(alice, "dora"))
    counts_before = traces(alice, "carol")
    assert (await dora.deliver(dora.activity("Delete", dora.iri), alice.base)).status == 202
    assert set(traces(alice, dora.iri)) <= KEPT
    assert traces(alice, "unmistakable dora") == {}
    assert await alice.texts() == ["<p>mine</p>"]
    assert (await alice.rows())["home"] == 1
    assert traces(alice, "carol") == counts_before
    async with alice.node.store.read() as tx:
        assert await stored.keys_of(tx, dora.iri)
        assert await stored.is_gone(tx, dora.iri)
        kept = await activities.get(tx, Iri(str(everything[1]["id"])))
    assert kept is not None
    assert kept.body == b""
    remembered = await alice.node.actors.known(dora.iri)
    assert remembered is not None
    assert remembered.gone_at is not None
    assert remembered.actor.summary == ""
    place.documents.pop(urlsplit(dora.iri).path)
    with pytest.raises(Unreachable):  # nobody follows an account that is gone because it was looked at before
        await alice.node.owner.follow(dora.iri)
    assert (await dora.deliver(everything[1], alice.base)).status == 202  # a replay brings nothing back
    assert await alice.shows("unmistakable") is None
    await greet(alice, carol)


@pytest.mark.parametrize("who", ["a neighbour", "a stranger"])
async def test_nobody_else_deletes_an_account(alice: Home, place: Place, mallory: Stranger, who: str) -> None:
    """security.md §0.3: side effects compare the stored owner with the signer."""
    dora = place.stranger("dora")
    await live(alice, dora)
    before = traces(alice, dora.iri)
    forger = place.stranger("neighbour") if who == "a neighbour" else mallory
    await forger.deliver(forger.activity("Delete", dora.iri), alice.base)
    await forger.deliver({**dora.activity("Delete", dora.iri)}, alice.base)
    after = traces(alice, dora.iri)
    assert after.pop("chores") >= before.pop("chores")  # more come while her posts are fetched
    noted = ("activities", "tombstones")  # that somebody said so, of an id that is no post of theirs
    assert {name: times for name, times in after.items() if name not in noted} == {
        name: times for name, times in before.items() if name not in noted
    }
    assert await alice.shows("unmistakable dora")
