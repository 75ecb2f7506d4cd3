"""Whom the owner shuts out or does not hear: lists of accounts and domains; and reports."""

from __future__ import annotations

from aiohttp import web

from node.errors import NotFound
from node.model import Iri
from node.storage import blocks
from node.web.mastodon import gather, people
from node.web.mastodon.call import Call, number
from node.web.mastodon.entities import time, time_or_none
from node.web.mastodon.errors import Invalid
from node.web.mastodon.reply import paged, reply
from node.web.mastodon.route import Route


async def blocked(call: Call) -> web.Response:
    """Accounts that we have met, the last blocked first."""
    async with call.rooms.store.read() as tx:
        named = [block for block in await blocks.listed(tx) if block.kind == "account" and "://" in block.value]
        listed = await people.listed(tx, [Iri(block.value) for block in named])
        shown = await gather.accounts(tx, call.rooms, [actor for _, actor in listed], is_owner=True)
    return paged(call, [identifier for identifier, _ in listed], shown)


async def muted(call: Call) -> web.Response:
    """The last muted first, each with when it ends."""
    async with call.rooms.store.read() as tx:
        silent = {mute.actor: mute for mute in await blocks.muted(tx, call.rooms.clock())}
        listed = await people.listed(tx, silent)
        shown = await gather.accounts(tx, call.rooms, [actor for _, actor in listed], is_owner=True)
    for (_, actor), account in zip(listed, shown, strict=True):
        account["mute_expires_at"] = time_or_none(silent[actor.iri].until)
    return paged(call, [identifier for identifier, _ in listed], shown)


# ── domains ──────────────────────────────────────────────────────────────────────────────────


async def domains(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        names = [block.value for block in await blocks.listed(tx) if block.kind == "domain"]
    return paged(call, range(1, len(names) + 1), names, 100, 200)


def _domain(call: Call) -> str:
    name = call.text("domain").strip()
    if not name or "@" in name or "/" in name or ":" in name or " " in name:
        raise Invalid("Validation failed: Domain is not a valid domain name")
    return name


async def block_domain(call: Call) -> web.Response:
    await call.rooms.moderation.block(_domain(call))
    return reply({})


async def unblock_domain(call: Call) -> web.Response:
    try:
        await call.rooms.moderation.unblock(_domain(call))
    except NotFound:
        pass
    return reply({})


# ── reports ──────────────────────────────────────────────────────────────────────────────────


async def report(call: Call) -> web.Response:
    """Tell those who run an account's server about it."""
    wanted = number(call.text("account_id"))
    if wanted is None:
        raise Invalid("Validation failed: Account can't be blank")
    async with call.rooms.store.read() as tx:
        known = await people.by_number(tx, wanted)
        (shown,) = await gather.accounts(tx, call.rooms, [known.actor], is_owner=True)
    comment, posts = call.text("comment"), call.many("status_ids")
    await call.rooms.moderation.report(known.actor.iri, posts=posts, comment=comment, forward=call.flag("forward"))
    now = call.rooms.clock()
    return reply(
        {
            "id": str(call.rooms.snowflake.mint(now)),
            "action_taken": False,
            "action_taken_at": None,
            "category": call.text("category") or "other",
            "comment": comment,
            "forwarded": call.flag("forward"),
            "created_at": time(now),
            "status_ids": posts or None,
            "rule_ids": None,
            "target_account": shown,
        }
    )


ROUTES = (
    Route("GET", "/api/v1/blocks", blocked, "read:blocks"),
    Route("GET", "/api/v1/mutes", muted, "read:mutes"),
    Route("GET", "/api/v1/domain_blocks", domains, "read:blocks"),
    Route("POST", "/api/v1/domain_blocks", block_domain, "write:blocks"),
    Route("DELETE", "/api/v1/domain_blocks", unblock_domain, "write:blocks"),
    Route("POST", "/api/v1/reports", report, "write:reports"),
)
