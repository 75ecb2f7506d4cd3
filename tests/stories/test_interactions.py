"""Two owners, and what they do with each other's posts: boosts, likes, edits, pins, over the wire."""

from __future__ import annotations

import json

import pytest

from keys import proof
from node.errors import NotAllowed, NotFound, TooLong
from node.model import Draft, Post, Verdict, Visibility
from tests.support.following import arrives, befriend, follows, said, seen
from tests.support.homes import Home, eventually
from tests.support.stranger import AP, Json, Place, Stranger


async def received(place: Place, kind: str) -> Json:
    """The activity of this type that came to a stranger's inbox."""

    async def there() -> Json | None:
        return next((one.json for one in place.received if one.json["type"] == kind), None)

    found = await eventually(there)
    assert found is not None
    return found


async def follower(home: Home, who: Stranger) -> None:
    assert (await who.deliver(who.activity("Follow", home.node.ids.actor), home.base)).status == 202
    await received(who.place, "Accept")


async def test_a_boost_reaches_the_author_and_comes_back(alice: Home, bob: Home) -> None:
    """federation.md §7, Announce and its Undo, between two nodes."""
    await befriend(alice, bob)
    post = await said(bob, "sing along")
    there = await arrives(alice, "sing along")
    await alice.node.interactions.boost(there.note.iri)
    await alice.node.interactions.boost(there.note.iri)

    async def counted(times: int) -> bool:
        return (await seen(bob, post.note.iri))[1] == times

    await eventually(lambda: counted(1))
    assert (await seen(alice, post.note.iri))[1] == 1
    await alice.node.interactions.unboost(there.note.iri)
    await eventually(lambda: counted(0))
    with pytest.raises(NotFound):
        await alice.node.interactions.unboost(there.note.iri)


async def test_a_boost_is_sent_as_others_understand_it(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """federation.md §7: "object a string; to Public, cc followers and author; Undo embeds the Announce"; with proof."""
    await follower(alice, carol)
    note = dave.note("not mine", cc=[alice.node.ids.actor])
    await dave.deliver(dave.create(note), alice.base)
    post = await alice.shows("not mine")
    assert post is not None
    await alice.node.interactions.boost(post.note.iri)
    boost = await received(carol.place, "Announce")
    assert boost["object"] == post.note.iri
    assert boost["cc"] == [alice.node.ids.followers, dave.iri]
    claim = proof.read(boost, alice.clock())  # type: ignore[arg-type]
    assert claim is not None
    proof.verify(claim, alice.node.keys.identity.public)
    served = await carol.get(str(boost["id"]))
    assert json.loads(served.body) == boost
    await alice.node.interactions.unboost(post.note.iri)
    undo = await received(carol.place, "Undo")
    embedded = undo["object"]
    assert isinstance(embedded, dict)
    assert (embedded["id"], embedded["type"], embedded["object"]) == (boost["id"], "Announce", post.note.iri)
    assert (await carol.get(str(boost["id"]))).status == 404


async def test_what_is_private_is_not_passed_on(alice: Home, carol: Stranger) -> None:
    """security.md §9: "boost only public/unlisted"."""
    await carol.deliver(carol.say("for your eyes only", alice.node.ids.actor), alice.base)
    post = await alice.shows("for your eyes only")
    assert post is not None
    with pytest.raises(NotAllowed):
        await alice.node.interactions.boost(post.note.iri)
    assert (await alice.rows())["reactions"] == 0


async def test_a_like_is_told_to_the_author_alone(alice: Home, carol: Stranger, elsewhere: Place) -> None:
    """federation.md §7, Like: "Deliver to author only"; followers never hear of it."""
    watcher = elsewhere.stranger("watcher")
    await follower(alice, watcher)
    await carol.deliver(carol.say("well said", alice.node.ids.actor), alice.base)
    post = await alice.shows("well said")
    assert post is not None
    await alice.node.interactions.like(post.note.iri)
    like = await received(carol.place, "Like")
    assert (like["object"], like["to"]) == (post.note.iri, [carol.iri])
    await alice.node.interactions.like(post.note.iri, "🎉")
    with pytest.raises(NotAllowed):
        await alice.node.interactions.like(post.note.iri, "fine")
    await alice.node.interactions.unlike(post.note.iri)
    await received(carol.place, "Undo")
    await alice.quiet()
    kinds = [one.json["type"] for one in carol.place.received]
    assert sorted(kinds) == ["Like", "Like", "Undo", "Undo"]
    assert [one.json["type"] for one in elsewhere.received] == ["Accept"]


async def test_an_edit_reaches_readers_and_keeps_what_was_said(alice: Home, bob: Home) -> None:
    """Update of notes: "the old versions stay readable, each with its verdict", on both sides."""
    await befriend(alice, bob)
    post = await said(bob, "the frist words")
    await arrives(alice, "the frist words")
    edited = await bob.node.owner.edit(post.note.iri, "the first words")
    assert edited.post.note.updated is not None
    assert post.note.published is not None
    assert edited.post.note.updated > post.note.published.replace(microsecond=0)
    there = await arrives(alice, "the first words")
    assert there.authorship.verdict is Verdict.SIGNED
    for home in (alice, bob):
        versions = await home.node.owner.history(post.note.iri)
        assert [(one.content, one.verdict) for one in versions] == [
            ("<p>the frist words</p>", Verdict.SIGNED),
            ("<p>the first words</p>", Verdict.SIGNED),
        ]
    again = await bob.node.owner.edit(post.note.iri, "the last words")
    assert again.post.note.updated is not None
    assert again.post.note.updated > edited.post.note.updated
    await arrives(alice, "the last words")


async def test_what_is_served_after_an_edit_is_the_new_version(alice: Home, carol: Stranger) -> None:
    """The note, its Create and the outbox show one text, and each carries a proof over exactly that."""
    post = await said(alice, "before")
    await alice.node.owner.edit(post.note.iri, "after", warning="a warning")
    for address in (post.note.iri, alice.node.ids.create(post.note.iri)):
        document = json.loads((await carol.get(address)).body)
        claim = proof.read(document, alice.clock())
        assert claim is not None
        proof.verify(claim, alice.node.keys.identity.public)
        note = document.get("object", document)
        assert (note["content"], note["summary"]) == ("<p>after</p>", "a warning")
    page = json.loads((await carol.get(f"{alice.node.ids.outbox}?page=true")).body)
    assert [item["object"]["content"] for item in page["orderedItems"]] == ["<p>after</p>"]


async def test_whoever_reacted_hears_of_an_edit(alice: Home, carol: Stranger) -> None:
    """federation.md §7: "Sent to everyone reached by the Create plus interactors"."""
    post = await said(alice, "liked once")
    await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
    await alice.node.owner.edit(post.note.iri, "liked still")
    update = await received(carol.place, "Update")
    note = update["object"]
    assert isinstance(note, dict)
    assert note["content"] == "<p>liked still</p>"
    assert note["updated"] == update["updated"]
    await alice.node.owner.delete(post.note.iri)
    assert (await received(carol.place, "Delete"))["actor"] == alice.node.ids.actor


async def test_an_edit_is_bound_by_the_same_rules(alice: Home, carol: Stranger) -> None:
    """141 characters are too many, nothing is too few, and other people's posts are theirs."""
    post = await said(alice, "as it is")
    with pytest.raises(TooLong):
        await alice.node.owner.edit(post.note.iri, "x" * 141)
    with pytest.raises(NotAllowed):
        await alice.node.owner.edit(post.note.iri, "  ")
    with pytest.raises(NotAllowed):
        await alice.node.owner.edit(post.note.iri, "as it is")
    await carol.deliver(carol.say("hers", alice.node.ids.actor), alice.base)
    theirs = await alice.shows("hers")
    assert theirs is not None
    with pytest.raises(NotFound):
        await alice.node.owner.edit(theirs.note.iri, "mine now")
    assert len(await alice.node.owner.history(post.note.iri)) == 1


async def test_pinned_posts_are_served_whole(alice: Home, carol: Stranger) -> None:
    """federation.md §8: "Featured: all items inline, no pages"; Add and Remove tell the followers."""
    await follower(alice, carol)
    first, second = await said(alice, "first"), await said(alice, "second")
    await alice.node.interactions.pin(first.note.iri)
    add = await received(carol.place, "Add")
    await alice.node.interactions.pin(second.note.iri)
    assert (add["object"], add["target"]) == (first.note.iri, alice.node.ids.featured)

    async def served() -> list[str]:
        document = json.loads((await carol.get(alice.node.ids.featured)).body)
        assert document["totalItems"] == len(document["orderedItems"])
        return [str(item["content"]) for item in document["orderedItems"]]

    assert await served() == ["<p>second</p>", "<p>first</p>"]
    await alice.node.interactions.unpin(second.note.iri)
    assert (await received(carol.place, "Remove"))["object"] == second.note.iri
    assert await served() == ["<p>first</p>"]
    await alice.node.owner.delete(first.note.iri)
    assert await served() == []


async def test_only_open_posts_of_ones_own_are_pinned(alice: Home, carol: Stranger) -> None:
    """What only followers may read is not put where everybody looks; and five are enough."""
    private = (await alice.node.owner.post(Draft("quiet", visibility=Visibility.FOLLOWERS))).post
    await follows(alice, carol)
    await carol.deliver(carol.create(carol.note("hers")), alice.base)
    theirs = await arrives(alice, "hers")
    for post in (private, theirs):
        with pytest.raises(NotAllowed):
            await alice.node.interactions.pin(post.note.iri)
    many: list[Post] = [await said(alice, f"pin {number}") for number in range(6)]
    for post in many[:5]:
        await alice.node.interactions.pin(post.note.iri)
    with pytest.raises(NotAllowed):
        await alice.node.interactions.pin(many[5].note.iri)
    assert (await carol.get(alice.node.ids.featured, accept=AP)).status == 200


async def test_the_page_says_what_was_seen_here(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """Counts are what this node saw, and the page says so; it changes with them."""
    post = await said(alice, "counted")
    assert post.note.url is not None
    assert b"seen here" not in (await carol.get(post.note.url, accept="text/html")).body
    await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
    await carol.deliver(carol.activity("Announce", post.note.iri), alice.base)
    await dave.deliver(dave.activity("EmojiReact", post.note.iri, content="<b>"), alice.base)
    page = (await carol.get(post.note.url, accept="text/html")).body
    assert b"1 like, 1 boost, &lt;b&gt; 1 seen here" in page
