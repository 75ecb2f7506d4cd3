"""Web Push subscriptions: one for each token."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from node.errors import BadKey, NotFound
from node.notify import ALERTS, POLICIES
from node.storage import push as stored
from node.storage.push import Subscription
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Invalid
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route
from node.webpush import Receiver

LONGEST = 2048
"""Characters of an endpoint's address."""


async def show(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return _answer(call, await stored.of_token(tx, call.the_token().hash))


async def create(call: Call) -> web.Response:
    """Where and how to tell the app. Raises Invalid for an address or keys that cannot work."""
    sent = _dict(call.params.get("subscription"))
    keys = _dict(sent.get("keys"))
    endpoint, p256dh, auth = (
        str(value or "") for value in (sent.get("endpoint"), keys.get("p256dh"), keys.get("auth"))
    )
    if not call.rooms.may_ask(endpoint) or len(endpoint) > LONGEST:
        raise Invalid("Validation failed: Endpoint must be a public https address")
    try:
        Receiver.parse(p256dh, auth)
    except BadKey as error:
        raise Invalid(f"Validation failed: Key {error.message}") from None
    alerts, policy = _wishes(_dict(call.params.get("data")), {}, "all")
    async with call.rooms.store.write() as tx:
        made = await stored.subscribe(
            tx,
            call.the_token().hash,
            endpoint=endpoint,
            p256dh=p256dh,
            auth=auth,
            alerts=alerts,
            policy=policy,
            standard=_true(sent.get("standard")),
            at=call.rooms.clock(),
        )
    return _answer(call, made)


async def change(call: Call) -> web.Response:
    """Other alerts, another policy; the address stays."""
    token = call.the_token().hash
    async with call.rooms.store.write() as tx:
        before = await stored.of_token(tx, token)
        if before is None:
            raise NotFound("Record not found")
        sent = _dict(call.params.get("data"))
        if "policy" in call.params and "policy" not in sent:  # Mastodon documents it beside `data`, apps send it inside
            sent = {**sent, "policy": call.text("policy")}
        alerts, policy = _wishes(sent, before.alerts, before.policy)
        return _answer(call, await stored.change(tx, token, alerts=alerts, policy=policy))


async def remove(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        await stored.unsubscribe(tx, call.the_token().hash)
    return reply({})


def _wishes(sent: dict[str, Any], alerts: Any, policy: str) -> tuple[dict[str, bool], str]:
    """Alerts by type, and from whom; what is not sent stays as it was. Raises Invalid."""
    wanted = sent.get("policy") or policy
    if wanted not in POLICIES:
        raise Invalid("Validation failed: Policy is not included in the list")
    if "alerts" not in sent:
        return dict(alerts), wanted
    named = _dict(sent["alerts"])
    return {name: _true(named[name]) for name in ALERTS if name in named}, wanted


def _answer(call: Call, found: Subscription | None) -> web.Response:
    if found is None:
        raise NotFound("Record not found")
    return reply(
        {
            "id": found.id,  # Tusky reads a number
            "endpoint": found.endpoint,
            "standard": found.standard,
            "alerts": {name: found.alerts.get(name, False) for name in ALERTS},
            "policy": found.policy,
            "server_key": call.rooms.push_key(),
        }
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _true(value: object) -> bool:
    return str(value).lower() in ("true", "1", "on", "t")


_PATH = "/api/v1/push/subscription"

ROUTES = (
    Route("GET", _PATH, show, "push"),
    Route("POST", _PATH, create, "push"),
    Route("PUT", _PATH, change, "push"),
    Route("DELETE", _PATH, remove, "push"),
)
