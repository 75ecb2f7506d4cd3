"""Hashtags and profile links in the store, on SQLite and on PostgreSQL alike; and what a migration fills in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, select

from node.ids import Snowflake
from node.model import Actor, Audience, Authorship, Iri, Note, Preferences, Profile, ProfileField, Verdict, Visibility
from node.storage import actors, notes, profile, tags, timelines
from node.storage.dialect import Tx
from node.storage.migrate import MIGRATIONS, migrate
from node.storage.schema import note_tags
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HER = Iri("https://remote.example/users/her")
flakes = Snowflake(7)


def _actor(*fields: ProfileField) -> Actor:
    return Actor(HER, "Person", "her", Iri(f"{HER}/inbox"), followers=Iri(f"{HER}/followers"), fields=fields)


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    async with empty_store.write() as tx:
        await actors.put(tx, _actor(), id=flakes.mint(NOW), at=NOW, document=b"{}")
        await profile.create(tx, Profile("ada", created_at=NOW), "https://ada.example", None)
    return empty_store


async def _add(tx: Tx, name: str, *hashtags: str) -> int:
    author = (await actors.briefs(tx, [HER]))[HER]
    note = Note(Iri(f"https://remote.example/notes/{name}"), HER, Audience(), name, published=NOW, hashtags=hashtags)
    new = notes.NewNote(
        id=flakes.mint(NOW),
        note=note,
        author_id=author.id,
        visibility=Visibility.PUBLIC,
        published=NOW,
        received_at=NOW,
        authorship=Authorship(Verdict.VOUCHED, "because"),
        activity=None,
    )
    await notes.add_many(tx, [new, replace(new, id=flakes.mint(NOW))])  # the second is known by then
    await notes.show_at_home(tx, [(new.id, author.id)])
    return new.id


async def _kept(store: Store) -> set[tuple[str, int]]:
    async with store.read() as tx:
        return {(row.tag, row.note_id) for row in await tx.execute(select(note_tags))}


async def test_hashtags_are_indexed_as_they_are_compared(store: Store) -> None:
    """One row for one hashtag of a stored post; an edit replaces them, and a deleted post has none."""
    async with store.write() as tx:
        one = await _add(tx, "one", "Café", "CAFÉ", "ｃａｆé", "wren")
        two = await _add(tx, "two")
    assert await _kept(store) == {("café", one), ("wren", one)}
    async with store.write() as tx:
        await tags.reindex(tx, two, ["Wren"])
    assert await _kept(store) == {("café", one), ("wren", one), ("wren", two)}
    async with store.write() as tx:
        gone = notes.Tombstone(Iri("https://remote.example/notes/one"), HER, "Note", NOW, True)
        assert await notes.bury(tx, gone)
    assert await _kept(store) == {("wren", two)}


async def test_what_leaves_home_with_a_hashtag(store: Store) -> None:
    """Only what no other followed hashtag brings, and no followed author."""
    async with store.write() as tx:
        for name in ("wren", "owl", "owl"):
            await tags.follow(tx, name, NOW)
        await _add(tx, "one", "wren")
        await _add(tx, "two", "wren", "owl")
        assert await tags.unfollow(tx, "wren")
        assert not await tags.unfollow(tx, "wren")
    async with store.read() as tx:
        assert [post.note.content for post in await timelines.home_posts(tx)] == ["two"]
        assert [one.name for one in await tags.followed(tx)] == ["owl"]
        found = await profile.get(tx)
        assert found is not None
        assert found[0].followed_tags == {"owl"}
        wanted = await timelines.tagged(tx, "#WREN", any_of=["x"], all_of=["owl"], none_of=["cat"])
        assert [post.note.content for post in wanted] == ["two"]


async def test_a_verified_link_is_kept_with_its_value(store: Store) -> None:
    """The first time that it was seen stays; a value that changed begins anew."""
    site, city = ProfileField("Site", "<a>x</a>"), ProfileField("City", "Lyon")
    later = NOW + timedelta(days=1)

    async def put(*fields: ProfileField) -> None:
        async with store.write() as tx:
            await actors.put(tx, _actor(*fields), id=flakes.mint(NOW), at=NOW, document=b"{}")

    async def shown() -> list[datetime | None]:
        async with store.read() as tx:
            known = await actors.get(tx, HER)
        assert known is not None
        return [field.verified_at for field in known.actor.fields]

    await put(site, city)
    for outcome, at in ((True, NOW), (True, later), (None, later)):
        async with store.write() as tx:
            await actors.verify_fields(tx, HER, {site.value: outcome}, at)
        assert await shown() == [NOW, None]
    await put(city, site)
    assert await shown() == [None, NOW]
    async with store.read() as tx:
        assert await actors.checked_at(tx, HER) == {city.value: None, site.value: later}
    await put(city, replace(site, value="<a>y</a>"))
    assert await shown() == [None, None]


async def test_a_profile_comes_back_as_it_was_saved(store: Store) -> None:
    """Everything that the owner can say of themselves."""
    ada = Profile(
        "ada",
        name="Ada",
        created_at=NOW,
        fields=(ProfileField("Site", "https://ada.example", NOW), ProfileField("City", "Lyon")),
        bot=True,
        discoverable=False,
        indexable=True,
        hides_collections=True,
        avatar="a.png",
        header="b.webp",
        preferences=Preferences(Visibility.UNLISTED, "fr", sensitive=True),
    )
    async with store.write() as tx:
        await profile.save(tx, ada)
        assert await profile.get(tx) == (ada, "https://ada.example")


def _up_to_0002(connection: Connection) -> None:
    """The database as an earlier version left it, with two posts in it."""
    script = ScriptDirectory(str(MIGRATIONS))
    steps = {"fn": lambda now, _context: list(script._upgrade_revs("0002", now)), "render_as_batch": True}
    context = MigrationContext.configure(connection, opts={**steps, "script": script})
    with Operations.context(context):
        context.run_migrations()
    kept = MetaData()
    kept.reflect(connection, only=["actors", "notes"])

    def row(table: str, **given: object) -> None:
        wanted = kept.tables[table]
        empty: dict[type, object] = {int: 0, str: "", bool: False, dict: [], object: []}
        values = {
            column.name: empty[column.type.python_type]
            for column in wanted.columns
            if not column.nullable and column.server_default is None
        }
        connection.execute(wanted.insert().values({**values, **given}))

    row("actors", id=1, iri=HER)
    row("notes", id=2, iri="https://remote.example/notes/2", author_id=1, hashtags=["Wren", "CAFÉ", "wren"])
    row("notes", id=3, iri="https://remote.example/notes/3", author_id=1)


async def test_posts_from_before_are_found_by_their_hashtags(database_url: str) -> None:
    """The migration fills the index from the posts that are here."""
    made = Store(database_url)
    try:
        async with made.write() as tx:
            await tx.run_sync(_up_to_0002)
        assert await migrate(made, snapshots=None, now=NOW) is not None
        assert await _kept(made) == {("wren", 2), ("café", 2)}
    finally:
        await made.close()
