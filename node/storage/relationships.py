"""How the owner stands to accounts, all of it at once: what apps show beside a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update

from node.blocking import normal_host
from node.model import Iri, host_of
from node.storage import blocks
from node.storage.dialect import Tx, upsert
from node.storage.relations import State
from node.storage.schema import actors, followers, follows, mutes, remarks


@dataclass(frozen=True, slots=True)
class Relationship:
    following: bool = False
    requested: bool = False
    """The owner asked to follow, and waits for the answer."""
    followed_by: bool = False
    requested_by: bool = False
    blocking: bool = False
    domain_blocking: bool = False
    muting: bool = False
    muting_notifications: bool = False
    showing_boosts: bool = True
    notifying: bool = False
    languages: tuple[str, ...] = ()
    endorsed: bool = False
    remark: str = ""


async def of(tx: Tx, people: Iterable[Iri], now: datetime) -> dict[Iri, Relationship]:
    """A handful of queries, however many people."""
    wanted = set(people)
    if not wanted:
        return {}
    ours = {row.actor: row for row in await tx.execute(select(follows).where(follows.c.actor.in_(wanted)))}
    theirs = {row.actor: row for row in await tx.execute(select(followers).where(followers.c.actor.in_(wanted)))}
    lasting = mutes.c.until.is_(None) | (mutes.c.until > int(now.timestamp() * 1000))
    silent = {row.actor: row for row in await tx.execute(select(mutes).where(mutes.c.actor.in_(wanted), lasting))}
    noted = {row.actor: row.comment for row in await tx.execute(select(remarks).where(remarks.c.actor.in_(wanted)))}
    shut = await blocks.load(tx)
    found = {}
    for iri in wanted:
        follow, follower, mute = ours.get(iri), theirs.get(iri), silent.get(iri)
        of_domain = shut.covers_host(normal_host(host_of(iri)) or "") if shut else False
        found[iri] = Relationship(
            following=follow is not None and follow.state == State.ACCEPTED,
            requested=follow is not None and follow.state == State.PENDING,
            followed_by=follower is not None and follower.state == State.ACCEPTED,
            requested_by=follower is not None and follower.state == State.PENDING,
            blocking=bool(shut) and not of_domain and shut.covers(iri),
            domain_blocking=of_domain,
            muting=mute is not None,
            muting_notifications=mute is not None and bool(mute.notifications),
            showing_boosts=follow is None or bool(follow.boosts),
            notifying=follow is not None and bool(follow.notify),
            languages=tuple(follow.languages or ()) if follow is not None else (),
            endorsed=follow is not None and bool(follow.endorsed),
            remark=noted.get(iri, ""),
        )
    return found


async def remark(tx: Tx, actor: Iri, comment: str) -> None:
    """What the owner noted about an account; nothing, for none."""
    if comment:
        await upsert(tx, remarks, {"actor": actor, "comment": comment})
    else:
        await tx.execute(delete(remarks).where(remarks.c.actor == actor))


async def tune_follow(
    tx: Tx, actor: Iri, *, boosts: bool | None = None, notify: bool | None = None, languages: list[str] | None = None
) -> None:
    """What of a followed account is shown, and whether each of its posts is announced."""
    given = {"boosts": boosts, "notify": notify, "languages": languages}
    values = {name: value for name, value in given.items() if value is not None}
    if values:
        await tx.execute(update(follows).where(follows.c.actor == actor).values(values))


async def endorse(tx: Tx, actor: Iri, *, endorsed: bool) -> bool:
    """Whether there is a follow to be endorsed. It ends with the follow."""
    followed = (follows.c.actor == actor) & (follows.c.state == State.ACCEPTED)
    return bool((await tx.execute(update(follows).where(followed).values(endorsed=endorsed))).rowcount)


async def endorsed(tx: Tx) -> list[Iri]:
    """Whom the owner features, the last followed first."""
    query = select(follows.c.actor).where(follows.c.endorsed, follows.c.state == State.ACCEPTED)
    return [Iri(iri) for iri in (await tx.execute(query.order_by(follows.c.since.desc(), follows.c.actor))).scalars()]


async def tune_mute(tx: Tx, actor: Iri, *, notifications: bool) -> None:
    await tx.execute(update(mutes).where(mutes.c.actor == actor).values(notifications=notifications))


async def find_people(tx: Tx, words: str, *, only_followed: bool, limit: int, offset: int = 0) -> list[int]:
    """Accounts we have met whose handle or name holds these words; those the owner follows first."""
    pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    handle = actors.c.username + "@" + actors.c.host
    is_followed = select(follows.c.actor).where(follows.c.actor == actors.c.iri, follows.c.state == State.ACCEPTED)
    query = (
        select(actors.c.id)
        .where(
            handle.ilike(pattern, escape="\\") | actors.c.name.ilike(pattern, escape="\\"),
            ~blocks.is_hidden(actors.c.iri),
            actors.c.gone_at.is_(None),
        )
        .order_by(is_followed.exists().desc(), func.length(actors.c.username), actors.c.id)
        .limit(limit)
        .offset(offset)
    )
    if only_followed:
        query = query.where(is_followed.exists())
    return [int(number) for number in (await tx.execute(query)).scalars()]
