"""Full-text search and the owner's lists and filters in the store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from node.ids import Snowflake
from node.model import Actor, Attachment, Audience, Authorship, Choice, Iri, Note, Poll, Verdict, Visibility, Window
from node.storage import actors, filters, listings, lists, markers, notes, search
from node.storage.dialect import Tx
from node.storage.filters import Filter, FilteredPost, Keyword
from node.storage.lists import PeopleList, Place
from node.storage.notes import NewNote, Tombstone
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HER = Iri("https://remote.example/users/her")
SAID = Authorship(Verdict.VOUCHED, "because")
flakes = Snowflake(7)


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    async with empty_store.write() as tx:
        her = Actor(HER, "Person", "her", Iri(f"{HER}/inbox"), followers=Iri(f"{HER}/followers"))
        await actors.put(tx, her, id=flakes.mint(NOW), at=NOW, document=b"{}")
    return empty_store


async def _post(tx: Tx, content: str, **more: object) -> NewNote:
    brief = (await actors.briefs(tx, [HER]))[HER]
    number = flakes.mint(NOW)
    iri = Iri(f"https://remote.example/notes/{number}")
    note = replace(Note(iri, HER, Audience((HER,)), content, published=NOW), **more)  # type: ignore[arg-type]
    new = NewNote(number, note, brief.id, Visibility.PUBLIC, NOW, NOW, SAID, activity=None)
    await notes.add_many(tx, [new])
    await notes.show_at_home(tx, [(number, brief.id)])
    return new


async def _found(store: Store, words: str) -> list[int]:
    async with store.write() as tx:
        while await search.index(tx, 2) == 2:
            pass
    async with store.read() as tx:
        assert not await search.is_due(tx)
        return [post.id for post in await search.found(tx, words, Window(), NOW)]


async def test_posts_are_found_as_they_are_now(store: Store) -> None:
    """Taken in by portions; edited and deleted ones as they are at the moment of asking."""
    async with store.write() as tx:
        first, second, third = [await _post(tx, f"<p>a <em>teapot</em>, no. {number}</p>") for number in "123"]
    assert await _found(store, "teapot") == [third.id, second.id, first.id]
    assert await _found(store, 'TEAPOT "no. 2"') == [second.id]
    async with store.write() as tx:
        edited = replace(second.note, content="<p>a kettle</p>", updated=NOW + timedelta(minutes=1))
        await notes.edit(tx, second.id, edited, SAID, activity=Iri("https://remote.example/activities/1"))
        await notes.bury(tx, Tombstone(third.note.iri, HER, "Note", NOW, public=True))
    assert await _found(store, "teapot") == [first.id]
    assert await _found(store, "kettle") == [second.id]
    assert await _found(store, '"') == []
    assert await _found(store, "teapot & | ! <-> :*") == [first.id]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("blue teapot", True),  # markup inside a word does not part it
        ("creme brulee", True),
        ("CRÈME brûlée", True),
        ('"example org tea"', True),
        ("example.org", True),
        ("it's", True),
        ("covered", True),
        ("gradient", True),
        ("naive", True),
        ("earl", True),
        ('"second line"', True),
        ("b", False),
        ("lue", False),
        ("href", False),
        ("amp", False),
        ("image", False),
        ("alts", False),
        ("nsecond", False),
        ("Post", False),
    ],
)
async def test_the_words_of_a_post_are_the_same_everywhere(store: Store, words: str, found: bool) -> None:
    """Warning, text, what is said of pictures, what is asked; accents, capitals and markup do not matter."""
    picture = Attachment("Image", "image/png", "https://x.example/alts", alt='a "naïve" gradient\nsecond line')
    async with store.write() as tx:
        asked = Poll((Choice("Earl Grey"), Choice("none")))
        content = (
            '<p>The <b>B</b>lue teapot &amp; a crème brûlée</p><p>it\'s at <a href="https://y">example.org/tea</a>'
        )
        post = await _post(tx, content, summary="Covered", attachments=(picture,), poll=asked, type="Question")
    assert await _found(store, words) == ([post.id] if found else [])


async def test_a_huge_post_is_stored_all_the_same(store: Store) -> None:
    """The index must never be a reason to refuse a post: words beyond its bound are not searched, that is all."""
    words = " ".join(f"w{number}" for number in range(200_000))
    async with store.write() as tx:
        post = await _post(
            tx, f"<p>{words}</p>", attachments=(Attachment("Image", "image/png", "https://x.example/a"),)
        )
    assert await _found(store, "w77") == [post.id]


async def test_hashtags_are_found_by_their_beginning(store: Store) -> None:
    async with store.write() as tx:
        await _post(tx, "<p>x</p>", hashtags=("Tea", "teapot", "tée", "t_a", "coffee"))
        await _post(tx, "<p>y</p>", hashtags=("tea", "Teatime"))
        assert await search.hashtags(tx, "tea", limit=5) == ["tea", "teapot", "teatime"]
        assert await search.hashtags(tx, "tea", limit=1, offset=1) == ["teapot"]
        assert await search.hashtags(tx, "t_", limit=5) == ["t_a"]
        assert await search.hashtags(tx, "%", limit=5) == []
        assert await search.hashtags(tx, "", limit=5) == []


async def test_lists_place_what_their_members_bring(store: Store) -> None:
    async with store.write() as tx:
        post = await _post(tx, "<p>hello</p>")
        answer = await _post(tx, "<p>to nobody here</p>", in_reply_to=Iri("https://other.example/1"))
        one, other = PeopleList(1, "b"), PeopleList(2, "a", "followed", exclusive=True)
        for each in (one, other):
            await lists.add(tx, each)
        assert await lists.places(tx, [post.id]) == {}
        await lists.put(tx, 1, [HER, HER])
        assert await lists.places(tx, [post.id, answer.id]) == {post.id: Place((1,)), answer.id: Place()}
        assert len(await listings.home_page(tx, Window(), NOW)) == 2
        await lists.put(tx, 2, [HER])
        assert await lists.places(tx, [answer.id]) == {answer.id: Place((2,), apart=True)}
        assert await listings.home_page(tx, Window(), NOW) == []
        assert [shown.id for shown in await listings.home_page(tx, Window(), NOW, of_list=1)] == [post.id]
        assert [shown.id for shown in await listings.home_page(tx, Window(), NOW, of_list=2)] == [answer.id, post.id]
        assert await lists.everything(tx) == [other, one]
        assert await lists.remove(tx, 2)
        assert not await lists.remove(tx, 2)
        assert await lists.having(tx, HER) == [one]


async def test_filters_and_markers_are_kept(store: Store) -> None:
    async with store.write() as tx:
        post = await _post(tx, "<p>hello</p>")
        new = Filter(1, "t", ("home",), "warn", NOW + timedelta(hours=1), (Keyword(2, "tea", True),))
        await filters.add(tx, new)
        await filters.put_post(tx, 1, FilteredPost(3, post.id))
        whole = replace(new, posts=(FilteredPost(3, post.id),))
        assert await filters.standing(tx, NOW) == await filters.everything(tx) == [whole]
        assert await filters.standing(tx, NOW + timedelta(hours=2)) == []
        assert await filters.of_keyword(tx, 2) == await filters.of_entry(tx, 3) == whole
        await notes.bury(tx, Tombstone(post.note.iri, HER, "Note", NOW, public=True))
        assert await filters.get(tx, 1) == new
        assert await filters.remove(tx, 1)
        assert (await markers.put(tx, {"home": 5}, NOW))["home"].version == 0
        assert (await markers.put(tx, {"home": 6}, NOW))["home"].version == 1
