"""Followed hashtags: what arrives with one comes home, whoever wrote it, and leaves again with it."""

from __future__ import annotations

import pytest

from node.errors import NotAllowed, NotFound
from node.model import Draft, Post
from node.storage import timelines
from tests.support.following import follows
from tests.support.homes import Home
from tests.support.stranger import PUBLIC, Json, Place, Stranger


def _tagged(author: Stranger, words: str, *tags: str, **more: object) -> Json:
    said: Json = {"tag": [{"type": "Hashtag", "name": f"#{tag}", "href": f"{author.place.base}/t"} for tag in tags]}
    return {**author.note(words), **said, **more}


async def _deliver(author: Stranger, home: Home, kind: str, note: Json) -> None:
    audience = {name: note[name] for name in ("to", "cc") if name in note}
    reply = await author.deliver(author.activity(kind, note, **audience), home.base)
    assert reply.status == 202


async def _tag_page(home: Home, tag: str, **more: object) -> list[Post]:
    async with home.node.store.read() as tx:
        return await timelines.tagged(tx, tag, **more)  # type: ignore[arg-type]


async def test_a_strangers_public_post_comes_home_by_its_hashtag(alice: Home, carol: Stranger) -> None:
    """Issue 3: following a hashtag, for what arrives: in any spelling, from the next post on."""
    await _deliver(carol, alice, "Create", _tagged(carol, "too early", "Birding"))
    await alice.node.owner.follow_tag("#birding")
    await _deliver(carol, alice, "Create", _tagged(carol, "a wren", "BirdIng", "wren"))
    await _deliver(carol, alice, "Create", _tagged(carol, "a cat", "cats"))
    assert [words for words in await alice.texts() if "wren" in words or "cat" in words or "early" in words] == [
        "<p>a wren</p>"
    ]


@pytest.mark.parametrize("audience", [[], ["followers"], ["unlisted"]], ids=["direct", "followers", "unlisted"])
async def test_only_what_is_public_comes_by_a_hashtag(alice: Home, carol: Stranger, audience: list[str]) -> None:
    """A hashtag makes nothing public: posts for fewer people are not kept because of it."""
    await alice.node.owner.follow_tag("birding")
    to = {"followers": f"{carol.iri}/followers", "unlisted": f"{carol.iri}/followers"}
    note = _tagged(
        carol,
        "a secret wren",
        "birding",
        to=[to[one] for one in audience] or [f"{carol.place.base}/users/nobody"],
        cc=[PUBLIC] if audience == ["unlisted"] else [],
    )
    await _deliver(carol, alice, "Create", note)
    assert await alice.texts() == []


async def test_who_is_muted_or_blocked_does_not_come_by_a_hashtag(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """A hashtag is no way around the owner's no."""
    await alice.node.owner.follow_tag("birding")
    await alice.node.moderation.mute(carol.iri, None)
    await alice.node.moderation.block(mallory.iri)
    await _deliver(carol, alice, "Create", _tagged(carol, "a loud wren", "birding"))
    note = _tagged(mallory, "a false wren", "birding")
    assert (await mallory.deliver(mallory.activity("Create", note), alice.base)).status == 403
    assert await alice.texts() == []
    assert await _tag_page(alice, "birding") == []


async def test_who_is_ignored_does_not_come_by_a_hashtag(alice: Home, carol: Stranger) -> None:
    """Ignored: "what they say is kept, and shown nowhere", also not what came before, nor by an edit."""
    await alice.node.owner.follow_tag("birding")
    note = _tagged(carol, "a stray wren", "birding")
    await _deliver(carol, alice, "Create", note)
    assert await alice.texts() == ["<p>a stray wren</p>"]
    await alice.node.moderation.ignore(carol.iri)
    assert await alice.texts() == []
    await _deliver(carol, alice, "Create", _tagged(carol, "another wren", "birding"))
    edited = _tagged(carol, "a wren again", "Birding", "wrens") | {"id": note["id"], "published": note["published"]}
    await _deliver(carol, alice, "Update", {**edited, "updated": "2030-01-01T00:00:00Z"})
    assert await alice.texts() == []
    await alice.node.moderation.allow(carol.iri)
    await _deliver(carol, alice, "Create", _tagged(carol, "a third wren", "birding"))
    assert await alice.texts() == ["<p>a third wren</p>"]


async def test_what_is_fetched_of_an_ignored_account_stays_off_home(
    alice: Home, place: Place, carol: Stranger, dave: Stranger
) -> None:
    """Looked at in a thread, a post with a followed hashtag comes home, but not theirs."""
    await alice.node.owner.follow_tag("birding")
    await _deliver(carol, alice, "Create", carol.say("hello", alice.node.ids.actor)["object"])  # type: ignore[arg-type]
    await alice.node.moderation.ignore(carol.iri)
    for who in (carol, dave):
        note = _tagged(who, f"a wren of {who.name}'s", "birding")
        place.documents[str(note["id"]).removeprefix(place.base)] = note
        await alice.node.reading.open_thread(str(note["id"]))
    assert await alice.texts() == ["<p>a wren of dave's</p>"]


async def test_unfollowing_a_person_leaves_what_a_hashtag_brings(alice: Home, carol: Stranger) -> None:
    """A post that would have come without the follow stays when the follow ends; boosts and other posts go."""
    await alice.node.owner.follow_tag("birding")
    await follows(alice, carol)
    await _deliver(carol, alice, "Create", _tagged(carol, "a wren", "birding"))
    await _deliver(carol, alice, "Create", _tagged(carol, "a cat", "cats"))
    quiet = _tagged(carol, "a quiet wren", "birding", to=[f"{carol.iri}/followers"])
    await _deliver(carol, alice, "Create", quiet)
    assert len(await alice.texts()) == 3
    await alice.node.owner.unfollow(carol.iri)
    assert await alice.texts() == ["<p>a wren</p>"]


async def test_an_edit_comes_and_goes_with_its_hashtag(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """Update is judged anew: a hashtag that is added brings a post home, one that is taken away takes it along."""
    await alice.node.owner.follow_tag("birding")
    await alice.node.owner.follow_tag("wrens")
    note = _tagged(carol, "a wren", "birding")
    await _deliver(carol, alice, "Create", note)
    edits = [(("wrens",), 1), (("cats",), 0), ((), 0), (("Wrens", "cats"), 1)]
    for minute, (tags, shown) in enumerate(edits, start=1):
        edited = {**_tagged(carol, f"a wren, edition {minute}", *tags), "id": note["id"]}
        edited |= {"published": note["published"], "updated": f"2030-01-01T00:{minute:02}:00Z"}
        await _deliver(carol, alice, "Update", edited)
        assert len(await alice.texts()) == shown, tags
        assert len(await _tag_page(alice, "wrens")) == shown, tags


async def test_unfollowing_takes_back_what_only_that_hashtag_brought(alice: Home, carol: Stranger) -> None:
    """What another followed hashtag brought as well stays, and what the owner wrote."""
    await alice.node.owner.follow_tag("birding")
    await alice.node.owner.follow_tag("wrens")
    await _deliver(carol, alice, "Create", _tagged(carol, "one", "birding"))
    await _deliver(carol, alice, "Create", _tagged(carol, "two", "birding", "wrens"))
    await alice.node.owner.post(Draft("three #birding"))
    await alice.node.owner.unfollow_tag("#Birding")
    assert [text for text in await alice.texts() if text in ("<p>one</p>", "<p>two</p>")] == ["<p>two</p>"]
    assert len(await alice.texts()) == 2
    assert [one.name for one in await alice.node.owner.followed_tags()] == ["wrens"]
    with pytest.raises(NotFound):
        await alice.node.owner.unfollow_tag("birding")


async def test_a_timeline_of_a_hashtag(alice: Home, carol: Stranger) -> None:
    """Everything public that is here, newest first, with `any`, `all` and `none` as Mastodon's apps ask for them."""
    await alice.node.owner.follow_tag("birding")
    await _deliver(carol, alice, "Create", _tagged(carol, "one", "birding"))
    await _deliver(carol, alice, "Create", _tagged(carol, "two", "birding", "wrens"))
    await alice.node.owner.post(Draft("three #birding"))
    await alice.node.owner.post(Draft("four #owls"))

    async def words(tag: str, **more: object) -> list[str]:
        return [
            (post.note.source or post.note.content).removesuffix("</p>")[-5:]
            for post in await _tag_page(alice, tag, **more)
        ]

    assert len(await words("#BIRDING")) == 3
    assert len(await words("birding", any_of=["owls"])) == 4
    assert len(await words("birding", all_of=["wrens"])) == 1
    assert len(await words("birding", none_of=["wrens"])) == 2
    assert len(await words("birding", only_own=True)) == 1
    first = (await _tag_page(alice, "birding", limit=1))[0]
    assert len(await words("birding", before=first.id)) == 2
    await alice.node.owner.delete(first.note.iri)
    assert len(await words("birding")) == 2


async def test_what_is_no_hashtag_cannot_be_followed(alice: Home) -> None:
    """Refused, and nothing is stored."""
    for name in ("", "#", "two words", "123", "a#b", "x" * 101 + " y", "a\nb"):
        with pytest.raises(NotAllowed):
            await alice.node.owner.follow_tag(name)
        assert await alice.node.owner.followed_tags() == [], name


async def test_a_post_found_in_a_thread_comes_home_by_its_hashtag(alice: Home, carol: Stranger, place: Place) -> None:
    """What the owner opens and what is fetched around it is treated as what is delivered."""
    await alice.node.owner.follow_tag("birding")
    note = _tagged(carol, "a wren in a thread", "birding")
    place.documents[str(note["id"]).removeprefix(place.base)] = note
    await alice.node.reading.open_thread(str(note["id"]))
    assert await alice.texts() == ["<p>a wren in a thread</p>"]
