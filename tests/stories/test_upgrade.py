"""A database that an earlier version filled: upgraded at start, with nothing lost, on both databases."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine, func, select

from keys import Identity
from node import doctor, keyring, passwords
from node.keyring import OwnKeys
from node.model import Draft, Verdict
from node.settings import Settings
from node.storage import profile
from node.storage.migrate import MIGRATIONS
from node.storage.schema import HEAD
from node.storage.store import Store
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.homes import LOOPBACK, Home, free_port, keys_of
from tests.support.older import DUMP, fill

BASE = "http://127.0.0.1:18231"
THEIRS = "http://127.0.0.1:18232"
PASSWORD = "correct horse battery"
TOKEN = "cxKdg0fUTGqxYmbniEkGoe7FWE2MTGL6J9dxvw6H0nc"
WRITTEN = datetime(2026, 11, 24, tzinfo=UTC)
"""After the last of it was written."""


@pytest.fixture
async def ada(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """Ada's node with the older database, not started yet."""
    clock = FakeClock()
    if clock() < WRITTEN:
        clock.forward(WRITTEN - clock())
    data = tmp_path / "ada"
    data.mkdir(mode=0o700)
    fill(data / "cuicui.db")
    own = database_url.startswith("postgresql")
    if own:
        await _carry_over(data / "cuicui.db", database_url)
        (data / "cuicui.db").unlink()
    settings = Settings.of(
        {
            "data": data,
            "base_url": BASE,
            "listen": f"127.0.0.1:{free_port()}",
            "allow_networks": LOOPBACK,
            "database_url": database_url if own else None,
        }
    )
    spare = keys_of("ada")
    seed = hashlib.sha256(b"a node of an earlier version").digest()
    keyring.save(settings.keys, OwnKeys(Identity.from_seed(seed), spare.transport, spare.server), None)
    home = _Here(settings, clock, "ada")
    try:
        yield home
    finally:
        await home.stop()


async def _carry_over(file: Path, url: str) -> None:
    """The same rows in a PostgreSQL that stands at the older schema."""
    store = Store(url)
    try:
        async with store.write() as tx:
            await tx.run_sync(_older_schema)
            await tx.run_sync(_copy, create_engine(f"sqlite:///{file}"))
    finally:
        await store.close()


def _older_schema(connection: Connection) -> None:
    script = ScriptDirectory(str(MIGRATIONS))

    def steps(current: tuple[str, ...], _context: MigrationContext) -> list[object]:
        return list(script._upgrade_revs("0002", current))  # type: ignore[arg-type]

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": script})
    with Operations.context(context):
        context.run_migrations()


def _copy(connection: Connection, origin: Engine) -> None:
    """Types as each database names them: a truth value is not a number everywhere."""
    here, there = MetaData(), MetaData()
    here.reflect(connection)
    there.reflect(origin)
    with origin.connect() as source:
        for table in here.sorted_tables:
            rows = [row._asdict() for row in source.execute(there.tables[table.name].select())]
            if table.name != "alembic_version" and rows:
                connection.execute(table.insert(), rows)
                if "id" in table.c and isinstance(rows[0]["id"], int):
                    counter = func.pg_get_serial_sequence(table.name, "id")
                    highest = max(row["id"] for row in rows)
                    if connection.execute(select(counter)).scalar_one() is not None:
                        connection.execute(select(func.setval(counter, highest)))
    origin.dispose()


async def test_the_upgrade_keeps_the_old_database(ada: Home) -> None:
    """A snapshot of the database as it was is made first, private, whole, and of the old schema."""
    await ada.start()
    kept = sorted(ada.settings.snapshots.glob("*")) if ada.settings.snapshots.exists() else []
    if not ada.node.store.is_sqlite:
        assert kept == []
        return
    (snapshot,) = kept
    assert snapshot.stat().st_mode & 0o077 == 0
    database = sqlite3.connect(snapshot)
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
        assert database.execute("SELECT count(*) FROM notes").fetchall() == [(9,)]
    finally:
        database.close()
    await ada.restart()
    assert sorted(ada.settings.snapshots.glob("*")) == kept, "a node that is up to date makes no snapshot"


async def test_everything_is_there_afterwards(ada: Home) -> None:
    """Posts, people, decisions, what is owed: not a row is missing, and the database is whole."""
    before = _counted()
    await ada.start()
    after = await ada.rows()
    begun = ("chores", "cursors", "absences")  # the node wakes up, and finds out that it was away
    same = {name: rows for name, rows in before.items() if name not in ("alembic_version", *begun)}
    assert {name: after[name] for name in same} == same
    assert await ada.node.store.version() == HEAD
    assert await ada.node.store.check() == []
    findings = {item.about: item.level for item in await doctor.look(ada.settings, None, ada.clock)}
    assert (findings["database"], findings["keys"]) == ("ok", "ok")


def _counted() -> dict[str, int]:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(DUMP.read_text(encoding="utf-8"))
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: int(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])
            for name in names
            if not name.startswith("sqlite_")
        }
    finally:
        database.close()


async def test_the_command_line_and_the_wire_read_it(ada: Home) -> None:
    """Timeline with verdicts, relations, blocks, mutes, revisions, pins, tombstones; and a post of then is answered."""
    await ada.start()
    owner, moderation = ada.node.owner, ada.node.moderation
    verdicts = {post.note.content: post.authorship.verdict for post in await owner.timeline(limit=80)}
    (vouched,) = [verdict for content, verdict in verdicts.items() if "vouched for" in content]
    assert vouched is Verdict.VOUCHED
    states = {relation.actor.rpartition("/")[2]: relation.state for relation in await owner.following()}
    assert states == {"carol": "accepted", "dave": "accepted", "eve": "pending"}
    assert [relation.actor for relation in await owner.followers()] == [f"{THEIRS}/users/carol"]
    assert {block.value for block in await moderation.blocked()} >= {f"{THEIRS}/users/mallory", "bad.example"}
    (mute,) = await moderation.muted()
    assert (mute.actor, mute.until) == (f"{THEIRS}/users/dave", None)
    mine = [post for post in await owner.timeline(limit=80) if post.own]
    (edited,) = [post for post in mine if "After the edit" in post.note.content]
    assert ["Before the edit" in one.content for one in await owner.history(edited.note.iri)][:1] == [True]
    assert all(post.authorship.verdict is Verdict.SIGNED for post in mine)
    anybody = Client(ada, None)
    public = next(post for post in mine if "Good morning" in post.note.content)
    served = await anybody.get(public.note.iri.removeprefix(BASE), headers={"Accept": "application/activity+json"})
    assert served.status == 200
    assert json.loads(served.body)["proof"]["cryptosuite"] == "eddsa-jcs-2022"
    answered = await owner.post(Draft("Still here", in_reply_to=public.note.iri))
    assert answered.post.note.in_reply_to == public.note.iri


async def test_apps_read_it(ada: Home) -> None:
    """A token of then works, hashtags of then are found, and what is new has its default."""
    await ada.start()
    client = Client(ada, TOKEN)
    me = (await client.get("/api/v1/accounts/verify_credentials")).json
    assert (me["username"], me["display_name"], me["bot"], me["discoverable"]) == ("ada", "Ada", False, True)
    assert me["followers_count"] == 1
    for tag, expected in (("tea", 1), ("café", 1), ("after", 1), ("before", 0)):
        found = (await client.get(f"/api/v1/timelines/tag/{tag}")).json
        assert len(found) == expected, tag
    pinned = (await client.get(f"/api/v1/accounts/{me['id']}/statuses?pinned=true")).json
    assert ["Good morning" in one["content"] for one in pinned] == [True]
    (first,) = pinned
    assert (first["favourites_count"], first["reblogs_count"]) == (1, 1)
    dave = (await client.get("/api/v1/accounts/lookup?acct=dave@127.0.0.1:18232")).json
    (relation,) = (await client.get(f"/api/v1/accounts/relationships?id[]={dave['id']}")).json
    assert (relation["following"], relation["showing_reblogs"], relation["notifying"]) == (True, True, False)
    assert (relation["muting"], relation["muting_notifications"]) == (True, True)
    home = (await client.get("/api/v1/timelines/home?limit=40")).json
    assert any("tea or coffee?" in one["content"] for one in home)
    written = await client.post("/api/v1/statuses", {"status": "From the newer node #tea"})
    assert written.status == 200, written.json
    assert len((await client.get("/api/v1/timelines/tag/tea")).json) == 2


async def test_the_password_is_the_same(ada: Home) -> None:
    """Who could log in before, can now."""
    await ada.start()
    async with ada.node.store.read() as tx:
        kept = await profile.password_hash(tx)
    assert kept is not None
    assert passwords.matches(PASSWORD, kept)


class _Here(Home):
    """The address of this node is part of what it wrote; it listens where there is room."""

    @property
    def base(self) -> str:
        return f"http://{self.settings.listen}"
