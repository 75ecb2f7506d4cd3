"""What nobody here refers to goes, and all that somebody refers to stays: on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import func, insert, select, text

from node.ids import Snowflake
from node.model import Actor, ActorKey, Audience, Authorship, Iri, KeyKind, KeyState, Note, Trust, Verdict, Visibility
from node.model import ReactionKind as Kind
from node.storage import (
    activities,
    actors,
    arrivals,
    blocks,
    chores,
    notes,
    queue,
    reactions,
    referred,
    revisions,
    search,
    sweep,
    tags,
)
from node.storage.activities import Logged
from node.storage.blocks import Standing
from node.storage.dialect import Tx, ms
from node.storage.reactions import Reaction
from node.storage.schema import (
    bookmarks,
    conversations,
    featured,
    filter_statuses,
    filters,
    followers,
    follows,
    hosts,
    list_members,
    lists,
    metadata,
    notifications,
    profile,
    remarks,
    reports,
    scheduled,
    tombstones,
    votes,
)
from node.storage.schema import keys as key_rows
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=400)
ME = Iri("https://alice.example/actor")
FRIEND, STRANGER, OTHER = (Iri(f"https://remote.example/users/{name}") for name in ("friend", "stranger", "other"))
AUTHOR = Iri("https://remote.example/users/author")
flakes = Snowflake(7)


def post_of(name: str) -> Iri:
    return Iri(f"https://remote.example/notes/{name}")


POST = post_of("it")


async def meet(tx: Tx, iri: Iri, at: datetime = OLD) -> None:
    who = Actor(iri, "Person", iri.rpartition("/")[2], Iri(f"{iri}/inbox"), icon=f"{iri}/face.png")
    await actors.put(tx, who, id=flakes.mint(at), at=at, document=b"{}")


async def write(
    tx: Tx,
    iri: Iri = POST,
    by: Iri = AUTHOR,
    *,
    answers: Iri | None = None,
    quotes: Iri | None = None,
    for_owner: bool = False,
    at: datetime = OLD,
    visibility: Visibility = Visibility.PUBLIC,
) -> int:
    """A note, with the activity that carried it. Its number."""
    author = (await actors.ids_of(tx, [by]))[by]
    note = Note(
        iri, by, Audience((ME,) if for_owner else ()), f"<p>{iri}</p>", at, in_reply_to=answers, quote=quotes,
        hashtags=("wren",),
    )  # fmt: skip
    because = Authorship(Verdict.VOUCHED, "because")
    carried = Iri(f"{iri}/activity")
    new = notes.NewNote(
        flakes.mint(at), note, author, visibility, at, at, because, carried, own=by == ME, for_owner=for_owner
    )
    direction = "out" if by == ME else "in"
    await activities.record_many(tx, [Logged(carried, direction, by, "Create", iri, at, b"{}")])  # type: ignore[arg-type]
    await notes.add_many(tx, [new])
    return new.id


async def follow(tx: Tx, iri: Iri, state: str = "accepted") -> None:
    await tx.execute(insert(follows).values(actor=iri, activity=f"{iri}#follow", state=state, since=ms(OLD)))


async def react(tx: Tx, by: Iri, kind: Kind, note: Iri = POST) -> None:
    iri = Iri(f"{by}/reactions/{kind.value}")
    await reactions.add_many(tx, [Reaction(flakes.mint(OLD), note, by, kind, "", iri, OLD)])


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    """The owner, a friend, and strangers who were met long ago."""
    async with empty_store.write() as tx:
        for iri in (ME, FRIEND, STRANGER, OTHER, AUTHOR):
            await meet(tx, iri)
        await follow(tx, FRIEND)
    return empty_store


async def swept(store: Store, *, days: int = 30) -> dict[str, int]:
    """As the node does it, without its pauses; how many of each kind went."""
    gone: dict[str, int] = {}
    async with store.read() as tx:
        terms = await sweep.terms(tx, ME, NOW, NOW - timedelta(days=days))
    for broom in sweep.BROOMS:
        gone[broom.name] = 0
        after = broom.start
        while True:
            async with store.write() as tx:
                keys = await sweep.stretch(tx, broom, after)
                found = await broom.find(tx, keys, terms)
                await broom.remove(tx, found, terms)
            gone[broom.name] += len(found)
            if len(keys) < sweep.STRETCH:
                break
            after = keys[-1]
    async with store.write() as tx:
        await sweep.tidy(tx, terms)
    return gone


async def here(store: Store, iri: Iri = POST) -> bool:
    async with store.read() as tx:
        return iri in await reactions.targets(tx, [iri])


# ── posts ────────────────────────────────────────────────────────────────────────────────────

Refer = Callable[[Tx], Awaitable[object]]


async def _by_friend(tx: Tx) -> None:
    await write(tx, by=FRIEND)


async def _asked_to_follow(tx: Tx) -> None:
    await follow(tx, AUTHOR, "pending")
    await write(tx)


async def _in_a_list(tx: Tx) -> None:
    await write(tx)
    await tx.execute(insert(lists).values(id=1, title="x", replies_policy="list", exclusive=False))
    await tx.execute(insert(list_members).values(list_id=1, actor=AUTHOR))


def _reacted(by: Iri, kind: Kind) -> Refer:
    async def refer(tx: Tx) -> None:
        await write(tx)
        await react(tx, by, kind)

    return refer


async def _bookmarked(tx: Tx) -> None:
    await tx.execute(insert(bookmarks).values(id=1, note_id=await write(tx)))


async def _filtered(tx: Tx) -> None:
    await tx.execute(insert(filters).values(id=1, title="x", contexts=[], action="warn"))
    await tx.execute(insert(filter_statuses).values(id=1, filter_id=1, note_id=await write(tx)))


def _voted(by: Iri) -> Refer:
    async def refer(tx: Tx) -> None:
        await write(tx)
        await tx.execute(insert(votes).values(question=POST, actor=by, choice=0, at=ms(OLD)))

    return refer


async def _notified(tx: Tx) -> None:
    number = await write(tx)
    await tx.execute(insert(notifications).values(id=1, kind="poll", actor=AUTHOR, note_id=number, at=ms(OLD)))


def _said_to_owner(standing: Standing | None, visibility: Visibility = Visibility.PUBLIC) -> Refer:
    async def refer(tx: Tx) -> None:
        number = await write(tx, for_owner=True, visibility=visibility)
        await tx.execute(insert(notifications).values(id=1, kind="mention", actor=AUTHOR, note_id=number, at=ms(OLD)))
        if standing is not None:
            await blocks.stand(tx, [AUTHOR], standing, OLD)

    return refer


def _pinned(*, follower: bool) -> Refer:
    async def refer(tx: Tx) -> None:
        await write(tx)
        await tx.execute(insert(featured).values(actor=AUTHOR, note=POST, position=1))
        if follower:
            row = {"actor": AUTHOR, "activity": f"{AUTHOR}#f", "state": "accepted", "since": ms(OLD)}
            await tx.execute(insert(followers).values(**row))

    return refer


def _answered(by: Iri) -> Refer:
    async def refer(tx: Tx) -> None:
        await write(tx)
        await write(tx, post_of("answer"), by, answers=POST)

    return refer


def _quoted(by: Iri) -> Refer:
    async def refer(tx: Tx) -> None:
        await write(tx)
        await write(tx, post_of("quoting"), by, quotes=POST)

    return refer


async def _far_above(tx: Tx) -> None:
    await write(tx)
    await write(tx, post_of("between"), OTHER, answers=POST)
    await write(tx, post_of("mine"), ME, answers=post_of("between"))


async def _far_below(tx: Tx) -> None:
    await write(tx, post_of("mine"), ME)
    await write(tx, post_of("between"), OTHER, answers=post_of("mine"))
    await write(tx, answers=post_of("between"))


async def _on_another_branch(tx: Tx) -> None:
    """Of a thread that a stranger began, where the owner said something as well."""
    await write(tx, post_of("top"), OTHER)
    await write(tx, post_of("mine"), ME, answers=post_of("top"))
    await write(tx, answers=post_of("top"))


async def _beside_under_something_absent(tx: Tx) -> None:
    await write(tx, post_of("mine"), ME, answers=post_of("nowhere"))
    await write(tx, answers=post_of("nowhere"))


async def _in_a_thread_of_strangers(tx: Tx) -> None:
    await write(tx, post_of("top"), OTHER)
    await write(tx, answers=post_of("top"))
    await write(tx, post_of("mine"), ME)


async def _in_a_ring(tx: Tx) -> None:
    """Two that say they answer each other: no thread begins anywhere."""
    await write(tx, answers=post_of("other"))
    await write(tx, post_of("other"), OTHER, answers=POST)


async def _reported(tx: Tx) -> None:
    await write(tx)
    await tx.execute(insert(reports).values(actor=ME, about=[AUTHOR, POST], comment="", at=ms(OLD)))


def _scheduled(name: str) -> Refer:
    async def refer(tx: Tx) -> None:
        number = await write(tx)
        params = {"in_reply_to": None, "quote": None, name: POST if name == "quote" else str(number)}
        await tx.execute(insert(scheduled).values(id=1, at=ms(NOW), params=params))

    return refer


async def _not_old_yet(tx: Tx) -> None:
    await write(tx, at=NOW - timedelta(days=29))


async def _a_conversation_that_is_over(tx: Tx) -> None:
    """Its people are nobody the owner knows any more."""
    number = await write(tx, visibility=Visibility.DIRECT, for_owner=True)
    await blocks.stand(tx, [AUTHOR], Standing.IGNORED, OLD)
    row = {"id": 1, "root": POST, "last_note_id": number, "people": [AUTHOR], "unread": False}
    await tx.execute(insert(conversations).values(**row))


async def _looked_into(tx: Tx) -> None:
    await write(tx)
    await chores.note_down(tx, chores.THREAD, POST, NOW, {})


async def _at_home(tx: Tx) -> None:
    """By a followed hashtag: whoever writes it brings it, so it is nobody's choice that this one stays."""
    author = (await actors.ids_of(tx, [AUTHOR]))[AUTHOR]
    await tags.follow(tx, "wren", OLD)
    await notes.show_at_home(tx, [(await write(tx), author)])


STAYS: dict[str, Refer] = {
    "by somebody followed": _by_friend,
    "by somebody whom the owner asked to follow": _asked_to_follow,
    "by somebody in a list": _in_a_list,
    "liked by the owner": _reacted(ME, Kind.LIKE),
    "boosted by the owner": _reacted(ME, Kind.BOOST),
    "boosted by somebody followed": _reacted(FRIEND, Kind.BOOST),
    "bookmarked": _bookmarked,
    "filtered": _filtered,
    "voted in by the owner": _voted(ME),
    "told of": _notified,
    "said to the owner by somebody let in": _said_to_owner(Standing.ALLOWED),
    "in a private conversation": _said_to_owner(Standing.ALLOWED, Visibility.DIRECT),
    "said to the owner by somebody who waits": _said_to_owner(None),
    "pinned by a follower": _pinned(follower=True),
    "answered by the owner": _answered(ME),
    "answered by somebody followed": _answered(FRIEND),
    "quoted by the owner": _quoted(ME),
    "quoted by somebody followed": _quoted(FRIEND),
    "far above the owner's word": _far_above,
    "far below the owner's word": _far_below,
    "in the owner's thread, on another branch": _on_another_branch,
    "beside the owner's word, under something absent": _beside_under_something_absent,
    "reported by the owner": _reported,
    "to be answered by what is scheduled": _scheduled("in_reply_to"),
    "to be quoted by what is scheduled": _scheduled("quote"),
    "not old yet": _not_old_yet,
}

GOES: dict[str, Refer] = {
    "alone": write,
    "liked by a stranger": _reacted(STRANGER, Kind.LIKE),
    "boosted by a stranger": _reacted(STRANGER, Kind.BOOST),
    "voted in by a stranger": _voted(STRANGER),
    "said to the owner by somebody ignored": _said_to_owner(Standing.IGNORED),
    "pinned by a stranger": _pinned(follower=False),
    "answered by a stranger": _answered(STRANGER),
    "quoted by a stranger": _quoted(STRANGER),
    "in a thread of strangers": _in_a_thread_of_strangers,
    "in a ring": _in_a_ring,
    "at home by its hashtag": _at_home,
    "in a conversation that is over": _a_conversation_that_is_over,
    "looked into": _looked_into,
}


@pytest.mark.parametrize("why", STAYS)
async def test_what_is_referred_to_stays(store: Store, why: str) -> None:
    """security.md §10: a TTL for "remote objects nobody here refers to", and for no others."""
    async with store.write() as tx:
        await STAYS[why](tx)
    await swept(store)
    assert await here(store)
    async with store.read() as tx:
        assert await activities.get(tx, Iri(f"{POST}/activity")), "its evidence stays with it"


@pytest.mark.parametrize("why", GOES)
async def test_what_nobody_refers_to_goes(store: Store, why: str) -> None:
    """What strangers do with it is no reason to keep it. It leaves nothing behind, not even in the search index."""
    async with store.write() as tx:
        await GOES[why](tx)
        await tx.execute(insert(remarks).values(actor=AUTHOR, comment="its author stays"))
        while await search.index(tx):
            pass
    await swept(store)
    assert not await here(store)
    async with store.read() as tx:
        assert await activities.get(tx, Iri(f"{POST}/activity")) is None
        for table in metadata.sorted_tables:
            for column in table.columns:
                if column.name in ("note", "question", "subject", "root"):
                    left = select(func.count()).select_from(table).where(column == str(POST))
                    assert (await tx.execute(left)).scalar_one() == 0, column
        if store.is_sqlite:
            words = text("SELECT count(*) FROM note_words WHERE rowid NOT IN (SELECT id FROM notes)")
            assert (await tx.execute(words)).scalar_one() == 0


async def test_a_flood_to_the_owner_keeps_its_own_place_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What strangers say waits for the owner however long: so much of it by each, and by each server."""
    monkeypatch.setattr(sweep, "OF_ONE_STRANGER", 3)
    monkeypatch.setattr(sweep, "OF_ONE_HOST", 5)
    elsewhere = Iri("https://elsewhere.example/users/quiet")
    async with store.write() as tx:
        await meet(tx, elsewhere)
        await write(tx, mine := post_of("mine"), ME)
        await write(tx, post_of("first of all"), elsewhere, for_owner=True, at=OLD - timedelta(days=1))
        for number in range(10):
            await write(tx, post_of(f"stranger {number}"), STRANGER, for_owner=True)
            await write(tx, post_of(f"other {number}"), OTHER, answers=mine, for_owner=True)
    assert (await swept(store))["posts"] == 15
    async with store.read() as tx:
        left = set((await tx.execute(select(notes.notes.c.iri))).scalars())
    newest = {f"{who} {number}" for who in ("stranger", "other") for number in (7, 8, 9)} - {"stranger 7"}
    assert left == {post_of(name) for name in {"mine", "first of all", *newest}}


async def test_the_owner_speaks_while_a_sweep_goes_on(store: Store) -> None:
    """What was free to go when it was looked at, and was answered before it went, stays with all its thread."""
    posts = sweep.BROOMS[0]
    async with store.write() as tx:
        numbers = [await write(tx), await write(tx, post_of("below"), OTHER, answers=POST)]
    async with store.read() as tx:
        terms = await sweep.terms(tx, ME, NOW, NOW)
        assert await posts.find(tx, numbers, terms) == numbers
    async with store.write() as tx:
        await write(tx, post_of("mine"), ME, answers=post_of("below"), at=NOW)
    async with store.write() as tx:
        assert await posts.find(tx, numbers, terms) == []


async def test_threads_are_as_long_as_they_are(store: Store) -> None:
    """More than one stretch of posts, each answering the one before: all of it goes, or all of it stays."""
    many = sweep.STRETCH // 5
    async with store.write() as tx:
        for thread in ("strangers", "owners"):
            await write(tx, post_of(f"{thread} 0"), OTHER)
            for number in range(1, many):
                await write(tx, post_of(f"{thread} {number}"), OTHER, answers=post_of(f"{thread} {number - 1}"))
        await write(tx, post_of("mine"), ME, answers=post_of(f"owners {many - 1}"))
    assert (await swept(store))["posts"] == many


async def test_the_owner_is_found_in_threads_without_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a thread begins is looked for so far up, and no farther: the owner's word on the way is enough."""
    monkeypatch.setattr(referred, "ANCESTORS", 3)
    async with store.write() as tx:
        await write(tx, post_of("0"), OTHER)
        for number in range(1, 10):
            await write(tx, post_of(str(number)), ME if number == 5 else OTHER, answers=post_of(str(number - 1)))
        await write(tx, answers=post_of("7"))
    await swept(store)
    assert await here(store)
    assert not await here(store, post_of("9")), "the owner spoke too far above"


async def test_what_the_owner_sent_stays_in_the_log(store: Store) -> None:
    """A like that was taken back keeps no post; that it was sent is known."""
    sent = Logged(Iri(f"{ME}/like"), "out", ME, "Like", POST, OLD, b"{}")
    async with store.write() as tx:
        await write(tx)
        await activities.record_many(tx, [sent])
    await swept(store)
    assert not await here(store)
    async with store.read() as tx:
        assert await activities.get(tx, sent.iri)


async def test_what_goes_soon_may_come_again_soon(store: Store) -> None:
    """The log is kept for a month at least, but for what is about a post that went before: it was not seen then."""
    async with store.write() as tx:
        await write(tx, at=NOW - timedelta(days=8))
    await swept(store, days=7)
    async with store.read() as tx:
        assert await activities.senders(tx, [Iri(f"{POST}/activity")]) == {}


async def test_what_the_blocked_said_waits_for_nobody(store: Store) -> None:
    """It is shown nowhere, so it takes no place among what waits."""
    async with store.write() as tx:
        await write(tx, for_owner=True)
        await tx.execute(insert(blocks.blocks).values(kind="hidden", value=AUTHOR, at=1, comment=""))
    await swept(store)
    assert not await here(store)


# ── the log ──────────────────────────────────────────────────────────────────────────────────


async def test_the_log_keeps_what_is_evidence(store: Store) -> None:
    """decisions.md §8: evidence is kept, of earlier versions too; the guard against replays as long as it guards."""

    def logged(name: str, type_: str, object_: Iri, actor: Iri = STRANGER, at: datetime = OLD) -> Logged:
        return Logged(Iri(f"https://remote.example/a/{name}"), "in", actor, type_, object_, at, b"{}")

    edit = logged("edit", "Update", POST, FRIEND)
    stay = [edit, logged("follow", "Follow", ME, OTHER), logged("lately", "Like", POST, at=NOW - timedelta(days=20))]
    waiting, passed_on = logged("waiting", "Announce", POST), logged("passed-on", "Create", post_of("other"))
    go = [logged("like", "Like", POST), logged("undone", "Undone", ME), logged("unfollowed", "Follow", ME)]
    async with store.write() as tx:
        await write(tx, by=FRIEND)
        await activities.record_many(tx, [*stay, waiting, passed_on, *go])
        await queue.put(tx, passed_on.iri, ME, b"{}", [Iri("https://far.example/inbox")], NOW)
        row = {"actor": OTHER, "activity": f"{OTHER}#f", "state": "accepted", "since": ms(OLD)}
        await tx.execute(insert(followers).values(**row))
        post = await notes.get(tx, POST)
        assert post is not None
        await revisions.keep(tx, post.id)
        await notes.edit(tx, post.id, post.note, post.authorship, activity=edit.iri)
        await arrivals.put(
            tx, activity=waiting.iri, actor=STRANGER, body=b"{}", headers=(), key_id=ME, received_at=OLD, next_at=NOW
        )
        answer = Logged(Iri(f"{ME}/accept"), "out", ME, "Accept", ME, OLD, b"{}")
        own = Logged(Iri(f"{ME}/like"), "out", ME, "Like", POST, OLD, b"{}")
        await activities.record_many(tx, [answer, own])
    assert (await swept(store))["log"] == len(go) + 1, "and what they were answered with"
    async with store.read() as tx:
        assert all([await activities.get(tx, one.iri) for one in (*stay, waiting, passed_on, own)])
        assert await activities.get(tx, Iri(f"{POST}/activity")), "of the version before"
    assert (await swept(store, days=1))["log"] == 0, "what came lately guards against replays, whatever is set"


# ── people, servers, the rest ────────────────────────────────────────────────────────────────


async def _with(tx: Tx, table: str, **values: object) -> None:
    await tx.execute(insert(metadata.tables[table]).values(**values))


SOMEBODY = {"actor": AUTHOR}
PEOPLE: dict[str, tuple[bool, list[tuple[str, dict[str, object]]]]] = {
    "of whom nothing is here": (False, []),
    "who is blocked with a domain": (False, [("blocks", {"kind": "hidden", "value": AUTHOR, "at": 1, "comment": ""})]),
    "who is followed": (True, [("follows", {**SOMEBODY, "activity": "x", "state": "rejected", "since": 1})]),
    "who follows": (True, [("followers", {**SOMEBODY, "activity": "x", "state": "pending", "since": 1})]),
    "who is muted": (True, [("mutes", {**SOMEBODY, "at": 1})]),
    "who is blocked": (True, [("blocks", {"kind": "account", "value": AUTHOR, "at": 1, "comment": ""})]),
    "who was let in": (True, [("standings", {**SOMEBODY, "standing": "allowed", "at": 1})]),
    "who is ignored": (True, [("standings", {**SOMEBODY, "standing": "ignored", "at": 1})]),
    "who was remarked upon": (True, [("remarks", {**SOMEBODY, "comment": "x"})]),
    "who is told of": (True, [("notifications", {**SOMEBODY, "id": 1, "kind": "follow", "at": 1})]),
    "who reported": (True, [("reports", {**SOMEBODY, "about": [], "comment": "", "at": 1})]),
    "who reacted": (
        True,
        [("reactions", {**SOMEBODY, "id": 1, "note": "x", "kind": "like", "content": "", "activity": "x", "at": 1})],
    ),
    "who voted": (True, [("votes", {**SOMEBODY, "question": "x", "choice": 0, "at": 1})]),
    "who may quote": (True, [("quote_grants", {**SOMEBODY, "stamp": "x", "note": "y", "quoting": "z", "at": 1})]),
    "who was asked, followed or reported once": (
        True,
        [("activities", {"iri": "x", "direction": "out", "actor": ME, "type": "Undo", "object": AUTHOR, "at": 1,
                         "body": b""})],
    ),
    "who took part in a conversation": (
        True,
        [("conversations", {"id": 1, "root": "x", "last_note_id": 1, "people": [AUTHOR], "unread": False})],
    ),
}  # fmt: skip


@pytest.mark.parametrize("who", PEOPLE)
async def test_people_go_when_nothing_is_left_of_them(store: Store, who: str) -> None:
    """One case for each table that may name somebody."""
    stays, rows = PEOPLE[who]
    async with store.write() as tx:
        for table, values in rows:
            await _with(tx, table, **values)
    await swept(store)
    async with store.read() as tx:
        assert (await actors.get(tx, AUTHOR) is not None) == stays
        assert await actors.get(tx, ME)
        assert await actors.get(tx, FRIEND)
        assert await actors.get(tx, STRANGER) is None
        assert (await tx.execute(select(blocks.blocks.c.value).where(blocks.blocks.c.kind == "hidden"))).all() == []


async def test_who_was_looked_at_lately_stays(store: Store) -> None:
    """A profile that the owner opens is there tomorrow, however long ago it was met."""
    async with store.write() as tx:
        await meet(tx, AUTHOR, NOW - timedelta(days=3))
    assert (await swept(store))["people"] == 2
    async with store.read() as tx:
        assert await actors.get(tx, AUTHOR)


async def test_who_brought_something_home_stays(store: Store) -> None:
    """As long as it stands there with their name beside it."""
    async with store.write() as tx:
        stranger = (await actors.ids_of(tx, [STRANGER]))[STRANGER]
        await reactions.show(tx, [(flakes.mint(OLD), await write(tx, by=FRIEND), stranger)])
    await swept(store)
    async with store.read() as tx:
        assert await actors.get(tx, STRANGER)


async def test_whom_the_owner_speaks_to_stays(store: Store) -> None:
    """A post can be edited and deleted where it was sent to, whenever that is; who moved leads to where they went."""
    async with store.write() as tx:
        mine = Note(post_of("mine"), ME, Audience((AUTHOR,)), "<p>you</p>", OLD)
        own = (await actors.ids_of(tx, [ME]))[ME]
        because = Authorship(Verdict.SIGNED, "own")
        new = notes.NewNote(flakes.mint(OLD), mine, own, Visibility.DIRECT, OLD, OLD, because, None, own=True)
        await notes.add_many(tx, [new])
        await actors.mark_moved(tx, FRIEND, OTHER)
        before = {"handle": "a", "base_url": "x", "name": "", "summary": "", "approves_followers": False}
        await tx.execute(insert(profile).values(id=1, created_at=1, also_known_as=[STRANGER], **before))
    assert (await swept(store))["people"] == 0
    async with store.read() as tx:
        assert await actors.get(tx, AUTHOR)
        assert await actors.get(tx, OTHER)
        assert await actors.get(tx, STRANGER), "the owner's former account"


def _key(owner: Iri) -> ActorKey:
    return ActorKey(Iri(f"{owner}#main-key"), owner, KeyKind.RSA, f"pem of {owner}")


async def _pin(tx: Tx, owner: Iri, trust: Trust = Trust.FIRST_USE) -> None:
    await actors.add_key(tx, _key(owner), since=OLD, trust=trust, state=KeyState.PINNED)


async def _pinned_of(store: Store) -> set[str]:
    async with store.read() as tx:
        return set((await tx.execute(select(key_rows.c.owner))).scalars())


async def test_keys_outlive_their_accounts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """key-history.md §7: a pin is not forgotten; when there is no room for more, it is the newcomers' that go."""
    async with store.write() as tx:
        for owner in (FRIEND, STRANGER, OTHER):
            await _pin(tx, owner)
        await _pin(tx, AUTHOR, Trust.COMPARED)
    assert (await swept(store))["people"] == 2
    assert await _pinned_of(store) == {FRIEND, STRANGER, OTHER, AUTHOR}
    async with store.read() as tx:
        assert await actors.get(tx, AUTHOR), "whose key the owner compared"
        assert await actors.keys_by_id(tx, _key(STRANGER).id) == (), "it counts when its account is here"
    monkeypatch.setattr(sweep, "MOST_PINS", 3)
    flood = [Iri(f"https://flood.example/users/{number}") for number in range(5)]
    async with store.write() as tx:
        for owner in flood:
            await meet(tx, owner)
            await _pin(tx, owner)
    assert (await swept(store))["people"] == 5
    assert await _pinned_of(store) == {FRIEND, STRANGER, OTHER, AUTHOR, flood[0]}
    async with store.write() as tx:
        await meet(tx, STRANGER, NOW)
    async with store.read() as tx:
        assert len((await tx.execute(select(key_rows).where(key_rows.c.owner == STRANGER))).all()) == 1


async def test_servers_are_forgotten_with_the_last_who_lives_there(store: Store) -> None:
    """security.md §5: "TTL on every remote-keyed row"."""
    known: dict[str, dict[str, object]] = {
        "https://gone.example": {},
        "https://remote.example": {},
        "https://learnt.example": {"learned_at": ms(NOW)},
        "https://failing.example": {"failing_since": ms(NOW)},
        "https://waiting.example": {"next_at": ms(NOW) + 1},
        "https://owed.example": {},
    }
    row = {"failures": 0, "dormant": False, "how": "spoke", "learned_at": ms(OLD), "failing_since": None}
    async with store.write() as tx:
        for origin, values in known.items():
            await tx.execute(insert(hosts).values(**{"origin": origin, "next_at": None, **row, **values}))
        owed = Logged(Iri(f"{ME}/1"), "out", ME, "Create", ME, OLD, b"{}")
        await activities.record_many(tx, [owed])
        await queue.put(tx, owed.iri, ME, b"{}", [Iri("https://owed.example/inbox")], NOW)
    assert (await swept(store))["hosts"] == 1
    async with store.read() as tx:
        assert set((await tx.execute(select(hosts.c.origin))).scalars()) == {*known} - {"https://gone.example"}


async def test_tombstones_last_a_quarter(store: Store) -> None:
    """The owner's for good, and those of people the owner knows: what they deleted stays deleted."""
    authors = {ME: OLD, FRIEND: OLD, AUTHOR: OLD, STRANGER: OLD, OTHER: NOW - timedelta(days=80)}
    async with store.write() as tx:
        await blocks.stand(tx, [AUTHOR], Standing.ALLOWED, OLD)
        for author, at in authors.items():
            row = {"iri": f"{author}/x", "author": author, "former_type": "Note", "deleted_at": ms(at), "public": True}
            await tx.execute(insert(tombstones).values(**row))
    assert (await swept(store))["tombstones"] == 1
    async with store.read() as tx:
        left = set((await tx.execute(select(tombstones.c.author))).scalars())
    assert left == {ME, FRIEND, AUTHOR, OTHER}


async def test_what_was_given_up_and_told_long_ago_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parked activities after a month or when there are too many, as notifications do; the newest stay."""
    monkeypatch.setattr(sweep, "MOST_NOTIFICATIONS", 2)
    monkeypatch.setattr(sweep, "MOST_PARKED", 2)
    async with store.write() as tx:
        for number, at in enumerate((OLD, NOW, NOW, NOW)):
            await arrivals.put(
                tx,
                activity=Iri(f"https://remote.example/a/{number}"),
                actor=STRANGER,
                body=b"{}",
                headers=(),
                key_id=ME,
                received_at=at,
                next_at=at,
            )
        for one in await arrivals.due(tx, NOW):
            await arrivals.postpone(tx, one.id, None, "in vain")
        for number in range(4):
            await tx.execute(insert(notifications).values(id=number + 1, kind="follow", actor=STRANGER, at=1))
    await swept(store)
    async with store.read() as tx:
        assert await arrivals.waiting(tx) == (0, 2)
        assert set((await tx.execute(select(notifications.c.id))).scalars()) == {3, 4}
