"""What the owner is told: once, by those whom the owner wants to hear, and not after it was taken back."""

from __future__ import annotations

from typing import Any

import pytest

from node.model import Iri, Notify, Tell, Window
from node.notify import ALERTS, Kind, is_wanted, kinds_shown_as
from node.storage import notifications
from node.storage.schema import follows as follows_table
from node.storage.schema import markers
from tests.support.following import follows, said
from tests.support.homes import Home
from tests.support.stranger import PUBLIC, Stranger


async def told(home: Home) -> list[tuple[str, str]]:
    """(kind, actor), oldest first."""
    async with home.node.store.read() as tx:
        found = await notifications.newest(tx, Window(limit=80), home.clock())
    return [(item.kind.value, item.actor) for item in reversed(found)]


async def waiting(home: Home) -> list[tuple[str, int]]:
    async with home.node.store.read() as tx:
        return [(item.actor, item.times) for item in await notifications.requests(tx, home.clock())]


@pytest.mark.parametrize(
    ("kind", "how", "expected"),
    [
        ("Like", {}, "favourite"),
        ("Announce", {}, "reblog"),
        ("EmojiReact", {"content": "🎉"}, "reaction"),
    ],
)
async def test_a_reaction_is_told_once_and_untold_when_undone(
    alice: Home, carol: Stranger, kind: str, how: dict[str, Any], expected: str
) -> None:
    """One reaction, however often it is sent, is one notification; its Undo takes that back."""
    post = await said(alice, "tell me")
    heard: list[Tell] = []
    alice.node.events.subscribe(heard.append)
    given = carol.activity(kind, post.note.iri, **how)
    for _ in range(2):
        assert (await carol.deliver(given, alice.base)).status == 202
    assert await told(alice) == [(expected, carol.iri)]
    assert [tell.kind for tell in heard].count("notification") == 1
    await carol.deliver(carol.activity("Undo", given), alice.base)
    assert await told(alice) == []


async def test_a_follow_is_told_until_they_unfollow(alice: Home, carol: Stranger) -> None:
    """A repeated Follow is answered again, and told once."""
    follow = carol.activity("Follow", alice.node.ids.actor)
    await carol.deliver(follow, alice.base)
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    assert await told(alice) == [("follow", carol.iri)]
    await carol.deliver(carol.activity("Undo", carol.activity("Follow", alice.node.ids.actor)), alice.base)
    assert await told(alice) == []


async def test_a_strangers_mention_waits_until_they_are_let_in(alice: Home, carol: Stranger) -> None:
    """ "requests … never become notifications until let in"; then they are, from the first on."""
    heard: list[Tell] = []
    alice.node.events.subscribe(heard.append)
    for words in ("hello", "hello?"):
        await carol.deliver(carol.say(words, alice.node.ids.actor), alice.base)
    assert await told(alice) == []
    assert await waiting(alice) == [(carol.iri, 2)]
    assert "notification" not in [tell.kind for tell in heard]
    await alice.node.moderation.allow(carol.iri)
    assert await told(alice) == [("mention", carol.iri), ("mention", carol.iri)]
    assert await waiting(alice) == []


async def test_who_is_ignored_neither_waits_nor_is_heard(alice: Home, carol: Stranger) -> None:
    """ "what they say is kept, and shown nowhere" """
    await carol.deliver(carol.say("hello", alice.node.ids.actor), alice.base)
    await alice.node.moderation.ignore(carol.iri)
    assert await told(alice) == []
    assert await waiting(alice) == []


async def test_a_mute_hides_and_a_block_removes(alice: Home, carol: Stranger) -> None:
    """What a mute covered comes back with its end; what a block removed does not."""
    post = await said(alice, "loud")
    await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
    await alice.node.moderation.mute(carol.iri)
    assert await told(alice) == []
    await alice.node.moderation.unmute(carol.iri)
    assert await told(alice) == [("favourite", carol.iri)]
    await alice.node.moderation.block(carol.iri)
    await alice.node.moderation.unblock(carol.iri)
    assert await told(alice) == []


async def test_a_deleted_mention_is_told_no_more(alice: Home, carol: Stranger) -> None:
    """Delete of the post takes the notification with it."""
    await follows(alice, carol)
    mention = carol.say("never mind", alice.node.ids.actor)
    await carol.deliver(mention, alice.base)
    assert await told(alice) == [("mention", carol.iri)]
    await carol.deliver(carol.activity("Delete", mention["object"]["id"]), alice.base)
    assert await told(alice) == []


async def test_each_post_is_told_when_the_owner_asked_for_it(alice: Home, carol: Stranger) -> None:
    """`notify` on a follow: a post of theirs is a notification of its own, an answer to others is not."""
    await follows(alice, carol)
    await carol.deliver(carol.say("quiet one", PUBLIC), alice.base)
    async with alice.node.store.write() as tx:
        await tx.execute(follows_table.update().values(notify=True))
    await carol.deliver(carol.say("loud one", PUBLIC), alice.base)
    assert await told(alice) == [("status", carol.iri)]


async def test_an_edit_of_what_the_owner_boosted_is_told_each_time(alice: Home, carol: Stranger) -> None:
    """What the owner passed on says something else now."""
    await follows(alice, carol)
    created = carol.say("first words", PUBLIC)
    await carol.deliver(created, alice.base)
    await alice.node.interactions.boost(Iri(created["object"]["id"]))
    for number in (1, 2):
        edited = {**created["object"], "content": f"<p>words {number}</p>", "updated": f"2027-01-01T00:00:0{number}Z"}
        assert (await carol.deliver(carol.activity("Update", edited), alice.base)).status == 202
    assert await told(alice) == [("update", carol.iri)] * 2


async def test_an_account_that_deletes_itself_is_told_no_more(alice: Home, carol: Stranger) -> None:
    """Nothing is left to look at."""
    post = await said(alice, "gone soon")
    await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    await carol.deliver(carol.activity("Delete", carol.iri), alice.base)
    assert await told(alice) == []


async def test_unread_is_what_is_newer_than_the_marker(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """The marker is shared by all apps; what waits with strangers does not count."""
    post = await said(alice, "counted")
    await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
    await dave.deliver(dave.say("psst", alice.node.ids.actor), alice.base)
    async with alice.node.store.write() as tx:
        assert await notifications.count_unread(tx, alice.clock()) == 1
        newest = (await notifications.newest(tx, Window(), alice.clock()))[0]
        await tx.execute(
            markers.insert().values(timeline="notifications", last_read_id=newest.id, version=1, updated_at=0)
        )
        assert await notifications.count_unread(tx, alice.clock()) == 0
        await notifications.clear(tx)
        assert await notifications.newest(tx, Window(), alice.clock()) == []
    assert await waiting(alice) == [(dave.iri, 1)]


async def test_a_batch_of_likes_costs_a_handful_of_statements(alice: Home) -> None:
    """ "no awaited call per note": 100 notifications are written as one."""
    post = await said(alice, "popular")
    new = [Notify(Kind.FAVOURITE, Iri(f"https://a.example/{number}"), post.id) for number in range(100)]
    async with alice.node.store.write() as tx:
        tells = await notifications.add_many(tx, [*new, *new], alice.node.snowflake, alice.clock())
        assert len(tells) == 100
        assert await notifications.add_many(tx, new, alice.node.snowflake, alice.clock()) == []


@pytest.mark.parametrize(
    ("alerts", "policy", "followed", "follower", "wanted"),
    [
        ({"favourite": True}, "all", False, False, True),
        ({"favourite": False}, "all", True, True, False),
        ({}, "all", True, True, False),
        ({"favourite": True}, "followed", False, True, False),
        ({"favourite": True}, "followed", True, False, True),
        ({"favourite": True}, "follower", False, True, True),
        ({"favourite": True}, "none", True, True, False),
        ({"favourite": True}, "surprise", True, True, False),
    ],
)
def test_a_subscription_gets_what_it_asked_for(
    alerts: dict[str, bool], policy: str, followed: bool, follower: bool, wanted: bool
) -> None:
    """Per-type alerts, and from whom; an emoji reaction counts as a favourite. Default no."""
    for kind in (Kind.FAVOURITE, Kind.REACTION):
        assert is_wanted(alerts, policy, kind, followed=followed, follower=follower) is wanted


def test_an_emoji_reaction_is_shown_as_a_favourite() -> None:
    """Apps know no other word for it."""
    assert kinds_shown_as(frozenset({"favourite", "nonsense"})) == {Kind.FAVOURITE, Kind.REACTION}
    assert "reaction" not in ALERTS
