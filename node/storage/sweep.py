"""What others sent and nobody here refers to any more: found in stretches, removed in batches (security.md §10).

Each kind of row has a Broom: `find` says which of these rows may go, `remove` takes them away. A sweep
asks `find` twice: for a stretch of a table while anybody may write, and again in the transaction that
removes. So what is liked, answered or followed in between stays. No table needs an index for it: each is
walked by its primary key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Table, and_, delete, exists, func, or_, select

from node.model import Iri, Visibility, host_of
from node.notify import Kind
from node.storage import blocks, referred
from node.storage.dialect import Tx, ms
from node.storage.referred import OwnersThreads
from node.storage.schema import (
    activities,
    actors,
    arrivals,
    chores,
    conversations,
    cursors,
    featured,
    followers,
    follows,
    home,
    hosts,
    keys,
    list_members,
    mutes,
    notes,
    notifications,
    profile,
    queue,
    quote_grants,
    reactions,
    remarks,
    reports,
    revisions,
    scheduled,
    standings,
    tombstones,
    votes,
)
from node.storage.schema import blocks as blocked

STRETCH = 500
"""Rows that are looked at together."""

OF_ONE_STRANGER, OF_ONE_HOST, OF_ALL = 20, 1_000, 5_000
"""Posts said to the owner by strangers about whom nothing is decided: so many of the newest stay, however old."""

MOST_PINS = 50_000
"""Accounts that are forgotten and whose keys are remembered; the keys of others go with them."""

MOST_NOTIFICATIONS = 20_000
"""Notifications that are kept of what people did whom the owner knows, and as many of what others did; the oldest go.
What a stranger said has its place in the request box as long as the post is here."""

LOG_AT_LEAST = timedelta(days=30)
"""How long an activity is in the log that is evidence for nothing: the guard against replays outlives their window."""

MOST_PARKED = 1_000
"""Activities that were given up and are kept to be looked at; the oldest go."""

TOMBSTONES_AT_LEAST = timedelta(days=90)
"""How long others' deleted posts are remembered as such."""


@dataclass(frozen=True, slots=True)
class Spared:
    """References that are in no column which could be asked: collected once for each sweep."""

    posts: frozenset[str]
    """Reported, or to be answered or quoted by what is scheduled: ids, addresses or numbers."""
    waiting: frozenset[int]
    """The newest of what strangers said to the owner, who has not decided about them."""
    people: frozenset[str]
    """Whom the owner's posts are addressed to or mention, who took part in conversations, where somebody moved to;
    and the owner's own other accounts."""


@dataclass(slots=True)
class Terms:
    """What a sweep goes by. `before`: older than this may go. `pins`: accounts whose keys are all that is left."""

    me: Iri
    now: datetime
    before: datetime
    spared: Spared
    pins: int = 0
    threads: OwnersThreads = field(default_factory=OwnersThreads)

    @property
    def log_before(self) -> datetime:
        return min(self.before, self.now - LOG_AT_LEAST)

    @property
    def tombstones_before(self) -> datetime:
        return min(self.before, self.now - TOMBSTONES_AT_LEAST)


Key: TypeAlias = Any
"""The value of a primary key of one column: a number or an address."""


@dataclass(frozen=True, slots=True)
class Broom:
    """How one kind of row is swept. `remove` returns the addresses of pictures that nobody shows any more."""

    name: str
    key: Column[Any]
    start: Key
    find: Callable[[Tx, Sequence[Key], Terms], Awaitable[list[Key]]]
    remove: Callable[[Tx, Sequence[Key], Terms], Awaitable[list[str]]]


async def stretch(tx: Tx, broom: Broom, after: Key) -> list[Key]:
    """The next rows in the order of their keys; fewer than STRETCH: it is the end of the table."""
    query = select(broom.key).where(broom.key > after).order_by(broom.key).limit(STRETCH)
    return list((await tx.execute(query)).scalars())


async def terms(tx: Tx, me: Iri, now: datetime, before: datetime) -> Terms:
    """Made at the beginning of each sweep."""
    forgotten = select(keys.c.owner).distinct().where(~exists().where(actors.c.iri == keys.c.owner)).subquery()
    pins = int((await tx.execute(select(func.count()).select_from(forgotten))).scalar_one())
    return Terms(me, now, before, Spared(await _named(tx), await _waiting(tx), await _people(tx)), pins)


async def _named(tx: Tx) -> frozenset[str]:
    found: set[str] = set()
    for about in (await tx.execute(select(reports.c.about))).scalars():
        found.update(about)
    for params in (await tx.execute(select(scheduled.c.params))).scalars():
        found.update(str(params[name]) for name in ("in_reply_to", "quote") if params.get(name))
    return frozenset(found)


async def _waiting(tx: Tx) -> frozenset[int]:
    """So that a flood, however long, costs its own place, and not that of others who wait."""
    newest = notes.c.id.desc()
    of_each = (
        select(notes.c.id, actors.c.host, func.row_number().over(partition_by=actors.c.id, order_by=newest).label("th"))
        .join(actors, actors.c.id == notes.c.author_id)
        .where(notes.c.for_owner, ~notes.c.own, blocks.waits(actors.c.iri), ~blocks.is_hidden(actors.c.iri))
        .subquery()
    )
    place = func.row_number().over(partition_by=of_each.c.host, order_by=of_each.c.id.desc()).label("th")
    of_host = select(of_each.c.id, place).where(of_each.c.th <= OF_ONE_STRANGER).subquery()
    query = select(of_host.c.id).where(of_host.c.th <= OF_ONE_HOST).order_by(of_host.c.id.desc()).limit(OF_ALL)
    return frozenset((await tx.execute(query)).scalars())


async def _people(tx: Tx) -> frozenset[str]:
    found: set[str] = set()
    for row in await tx.execute(select(notes.c.audience, notes.c.mentions).where(notes.c.own)):
        found.update(*row.audience, (href for href, _ in row.mentions))
    for people in (await tx.execute(select(conversations.c.people))).scalars():
        found.update(people)
    for mine in await tx.execute(select(profile.c.also_known_as, profile.c.moved_to)):
        found.update(mine.also_known_as, [mine.moved_to] if mine.moved_to else ())
    found.update((await tx.execute(select(actors.c.moved_to).where(actors.c.moved_to.is_not(None)))).scalars())
    return frozenset(found)


# ── posts ────────────────────────────────────────────────────────────────────────────────────


async def _unneeded_posts(tx: Tx, numbers: Sequence[int], terms: Terms) -> list[int]:
    spared = terms.spared
    found = [
        post
        for post in await referred.alone(tx, numbers, terms.me, terms.before)
        if post.id not in spared.waiting and spared.posts.isdisjoint((post.iri, post.url, str(post.id)))
    ]
    # A stranger's word to the owner is no part of a thread of the owner's until somebody answers it: see OF_ALL.
    talked = await terms.threads.among(tx, {post.iri: post.in_reply_to for post in found if not post.for_owner})
    return [post.id for post in found if post.iri not in talked]


async def _remove_posts(tx: Tx, numbers: Sequence[int], _terms: Terms) -> list[str]:
    """With what is known of them: reactions, old versions, hashtags, evidence. Words to search go by triggers."""
    query = select(notes.c.iri, notes.c.attachments, actors.c.iri.label("author"))
    rows = list(await tx.execute(query.join(actors, actors.c.id == notes.c.author_id).where(notes.c.id.in_(numbers))))
    iris = [row.iri for row in rows]
    pinned = and_(featured.c.actor.in_({row.author for row in rows}), featured.c.note.in_(iris))
    await tx.execute(delete(reactions).where(reactions.c.note.in_(iris)))
    await tx.execute(delete(votes).where(votes.c.question.in_(iris)))
    await tx.execute(delete(featured).where(pinned))
    await tx.execute(delete(chores).where(chores.c.subject.in_(iris)))
    # Out of the log too: or the same, said again, would be taken for a repetition of what is here.
    await tx.execute(delete(activities).where(activities.c.object.in_(iris), activities.c.direction == "in"))
    await tx.execute(delete(notes).where(notes.c.id.in_(numbers)))
    await tx.execute(delete(conversations).where(conversations.c.last_note_id.in_(numbers), ~_is_there()))
    return [item[2] for row in rows for item in row.attachments]


def _is_there() -> ColumnElement[bool]:
    """Whether something of a conversation is left: then its number, and whether it was read or taken off, stay."""
    root = conversations.c.root
    begins = or_(notes.c.iri == root, notes.c.in_reply_to == root, notes.c.context == root)
    return exists().where(notes.c.visibility == Visibility.DIRECT.value, begins)


# ── the log ──────────────────────────────────────────────────────────────────────────────────


async def _unneeded_log(tx: Tx, iris: Sequence[str], terms: Terms) -> list[str]:
    """What came in and is evidence for nothing that is here, and what it was answered with.

    A follower's Follow stays: what undoes it names it.
    """
    earlier = exists().where(
        notes.c.iri == activities.c.object, revisions.c.note_id == notes.c.id, revisions.c.activity == activities.c.iri
    )
    query = select(activities.c.iri).where(
        activities.c.iri.in_(iris),
        or_(activities.c.direction == "in", activities.c.type.in_(("Accept", "Reject"))),
        activities.c.at < ms(terms.log_before),
        ~exists().where(notes.c.iri == activities.c.object, notes.c.activity == activities.c.iri),
        ~earlier,
        ~exists().where(queue.c.activity == activities.c.iri),
        ~exists().where(arrivals.c.activity == activities.c.iri),
        ~and_(activities.c.type == "Follow", exists().where(followers.c.actor == activities.c.actor)),
    )
    return list((await tx.execute(query)).scalars())


# ── people ───────────────────────────────────────────────────────────────────────────────────


async def _unneeded_people(tx: Tx, numbers: Sequence[int], terms: Terms) -> list[int]:
    """Strangers of whom nothing is here, and with whom the owner never had to do; nobody whose key was compared."""
    who = actors.c.iri
    asked = exists().where(activities.c.object == who, activities.c.direction == "out")
    query = select(actors.c.id, who).where(
        actors.c.id.in_(numbers),
        who != terms.me,
        actors.c.fetched_at < ms(terms.before),
        ~exists().where(notes.c.author_id == actors.c.id),
        ~exists().where(home.c.actor_id == actors.c.id),
        *(~exists().where(table.c.actor == who) for table in (follows, followers, mutes, standings, remarks)),
        ~exists().where(blocked.c.kind == "account", blocked.c.value == who),
        ~exists().where(keys.c.owner == who, keys.c.trust == "compared"),
        ~asked,  # followed once, or asked, reported, blocked …
    )
    found = {row.iri: row.id for row in await tx.execute(query) if row.iri not in terms.spared.people}
    # These have no index by person: all that are left are asked about at once.
    for table in (reactions, notifications, votes, quote_grants, reports, arrivals, list_members):
        if found:
            rows = await tx.execute(select(table.c.actor).distinct().where(table.c.actor.in_(found)))
            for iri in rows.scalars():
                del found[iri]
    return list(found.values())


async def _remove_people(tx: Tx, numbers: Sequence[int], terms: Terms) -> list[str]:
    """Their keys stay as long as there is room: whoever comes back under that name with another key is noticed.

    When there is none the newcomers' go, so that a flood makes the node forget nobody else's.
    """
    rows = list(await tx.execute(select(actors.c.iri, actors.c.icon, actors.c.image).where(actors.c.id.in_(numbers))))
    iris = [row.iri for row in rows]
    room = max(0, MOST_PINS - terms.pins)
    terms.pins += len(iris[:room])
    await tx.execute(delete(keys).where(keys.c.owner.in_(iris[room:])))
    await tx.execute(delete(featured).where(featured.c.actor.in_(iris)))
    await tx.execute(delete(cursors).where(cursors.c.actor.in_(iris)))
    await tx.execute(delete(chores).where(chores.c.subject.in_(iris)))
    await tx.execute(delete(blocked).where(blocked.c.kind == "hidden", blocked.c.value.in_(iris)))
    await tx.execute(delete(actors).where(actors.c.id.in_(numbers)))
    return [url for row in rows for url in (row.icon, row.image) if url]


# ── servers, and the rest ────────────────────────────────────────────────────────────────────


async def _unneeded_hosts(tx: Tx, origins: Sequence[str], terms: Terms) -> list[str]:
    """Where nobody lives whom we know: what signatures they take is learnt again when somebody does."""
    lately = ms(terms.before)
    query = select(hosts.c.origin).where(
        hosts.c.origin.in_(origins),
        func.coalesce(hosts.c.learned_at, 0) < lately,
        func.coalesce(hosts.c.failing_since, 0) < lately,
        func.coalesce(hosts.c.next_at, 0) < ms(terms.now),
        ~exists().where(queue.c.origin == hosts.c.origin),
    )
    names = {origin: host_of(origin) for origin in (await tx.execute(query)).scalars()}
    rows = await tx.execute(select(actors.c.host).distinct().where(actors.c.host.in_(set(names.values()))))
    inhabited = set(rows.scalars())
    return [origin for origin, name in names.items() if name not in inhabited]


async def _unneeded_tombstones(tx: Tx, iris: Sequence[str], terms: Terms) -> list[str]:
    """Never the owner's: their addresses answer that they are gone. Nor those of people the owner knows."""
    query = select(tombstones.c.iri).where(
        tombstones.c.iri.in_(iris),
        tombstones.c.author != terms.me,
        tombstones.c.deleted_at < ms(terms.tombstones_before),
        ~blocks.is_known(tombstones.c.author),
    )
    return list((await tx.execute(query)).scalars())


def _plain(table: Table, key: Column[Any]) -> Callable[[Tx, Sequence[Key], Terms], Awaitable[list[str]]]:
    """Rows on which nothing hangs."""

    async def remove(tx: Tx, found: Sequence[Key], _terms: Terms) -> list[str]:
        await tx.execute(delete(table).where(key.in_(found)))
        return []

    return remove


BROOMS: tuple[Broom, ...] = (
    Broom("posts", notes.c.id, 0, _unneeded_posts, _remove_posts),
    Broom("log", activities.c.iri, "", _unneeded_log, _plain(activities, activities.c.iri)),
    Broom("people", actors.c.id, 0, _unneeded_people, _remove_people),
    Broom("hosts", hosts.c.origin, "", _unneeded_hosts, _plain(hosts, hosts.c.origin)),
    Broom("tombstones", tombstones.c.iri, "", _unneeded_tombstones, _plain(tombstones, tombstones.c.iri)),
)
"""In this order: a post lets go of its author, an author of their server."""


async def tidy(tx: Tx, terms: Terms) -> int:
    """What is bounded by number: activities given up long ago, and notifications beyond MOST_NOTIFICATIONS.

    At most STRETCH of each kind, so that it is called until nothing is left to do; how many went.
    """
    parked = arrivals.c.next_at.is_(None)
    old = or_(arrivals.c.received_at < ms(terms.log_before), arrivals.c.id <= _beyond(arrivals, MOST_PARKED, parked))
    gone = await _take_some(tx, arrivals, parked & old)
    known = blocks.is_known(notifications.c.actor)
    for some in (known, ~known & or_(notifications.c.kind != Kind.MENTION.value, notifications.c.note_id.is_(None))):
        beyond = notifications.c.id <= _beyond(notifications, MOST_NOTIFICATIONS, some)
        gone += await _take_some(tx, notifications, some & beyond)
    return gone


def _beyond(table: Table, most: int, some: ColumnElement[bool]) -> Any:
    """The number of the newest of those rows for which there is no room."""
    return select(table.c.id).where(some).order_by(table.c.id.desc()).offset(most).limit(1).scalar_subquery()


async def _take_some(tx: Tx, table: Table, which: ColumnElement[bool]) -> int:
    ids = list((await tx.execute(select(table.c.id).where(which).order_by(table.c.id).limit(STRETCH))).scalars())
    if ids:
        await tx.execute(delete(table).where(table.c.id.in_(ids)))
    return len(ids)
