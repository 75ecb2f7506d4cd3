"""Full-text search by the client API: everything stored, own and received (issue 4)."""

from __future__ import annotations

import pytest

from node.model import Draft, Visibility
from tests.support.client import Client
from tests.support.following import follows, said
from tests.support.homes import Home
from tests.support.stranger import Stranger
from tests.web.mastodon.shapes import STATUS, Many, check
from tests.web.mastodon.test_lists import hears
from tests.web.mastodon.test_people import number_of


async def sought(app: Client, q: str, **more: str) -> list[int]:
    """The numbers of the posts that are found."""
    answer = await app.get("/api/v2/search", params={"q": q, "type": "statuses", **more})
    assert answer.status == 200, answer.body
    assert (answer.json["accounts"], answer.json["hashtags"]) == ([], [])
    check(Many(STATUS), answer.json["statuses"])
    return [int(status["id"]) for status in answer.json["statuses"]]


async def test_words_find_what_was_said(alice: Home, app: Client, carol: Stranger) -> None:
    """All the words, newest first; accents, capitals and markup do not matter; a phrase is one in quotes."""
    await follows(alice, carol)
    theirs = await hears(alice, carol, "The <b>B</b>lue teapot &amp; a crème brûlée")
    first = (await said(alice, "a teapot, blue as the sea")).id
    quiet = (await alice.node.owner.post(Draft("teapots to myself", visibility=Visibility.FOLLOWERS))).post.id
    covered = (await alice.node.owner.post(Draft("look", warning="Teapot inside"))).post.id
    assert await sought(app, "teapot") == [covered, first, theirs]
    assert await sought(app, "blue TEAPOT") == [first, theirs]
    assert await sought(app, '"blue teapot"') == [theirs]
    assert await sought(app, "creme brulee") == [theirs]
    assert await sought(app, "myself") == [quiet]
    for nothing in ("b", "href", "teapotty", "amp", "span"):
        assert await sought(app, nothing) == [], nothing


async def test_what_is_found_comes_in_pages(alice: Home, app: Client, carol: Stranger) -> None:
    await follows(alice, carol)
    hers = await hears(alice, carol, "tea for two")
    one, two, three = [(await said(alice, f"tea {number}")).id for number in range(3)]
    newest = sorted([hers, one, two, three], reverse=True)
    assert await sought(app, "tea", limit="2") == newest[:2]
    assert await sought(app, "tea", limit="2", offset="2") == newest[2:]
    assert await sought(app, "tea", max_id=str(two)) == [number for number in newest if number < two]
    assert await sought(app, "tea", min_id=str(two)) == [three]
    assert await sought(app, "tea", account_id=await number_of(app, carol.handle)) == [hers]
    assert await sought(app, "tea", account_id="nobody") == []


async def test_edits_and_deletions_are_searched_as_they_are(alice: Home, app: Client, carol: Stranger) -> None:
    """The index follows: what was taken back is not found any more, in the same moment."""
    await follows(alice, carol)
    mine = await said(alice, "my first words")
    note = carol.note("her first words")
    await carol.deliver(carol.create(note), alice.base)
    assert len(await sought(app, "words")) == 2
    await alice.node.owner.edit(mine.note.iri, "my second thoughts")
    assert len(await sought(app, "words")) == 1
    assert await sought(app, "thoughts") == [mine.id]
    tomb = {"id": note["id"], "type": "Tombstone"}
    assert (await carol.deliver(carol.activity("Delete", tomb), alice.base)).status == 202
    assert await sought(app, "words") == []
    await alice.node.owner.delete(mine.note.iri)
    assert await sought(app, "thoughts") == []
    async with alice.node.store.read() as tx:
        assert (await tx.exec_driver_sql("SELECT count(*) FROM note_words")).scalar_one() == 0
    assert (await alice.rows())["search_due"] == 0


async def test_the_blocked_the_muted_and_strangers_who_wait_are_not_found(
    alice: Home, app: Client, carol: Stranger, mallory: Stranger
) -> None:
    """Only what the owner let in: a stranger cannot put words into a search by mentioning the owner."""
    await follows(alice, carol)
    hers = await hears(alice, carol, "teapot")
    await mallory.deliver(mallory.say("teapot pills", alice.node.ids.actor), alice.base)
    assert await sought(app, "teapot") == [hers]
    number = await number_of(app, carol.handle)
    await app.post(f"/api/v1/accounts/{number}/mute")
    assert await sought(app, "teapot") == []
    await app.post(f"/api/v1/accounts/{number}/unmute")
    assert await sought(app, "teapot") == [hers]
    await app.post(f"/api/v1/accounts/{number}/block")
    assert await sought(app, "teapot") == []


@pytest.mark.parametrize(
    "q",
    [
        *('"', '""', '"""', "*", "tea*", "-tea", "NOT tea", "tea OR", "tea AND", "NEAR(tea, 2)", "words:tea", "^tea"),
        *("(tea", "tea)", "{words}", "tea\x1fpot", "🍵", "…", "tea\n\tpot", "%", "'; DROP TABLE notes; --"),
        *("a" * 6_000, '"a ' * 1_000, "#", "#tea", "@", "@@", "tea @pot", "\u202e", "ﷺ"),
    ],
)
async def test_nothing_in_a_search_is_an_operator(alice: Home, app: Client, q: str) -> None:
    """FTS5 has a language of its own; what is asked for never speaks it."""
    await said(alice, "nothing of the kind")
    answer = await app.get("/api/v2/search", params={"q": q})
    assert answer.status == 200, answer.body
    assert answer.json["statuses"] == []


async def test_hashtags_are_found_by_their_beginning(alice: Home, app: Client) -> None:
    for words in ("#Teapot #tea", "#teatime", "#coffee"):
        await said(alice, words)
    await alice.node.owner.follow_tag("tea")
    for q in ("tea", "#TEA"):
        found = (await app.get("/api/v2/search", params={"q": q, "type": "hashtags"})).json["hashtags"]
        assert [(tag["name"], tag["following"]) for tag in found] == [
            ("tea", True),
            ("teapot", False),
            ("teatime", False),
        ]
    assert (await app.get("/api/v2/search", params={"q": "nope"})).json["hashtags"] == []


async def test_what_was_here_before_is_found_too(alice: Home, app: Client) -> None:
    """The first search takes in what is here, the newest first, whatever it was stored by."""
    posts = [(await said(alice, f"pebble {number}")).id for number in range(3)]
    await alice.restart()
    again = await Client.of(alice)
    assert await sought(again, "pebble") == posts[::-1]
    assert (await alice.rows())["search_due"] == 0
