"""Accounts we have met, and the keys we know of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Join, Select, and_, bindparam, delete, exists, func, select, update

from keys import PublicIdentity, PublicTransport
from node.model import Actor, ActorKey, Emoji, Iri, KeyKind, KeyState, KnownKey, ProfileField, Resembled, Trust, host_of
from node.storage.blocks import is_hidden
from node.storage.dialect import Tx, ms, ms_or_none, rounded, rows_among, upsert, when, when_or_none
from node.storage.schema import actors, follows, keys, standings


@dataclass(frozen=True, slots=True)
class KnownActor:
    """An actor as we last saw it. `confirmed` is the handle its own domain confirmed, without the first @."""

    id: int
    actor: Actor
    fetched_at: datetime
    gone_at: datetime | None
    confirmed: str | None


_REAL = actors.alias("real")

RESEMBLED = (
    _REAL.c.username.label("real_username"),
    _REAL.c.host.label("real_host"),
    exists().where(follows.c.actor == actors.c.resembles).label("real_followed"),
)
"""What `to_actor` wants beside the columns of `actors`: the name of the one whom an account resembles."""


@cache
def beside_the_real() -> Join:
    """`actors`, and beside each whom it resembles."""
    return actors.outerjoin(_REAL, _REAL.c.iri == actors.c.resembles)


@cache
def _met() -> Select[Any]:
    return select(actors, *RESEMBLED).select_from(beside_the_real())


def to_actor(row: Any) -> Actor:
    """A row that has every column of `actors` as an Actor (without its keys: ask `keys_of`)."""
    return Actor(
        iri=Iri(row.iri),
        type=row.type,
        username=row.username,
        inbox=Iri(row.inbox),
        name=row.name,
        summary=row.summary,
        url=row.url,
        shared_inbox=_iri(row.shared_inbox),
        outbox=_iri(row.outbox),
        followers=_iri(row.followers),
        following=_iri(row.following),
        featured=_iri(row.featured),
        icon=row.icon,
        image=row.image,
        fields=tuple(_field(*kept) for kept in row.fields),
        locked=row.locked,
        discoverable=row.discoverable,
        bot=row.bot,
        published=when_or_none(row.published),
        also_known_as=tuple(Iri(iri) for iri in row.also_known_as),
        moved_to=_iri(row.moved_to),
        webfinger=row.webfinger,
        implements=tuple(row.implements),
        emojis=tuple(Emoji(shortcode, url) for shortcode, url in row.emojis or ()),
        resembles=_resembled(row),
    )


def _field(name: str, value: str, verified_at: int | None = None, _checked_at: int | None = None) -> ProfileField:
    return ProfileField(name, value, when_or_none(verified_at))


def _resembled(row: Any) -> Resembled | None:
    if row.resembles is None:
        return None
    handle = f"@{row.real_username}@{row.real_host}" if row.real_username else row.resembles
    return Resembled(Iri(row.resembles), handle, bool(row.real_followed))


def _iri(value: str | None) -> Iri | None:
    return None if value is None else Iri(value)


async def get(tx: Tx, iri: Iri) -> KnownActor | None:
    row = (await tx.execute(_with_iri(), {"wanted": iri})).one_or_none()
    return None if row is None else _known(row)


@cache
def _with_iri() -> Select[Any]:
    return _met().where(actors.c.iri == bindparam("wanted"))


async def get_by_id(tx: Tx, identifier: int) -> KnownActor | None:
    row = (await tx.execute(_numbered(), {"number": identifier})).one_or_none()
    return None if row is None else _known(row)


@cache
def _numbered() -> Select[Any]:
    return _met().where(actors.c.id == bindparam("number"))


async def by_ids(tx: Tx, identifiers: Iterable[int]) -> dict[int, Actor]:
    rows = await tx.execute(_met().where(actors.c.id.in_(set(identifiers))))
    return {row.id: to_actor(row) for row in rows}


async def numbers(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, int]:
    """The client API's ids of those of these accounts that we have met."""
    rows = await tx.execute(select(actors.c.iri, actors.c.id).where(actors.c.iri.in_(set(iris))))
    return {Iri(row.iri): int(row.id) for row in rows}


async def count_hosts(tx: Tx) -> int:
    """On how many servers there is somebody we have met."""
    return int((await tx.execute(select(func.count(actors.c.host.distinct())))).scalar_one())


async def find_handle(tx: Tx, username: str, host: str) -> KnownActor | None:
    """By `name` and `host`: the confirmed handle first, then the host of the id."""
    wanted = f"{username}@{host}".lower()
    confirmed = (await tx.execute(_met().where(actors.c.webfinger == wanted))).first()
    row = (
        confirmed
        or (
            await tx.execute(
                _met().where(actors.c.host == host.lower(), actors.c.username.ilike(_literal(username), escape="\\"))
            )
        ).first()
    )
    return None if row is None else _known(row)


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _known(row: Any) -> KnownActor:
    return KnownActor(row.id, to_actor(row), when(row.fetched_at), when_or_none(row.gone_at), row.webfinger)


async def put(
    tx: Tx, actor: Actor, *, id: int, at: datetime, document: bytes | None, confirmed: str | None = None
) -> None:
    """Remember an actor, new or changed. Its number never changes; `confirmed` None leaves what was confirmed."""
    row = {
        "id": id,
        "iri": actor.iri,
        "host": host_of(actor.iri),
        "type": actor.type,
        "username": actor.username,
        "name": actor.name,
        "summary": actor.summary,
        "url": actor.url,
        "inbox": actor.inbox,
        "shared_inbox": actor.shared_inbox,
        "outbox": actor.outbox,
        "followers": actor.followers,
        "following": actor.following,
        "featured": actor.featured,
        "icon": actor.icon,
        "image": actor.image,
        "locked": actor.locked,
        "discoverable": actor.discoverable,
        "bot": actor.bot,
        "published": ms_or_none(actor.published),
        "also_known_as": list(actor.also_known_as),
        "moved_to": actor.moved_to,
        "webfinger": confirmed.lower() if confirmed else None,
        "implements": list(actor.implements),
        "emojis": [[emoji.shortcode, emoji.url] for emoji in actor.emojis] or None,
        "document": document,
        "fetched_at": ms(at),
        "gone_at": None,
    }
    before = (await tx.execute(_FIELDS, {"wanted": actor.iri})).scalar_one_or_none()
    row["fields"] = _fields(actor, before or ())
    await upsert(tx, actors, row, keep=("id",) if confirmed else ("id", "webfinger"), known_by="iri")


_FIELDS = select(actors.c.fields).where(actors.c.iri == bindparam("wanted"))


def _fields(actor: Actor, before: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """[name, value, when the link was seen to point back, when it was looked at]; a changed row is looked at anew."""
    known = {(name, value): seen for name, value, *seen in before}
    return [[field.name, field.value, *known.get((field.name, field.value), ())] for field in actor.fields]


async def checked_at(tx: Tx, iri: Iri) -> dict[str, datetime | None]:
    """The values of somebody's profile fields, and when the links in them were looked at last."""
    rows = (await tx.execute(_FIELDS, {"wanted": iri})).scalar_one_or_none()
    return {value: when_or_none(seen[1]) if len(seen) > 1 else None for _name, value, *seen in rows or ()}


async def verify_fields(tx: Tx, iri: Iri, outcome: Mapping[str, bool | None], at: datetime) -> None:
    """Settle which values of somebody's profile fields link to pages that link back, as of `at`; None: nobody knows."""
    rows = (await tx.execute(_FIELDS, {"wanted": iri})).scalar_one_or_none()
    settled: list[list[Any]] = []
    for name, value, *seen in rows or ():
        if value in outcome:
            before = seen[0] if seen else None
            found = {True: before or ms(at), False: None, None: before}[outcome[value]]
            seen = [found, ms(at)]
        settled.append([name, value, *seen])
    await tx.execute(update(actors).where(actors.c.iri == iri).values(fields=settled))


async def document(tx: Tx, iri: Iri) -> bytes | None:
    """The actor document as it was fetched last."""
    value = (await tx.execute(select(actors.c.document).where(actors.c.iri == iri))).scalar_one_or_none()
    return None if value is None else bytes(value)


async def set_resembled(tx: Tx, iri: Iri, whom: Iri | None) -> None:
    await tx.execute(_RESEMBLES, {"who": iri, "whom": whom})


_RESEMBLES = update(actors).where(actors.c.iri == bindparam("who")).values(resembles=bindparam("whom"))


async def mark_moved(tx: Tx, iri: Iri, target: Iri) -> None:
    await tx.execute(update(actors).where(actors.c.iri == iri).values(moved_to=target))


async def mark_gone(tx: Tx, iri: Iri, at: datetime) -> None:
    await tx.execute(update(actors).where(actors.c.iri == iri).values(gone_at=ms(at)))


async def is_gone(tx: Tx, iri: Iri) -> bool:
    """Whether an account was deleted; of the owner's own: whether the owner left."""
    return await gone_at(tx, iri) is not None


async def gone_at(tx: Tx, iri: Iri) -> datetime | None:
    return when_or_none((await tx.execute(_GONE_AT, {"wanted": iri})).scalar_one_or_none())


_GONE_AT = select(actors.c.gone_at).where(actors.c.iri == bindparam("wanted"))


async def everybodys_inboxes(tx: Tx) -> list[Iri]:
    """Where to reach every server we remember, shared inboxes folded; those that are gone, or blocked, are left out."""
    inbox = func.coalesce(actors.c.shared_inbox, actors.c.inbox)
    wanted = (actors.c.gone_at.is_(None), ~is_hidden(actors.c.iri))
    return [Iri(iri) for iri in (await tx.execute(select(inbox).distinct().where(*wanted))).scalars()]


async def mark_back(tx: Tx, iri: Iri) -> None:
    """Heard of again: its inbox is used as before."""
    await tx.execute(_BACK, {"wanted": iri})


_BACK = update(actors).where(actors.c.iri == bindparam("wanted"), actors.c.gone_at.is_not(None)).values(gone_at=None)


async def ids_of(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, int]:
    rows = await tx.execute(select(actors.c.iri, actors.c.id).where(actors.c.iri.in_(set(iris))))
    return {Iri(iri): identifier for iri, identifier in rows}


async def inboxes(tx: Tx, iris: Iterable[Iri], *, shared: bool = False) -> list[Iri]:
    """Where to reach these accounts, each inbox once; those that are gone, or blocked, are left out."""
    rows = await tx.execute(_inboxes(shared), {"iris": rounded(set(iris))})
    return [Iri(iri) for iri in rows.scalars()]


@cache
def _inboxes(shared: bool) -> Select[Any]:
    inbox = func.coalesce(actors.c.shared_inbox, actors.c.inbox) if shared else actors.c.inbox
    among = actors.c.iri.in_(bindparam("iris", expanding=True))
    return select(inbox).distinct().where(among, actors.c.gone_at.is_(None), ~is_hidden(actors.c.iri))


async def behind(tx: Tx, inbox: Iri, limit: int = 50) -> list[Iri]:
    """Some of those who are reached by an inbox, their own or shared; those who are gone are reached by none."""
    there = ((actors.c.inbox == inbox) | (actors.c.shared_inbox == inbox)) & actors.c.gone_at.is_(None)
    return [Iri(iri) for iri in (await tx.execute(select(actors.c.iri).where(there).limit(limit))).scalars()]


@dataclass(frozen=True, slots=True)
class Brief:
    """What storing somebody's posts needs to know of them: their number, their audience, whether we follow them."""

    id: int
    followers: Iri | None
    followed: bool
    notify: bool = False
    """The owner wants to be told of each of their posts."""
    ignored: bool = False
    """A stranger whom the owner chose not to hear: no hashtag brings them home."""


_BRIEFS = (
    select(actors.c.iri, actors.c.id, actors.c.followers, follows.c.state, follows.c.notify, standings.c.standing)
    .outerjoin(follows, follows.c.actor == actors.c.iri)
    .outerjoin(standings, standings.c.actor == actors.c.iri)
    .where(actors.c.iri.in_(bindparam("iris", expanding=True)))
)


async def briefs(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, Brief]:
    found: dict[Iri, Brief] = {}
    for iri, number, followers, state, notify, standing in await rows_among(tx, _BRIEFS, iris):
        followed = state == "accepted"
        ignored = not followed and standing == "ignored"
        found[Iri(iri)] = Brief(number, _iri(followers), followed, followed and bool(notify), ignored)
    return found


async def many(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, KnownActor]:
    rows = await tx.execute(_met().where(actors.c.iri.in_(set(iris))))
    return {Iri(row.iri): _known(row) for row in rows}


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


def load(kind: KeyKind, material: str) -> PublicIdentity | PublicTransport:
    """The key itself. Raises BadKey."""
    return PublicTransport.from_pem(material) if kind is KeyKind.RSA else PublicIdentity.from_multikey(material)


def _known_key(row: Any) -> KnownKey:
    kind = KeyKind(row.kind)
    return KnownKey(
        id=Iri(row.id),
        owner=Iri(row.owner),
        kind=kind,
        material=row.material,
        since=when(row.since),
        trust=Trust(row.trust),
        state=KeyState(row.state),
        public=load(kind, row.material),
    )


async def keys_by_id(tx: Tx, key_id: Iri, *, forgotten: bool = False) -> tuple[KnownKey, ...]:
    """Every key that this id names and that may still speak, the pinned one first.

    Only of accounts that are here: a key that outlived its account (sweep.py) counts when that is fetched again.
    With `forgotten`, also those.
    """
    rows = await tx.execute(_named(forgotten), {"wanted": key_id})
    found = [_known_key(row) for row in rows]
    return tuple(sorted(found, key=lambda key: key.state is not KeyState.PINNED))


@cache
def _named(forgotten: bool) -> Select[Any]:
    query = select(keys).where(keys.c.id == bindparam("wanted"), keys.c.state != KeyState.RETIRED)
    return query if forgotten else query.where(exists().where(actors.c.iri == keys.c.owner))


async def keys_of(tx: Tx, owner: Iri) -> tuple[KnownKey, ...]:
    """Every key we ever knew of an actor, oldest first, whatever its state."""
    rows = await tx.execute(_OWNED, {"wanted": owner})
    return tuple(_known_key(row) for row in rows)


_OWNED = select(keys).where(keys.c.owner == bindparam("wanted")).order_by(keys.c.since)


async def other_holders(tx: Tx, ids: Iterable[Iri], owner: Iri) -> dict[Iri, set[Iri]]:
    """Which of these key ids others than `owner` have, or had; and who."""
    found: dict[Iri, set[Iri]] = {}
    for row in await tx.execute(_HELD, {"ids": rounded(set(ids)), "owner": owner}):
        found.setdefault(Iri(row.id), set()).add(Iri(row.owner))
    return found


_HELD = select(keys.c.id, keys.c.owner).where(
    keys.c.id.in_(bindparam("ids", expanding=True)), keys.c.owner != bindparam("owner")
)


async def take_key_id(tx: Tx, key_id: Iri, owner: Iri) -> None:
    """Forget what others than `owner` had under a key id."""
    await tx.execute(delete(keys).where(keys.c.id == key_id, keys.c.owner != owner))


async def add_key(tx: Tx, key: ActorKey, *, since: datetime, trust: Trust, state: KeyState) -> None:
    row = {
        "id": key.id,
        "material": key.material,
        "owner": key.owner,
        "kind": key.kind.value,
        "since": ms(since),
        "trust": trust.value,
        "state": state.value,
    }
    await upsert(tx, keys, row, keep=("since",))


async def thin_keys(tx: Tx, owner: Iri, most: int) -> None:
    """Forget the oldest of somebody's retired keys but for `most`, and never one that the owner of the node compared.

    One that turns up again is a key never seen, beside others of its kind: it is not pinned by that.
    """
    retired = and_(keys.c.owner == owner, keys.c.state == KeyState.RETIRED, keys.c.trust != Trust.COMPARED)
    query = select(keys.c.id, keys.c.material).where(retired).order_by(keys.c.since.desc(), keys.c.id)
    for row in list(await tx.execute(query.offset(most))):
        await tx.execute(delete(keys).where(retired, keys.c.id == row.id, keys.c.material == row.material))


async def set_key_state(
    tx: Tx, owner: Iri, materials: Sequence[str], state: KeyState, trust: Trust | None = None
) -> None:
    values: dict[str, str] = {"state": state.value}
    if trust is not None:
        values["trust"] = trust.value
    await tx.execute(update(keys).where(keys.c.owner == owner, keys.c.material.in_(materials)).values(values))
