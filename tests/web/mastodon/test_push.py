"""Web Push, from the subscription to the message on the phone; the push service is real and decrypts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from node.errors import BadKey
from node.federation.dial import Guard, networks
from node.observe import counters
from node.storage import push as stored
from node.storage import tokens
from node.webpush import LONGEST, PushKey, Receiver, aes128gcm, b64url, from_b64url, point
from tests.support.attack import greet
from tests.support.client import Client
from tests.support.following import said
from tests.support.homes import Home, eventually
from tests.support.pushed import Push, PushService
from tests.support.stranger import Stranger

PATH = "/api/v1/push/subscription"


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with PushService() as made:
        yield made


async def subscribe(app: Client, service: PushService, *, standard: bool = True, **data: Any) -> Any:
    wishes = {"alerts": {"favourite": True, "mention": True}, **data}
    answer = await app.post(PATH, {"subscription": service.subscription(standard=standard), "data": wishes})
    assert answer.status == 200, answer.body
    service.server_key = answer.json["server_key"]
    return answer.json


async def liked(home: Home, by: Stranger, words: str = "push me") -> None:
    post = await said(home, words)
    assert (await by.deliver(by.activity("Like", post.note.iri), home.base)).status == 202


async def owed(home: Home) -> int:
    async with home.node.store.read() as tx:
        return await stored.waiting(tx)


async def first(service: PushService) -> Push:
    async def came() -> bool:
        return bool(service.got)

    await eventually(came)
    return service.got[0]


def test_the_example_of_rfc_8291() -> None:
    """RFC 8291 §5 and appendix A: the same input gives the same octets."""
    own = ec.derive_private_key(
        int.from_bytes(from_b64url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", 32), "big"), ec.SECP256R1()
    )
    receiver = Receiver.parse(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    made = aes128gcm(
        b"When I grow up, I want to be a watermelon", receiver, own, from_b64url("DGv6ra1nlYgDCS1FRnbzlw", 16)
    )
    assert b64url(made) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
        "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    with pytest.raises(ValueError, match="too many"):
        aes128gcm(b"x" * (LONGEST + 1), receiver, own, bytes(16))


def test_the_servers_key_is_always_the_same() -> None:
    """It follows from a secret that is kept, sealed and backed up: nothing more can be lost."""
    assert PushKey.derived(b"secret").public == PushKey.derived(b"secret").public
    assert PushKey.derived(b"secret").public != PushKey.derived(b"another").public


@pytest.mark.parametrize("bad", [b"", bytes(65), b"\x04" + bytes(64), b"\x04" + b"\xff" * 64], ids=len)
def test_a_key_that_is_not_on_the_curve_is_refused(bad: bytes) -> None:
    """RFC 8291 §7: points are validated (invalid curve attacks)."""
    with pytest.raises(BadKey):
        point(bad)


@pytest.mark.parametrize("standard", [True, False], ids=["aes128gcm", "aesgcm"])
async def test_a_notification_reaches_the_app(
    alice: Home, app: Client, carol: Stranger, service: PushService, standard: bool
) -> None:
    """Encrypted for the app alone, signed by the key that the app was given; then nothing is owed."""
    made = await subscribe(app, service, standard=standard)
    assert isinstance(made["id"], int)
    await liked(alice, carol)
    got = await first(service)
    assert got.claims["aud"] == service.base
    assert 0 < got.claims["exp"] - alice.clock().timestamp() <= 24 * 3600
    assert got.headers["Urgency"] == "normal"
    assert int(got.headers["TTL"]) > 0
    assert got.said["notification_type"] == "favourite"
    assert got.said["title"] == "Carol favourited your post"
    assert got.said["body"] == "push me"
    assert isinstance(got.said["notification_id"], int)
    assert app.token is not None
    assert got.said["access_token"] == app.token
    assert app.token not in f"{got.headers}{got.claims}"

    async def settled() -> bool:
        return await owed(alice) == 0

    await eventually(settled)


async def test_a_token_is_in_no_message_before_its_app_called_again(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """Tokens are stored hashed (security.md §7): after a restart only the app can say its own."""
    await subscribe(app, service)
    await alice.restart()
    await liked(alice, carol)
    assert (await first(service)).said["access_token"] == ""
    assert (await app.get(PATH)).status == 200
    await liked(alice, carol, "once more")

    async def second() -> bool:
        return len(service.got) == 2

    await eventually(second)
    assert service.got[1].said["access_token"] == app.token
    assert app.token is not None
    for file in alice.settings.data.rglob("*"):
        assert not file.is_file() or app.token.encode() not in file.read_bytes(), file


async def test_only_what_was_asked_for_is_pushed(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """Per-type alerts and the policy decide when the notification is written."""
    await subscribe(app, service, alerts={"mention": True, "favourite": False})
    await liked(alice, carol)
    assert await owed(alice) == 0
    await subscribe(app, service, alerts={"favourite": True}, policy="followed")
    await liked(alice, carol)
    assert await owed(alice) == 0
    assert service.tried == 0


async def test_a_strangers_mention_rings_no_phone(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """What waits in the request box is not told."""
    await subscribe(app, service)
    await carol.deliver(carol.say("buy now", alice.node.ids.actor), alice.base)
    assert await owed(alice) == 0


async def test_what_is_taken_back_on_its_way_takes_nothing_else_along(
    alice: Home, app: Client, carol: Stranger, dave: Stranger, service: PushService
) -> None:
    """Carol's push is under way when she takes her like back; Dave's, owed meanwhile, is told all the same."""
    await subscribe(app, service)
    service.go.clear()
    post = (await said(alice, "push me")).note.iri
    like = carol.activity("Like", post)
    assert (await carol.deliver(like, alice.base)).status == 202

    async def under_way() -> bool:
        return service.tried == 1

    await eventually(under_way)
    assert (await carol.deliver(carol.activity("Undo", like), alice.base)).status == 202
    assert (await dave.deliver(dave.activity("Like", post), alice.base)).status == 202
    service.go.set()

    async def told() -> bool:
        return any(push.said["title"] == "Dave favourited your post" for push in service.got)

    await eventually(told)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_removed(
    alice: Home, app: Client, carol: Stranger, service: PushService, status: int
) -> None:
    """RFC 8030 §7.3."""
    await subscribe(app, service)
    service.answer = status
    await liked(alice, carol)

    async def gone() -> bool:
        return (await app.get(PATH)).status == 404

    await eventually(gone)
    assert await owed(alice) == 0


async def test_a_service_in_trouble_is_asked_again(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """ "queue rows like any other": kept, tried later, and gone once it was taken; also after a restart."""
    await subscribe(app, service)
    service.answer = 503
    await liked(alice, carol)

    async def tried() -> bool:
        return service.tried == 1

    await eventually(tried)
    await alice.stop()
    service.answer = 201
    alice.clock.forward(timedelta(minutes=2))
    await alice.start()
    assert (await first(service)).said["notification_type"] == "favourite"


async def test_a_service_that_does_not_answer_keeps_no_other_phone_waiting(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """However much is owed to it: what is owed to another app goes out at once."""
    await subscribe(app, service)
    service.go.clear()
    async with PushService() as other:
        await subscribe(await Client.of(alice), other)
        for number in range(12):
            await liked(alice, carol, f"push me {number}")

            async def told(so_far: int = number + 1) -> bool:
                return len(other.got) == so_far

            await eventually(told)
    service.go.set()


async def test_what_is_old_is_no_news(alice: Home, app: Client, carol: Stranger, service: PushService) -> None:
    """After two days a push that could not be delivered is dropped."""
    await subscribe(app, service)
    service.answer = 503
    await liked(alice, carol)

    async def tried() -> bool:
        return service.tried == 1

    await eventually(tried)
    await alice.stop()
    service.answer = 201
    alice.clock.forward(timedelta(days=3))
    await alice.start()

    async def settled() -> bool:
        return await owed(alice) == 0

    await eventually(settled)
    assert service.got == []


async def test_a_revoked_token_is_told_nothing(alice: Home, app: Client, carol: Stranger, service: PushService) -> None:
    """With the token goes its subscription, and what is owed to it."""
    await subscribe(app, service)
    async with alice.node.store.write() as tx:
        assert app.token is not None
        await tokens.revoke(tx, hashes=[tokens.hashed(app.token)])
    await liked(alice, carol)
    assert await owed(alice) == 0


async def test_an_inner_address_is_never_dialled(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """security.md §5: the guard sits where the socket is made; such a subscription goes at the first push."""
    inner = {**service.subscription(), "endpoint": "https://10.0.0.1:8443/push"}
    await app.post(PATH, {"subscription": inner, "data": {"alerts": {"favourite": True}}})
    await liked(alice, carol)

    async def gone() -> bool:
        return (await app.get(PATH)).status == 404

    await eventually(gone)


async def test_a_name_that_leads_astray_for_a_while_ends_no_subscription(
    alice: Home, app: Client, carol: Stranger, service: PushService
) -> None:
    """federation.md §9: "DNS … retry". Nobody subscribes anew because a router answered for everybody for a minute."""
    await greet(alice, carol)  # so that her key is known
    named = {**service.subscription(), "endpoint": f"http://localhost:{service.port}/push/1"}
    await app.post(PATH, {"subscription": named, "data": {"alerts": {"favourite": True}}})
    client = alice.node.client
    usual = client._guard
    client._guard = Guard(networks(["10.9.9.0/24"]))  # so loopback is no address that may be dialled
    before = counters["push.retried"]
    await liked(alice, carol)

    async def tried() -> bool:
        return counters["push.retried"] > before

    await eventually(tried)
    client._guard = usual
    assert (await app.get(PATH)).status == 200
    assert await owed(alice) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        {"endpoint": "https://example.com:25/push"},
        {"endpoint": "ftp://example.com/push"},
        {"endpoint": "https://user@example.com/push"},
        {"endpoint": ""},
        {"endpoint": "https://e.example/" + "x" * 4000},
        {"keys": {}},
        {"keys": {"p256dh": "AAAA", "auth": "AAAA"}},
        {"keys": "nonsense"},
    ],
    ids=str,
)
async def test_a_subscription_that_cannot_work_is_refused(
    app: Client, service: PushService, spoil: dict[str, Any]
) -> None:
    """security.md §5: the endpoint is an address that a stranger names; 422, nothing stored."""
    answer = await app.post(PATH, {"subscription": {**service.subscription(), **spoil}})
    assert answer.status == 422, answer.body
    assert (await app.get(PATH)).status == 404


async def test_a_subscription_is_changed_and_removed(app: Client, service: PushService) -> None:
    """client-api.md §2: 404 when none; forms with brackets, also on PUT."""
    assert (await app.get(PATH)).status == 404
    assert (await app.request("PUT", PATH, data={"data[alerts][mention]": "true"})).status == 404
    await subscribe(app, service)
    form = {"data[alerts][follow]": "true", "data[alerts][mention]": "false", "data[policy]": "follower"}
    changed = await app.request("PUT", PATH, data=form)
    assert changed.json["policy"] == "follower"
    assert [name for name, wanted in changed.json["alerts"].items() if wanted] == ["follow"]
    assert (await app.get(PATH)).json == changed.json
    assert (await app.request("PUT", PATH, data={"data[policy]": "strangers"})).status == 422
    assert (await app.request("DELETE", PATH)).json == {}
    assert (await app.get(PATH)).status == 404


async def test_the_key_is_named_wherever_apps_look(app: Client, service: PushService) -> None:
    """`vapid_key` of the app, `configuration.vapid.public_key` of the instance, `server_key` of the subscription."""
    made = await subscribe(app, service)
    instance = (await app.get("/api/v2/instance")).json
    assert instance["configuration"]["vapid"]["public_key"] == made["server_key"]
    assert (await app.get("/api/v1/apps/verify_credentials")).json["vapid_key"] == made["server_key"]
