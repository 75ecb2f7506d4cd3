"""Statuses, written and read by an app."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from keys import Identity
from node.model import Iri, Preferences, Visibility
from node.storage import scheduled
from tests.support.client import Answer, Client
from tests.support.following import arrives, follows, said
from tests.support.homes import Home, eventually
from tests.support.stranger import PUBLIC, Stranger, stamp
from tests.web.mastodon import shapes


async def posted(app: Client, words: str = "hello", **more: object) -> dict[str, object]:
    answer = await app.post("/api/v1/statuses", {"status": words, **more})
    assert answer.status == 200, answer.body
    found: dict[str, object] = answer.json
    return found


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [status["id"] for status in answer.json]


# ── shapes ───────────────────────────────────────────────────────────────────────────────────


async def test_a_status_has_every_field(app: Client, anybody: Client, alice: Home, carol: Stranger) -> None:
    """client-api.md §6: fields that crash when missing or null."""
    parent = await posted(app, "first #Tag", spoiler_text="careful")
    child = await posted(app, f"second {alice.address}", in_reply_to_id=parent["id"], language="fr")
    await follows(alice, carol)
    await carol.deliver(carol.create(carol.note(f"<p>hi {alice.address}</p>", cc=[alice.node.ids.actor])), alice.base)
    await carol.deliver(carol.activity("Announce", parent["uri"]), alice.base)
    await arrives(alice, "hi")
    home = await app.get("/api/v1/timelines/home")
    assert len(home.json) == 3
    shapes.check(shapes.Many(shapes.STATUS), home.json)
    assert child["in_reply_to_id"] == parent["id"]
    assert child["language"] == "fr"
    assert parent["tags"] == [{"name": "tag", "url": f"{alice.base}/tags/tag"}]
    assert parent["sensitive"] is True
    assert child["edited_at"] is None
    assert {status["account"]["username"]: "pinned" in status for status in home.json} == {
        "alice": True,
        "carol": False,
    }
    shapes.check(shapes.OPEN_STATUS, (await anybody.get(f"/api/v1/statuses/{parent['id']}")).json)


async def test_every_status_carries_its_verdict(app: Client, alice: Home, carol: Stranger, dave: Stranger) -> None:
    """decisions.md §16: "every Status carries cuicui"."""
    for who in (carol, dave):
        await follows(alice, who)
        note = who.note(f"<p>by {who.name}</p>")
        if who is dave:
            note = dave.prove(note)
        await who.deliver(who.create(note), alice.base)
        await arrives(alice, f"by {who.name}")
    verdicts = {status["account"]["username"]: status for status in (await app.get("/api/v1/timelines/home")).json}
    assert verdicts["carol"]["cuicui"]["verdict"] == "vouched"
    assert verdicts["dave"]["cuicui"]["verdict"] == "signed"
    assert verdicts["carol"]["filtered"] == []
    keys = [field for field in verdicts["dave"]["account"]["fields"] if field["name"] == "Signing key"]
    assert keys[0]["value"].startswith("z6Mk")
    assert keys[0]["verified_at"] is not None
    assert not [field for field in verdicts["carol"]["account"]["fields"] if field["name"] == "Signing key"]


async def test_evidence_can_be_checked_by_itself(app: Client, anybody: Client, alice: Home, dave: Stranger) -> None:
    """decisions.md §16: the bundle that `cuicui verify FILE` checks offline; for own posts too."""
    from node.federation.examine import file_alone

    own = await posted(app, "mine")
    await follows(alice, dave)
    await dave.deliver(dave.create(dave.prove(dave.note("<p>theirs</p>"))), alice.base)
    await arrives(alice, "theirs")
    for status in (await app.get("/api/v1/timelines/home")).json:
        url = status["cuicui"]["proof_url"].removeprefix(alice.base)
        bundle = await app.get(url)
        examined = file_alone(bundle.body, None, alice.clock())
        assert examined.verdict.value != "refused"
        assert bundle.json["verdict"]["verdict"] == "signed"
        assert (await anybody.get(url)).status == (200 if status["id"] == own["id"] else 404)


async def test_evidence_is_shown_with_whatever_numbers_are_in_it(app: Client, alice: Home, carol: Stranger) -> None:
    """decisions.md §8, evidence is kept as it came: also what the node itself has no use for."""
    await follows(alice, carol)
    number = -9_999_999_999_999_999_999
    await carol.deliver(carol.create(carol.note("<p>odd</p>", weight=number)), alice.base)
    post = await arrives(alice, "odd")
    bundle = await app.get(f"/api/cuicui/v1/statuses/{post.id}/evidence")
    assert (bundle.status, bundle.json["object"]["weight"]) == (200, number)


# ── write ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Text can't be blank"),
        ({"status": "  "}, "Text can't be blank"),
        ({"status": "x", "visibility": "secret"}, "Visibility is not included in the list"),
        ({"status": "x", "language": "<b>"}, "Language"),
        ({"status": "x", "media_ids": ["nonsense"]}, "Media not found"),
        ({"status": "x", "media_ids": ["1"]}, ""),
        ({"status": "x", "media_ids": ["1", "2", "3", "4", "5"]}, "Cannot attach more than 4 files"),
        ({"status": "x", "poll": {"options": ["one"]}}, "2 to 4"),
        ({"status": "x", "poll": {"options": [str(n) for n in range(500)]}}, "2 to 4"),
        ({"status": "x", "poll": {"options": ["a", "b"], "expires_in": 1}}, "5 minutes"),
        ({"status": "x", "poll": "yes"}, "poll"),
        ({"status": "x" * 10_000}, "140"),
        ({"status": "x", "scheduled_at": "soon"}, "scheduled_at"),
    ],
)
async def test_what_cannot_be_posted_is_told_apart(app: Client, form: dict[str, object], said: str) -> None:
    """issue 4: "Wrong input gets the status and JSON error that Mastodon gives"; nothing is stored."""
    answer = await app.post("/api/v1/statuses", form)
    assert answer.status == 422, answer.body
    assert said.lower() in json.dumps(answer.json).lower()
    assert (await app.get("/api/v1/timelines/home")).json == []


async def test_answering_what_is_not_here_is_a_404(app: Client) -> None:
    answer = await app.post("/api/v1/statuses", {"status": "x", "in_reply_to_id": "12345"})
    assert (answer.status, answer.json["error"]) == (
        404,
        "The status you are trying to reply to does not appear to exist.",
    )


async def test_one_idempotency_key_makes_one_status(app: Client, alice: Home) -> None:
    """client-api.md §8: "Idempotency-Key in parallel requests (one status, not two)"."""
    how = {"headers": {"Idempotency-Key": "abc"}}
    answers = await asyncio.gather(*(app.post("/api/v1/statuses", {"status": "once"}, **how) for _ in range(5)))
    assert len({answer.json["id"] for answer in answers}) == 1
    again = await app.post("/api/v1/statuses", {"status": "once"}, **how)
    assert again.json["id"] == answers[0].json["id"]
    other = await app.post("/api/v1/statuses", {"status": "once"}, headers={"Idempotency-Key": "abd"})
    assert other.json["id"] != again.json["id"]
    another = await (await Client.of(alice)).post("/api/v1/statuses", {"status": "once"}, **how)
    assert another.json["id"] != again.json["id"]
    assert len(await alice.texts()) == 3


async def test_an_edit_keeps_the_versions(app: Client, anybody: Client) -> None:
    """client-api.md §3: /source before an edit; /history with a verdict each."""
    first = await posted(app, "first")
    path = f"/api/v1/statuses/{first['id']}"
    assert (await app.get(f"{path}/source")).json == {"id": first["id"], "text": "first", "spoiler_text": ""}
    edited = await app.request("PUT", path, json={"status": "second", "spoiler_text": "w", "sensitive": "true"})
    assert edited.status == 200
    shapes.check(shapes.STATUS, edited.json)
    assert "second" in edited.json["content"]
    assert edited.json["edited_at"] is not None
    same = await app.request("PUT", path, json={"status": "second", "spoiler_text": "w"})
    assert same.json == edited.json
    versions = (await app.get(f"{path}/history")).json
    shapes.check(shapes.Many(shapes.STATUS_EDIT), versions)
    assert [("first" in one["content"], one["cuicui"]["verdict"]) for one in versions] == [
        (True, "signed"),
        (False, "signed"),
    ]
    assert (await app.request("PUT", path, json={"status": "x" * 141})).status == 422
    assert (await anybody.get(f"{path}/source")).status == 401
    assert (await anybody.request("PUT", path, json={"status": "mine now"})).status == 401


async def test_an_earlier_version_is_not_told_with_the_key_of_the_last(
    app: Client, alice: Home, dave: Stranger
) -> None:
    """decisions.md §7: "which key, since when it is known, how": of that key, or nothing."""
    await follows(alice, dave)
    note = dave.note("before")
    await dave.deliver(dave.create(dave.prove(note)), alice.base)
    post = await arrives(alice, "before")
    before, dave.identity = dave.identity.public.multikey, Identity.generate()
    dave.publish()
    await alice.node.actors.refresh(dave.iri)
    newer = {**note, "content": "<p>after</p>", "updated": stamp(datetime.now(UTC) + timedelta(seconds=5))}
    await dave.deliver(dave.activity("Update", dave.prove(newer), to=note["to"]), alice.base)
    await arrives(alice, "after")
    told = [one["cuicui"] for one in (await app.get(f"/api/v1/statuses/{post.id}/history")).json]
    now = (await app.get(f"/api/v1/statuses/{post.id}")).json["cuicui"]
    assert [(one["verdict"], one["key"]) for one in told] == [("signed", before), ("changed", now["key"])]
    known = [[one["key_since"], one["key_trust"], one["signed_at"]] for one in told]
    assert known == [[None, None, None], [now["key_since"], "first_use", now["signed_at"]]]


async def test_a_deleted_status_comes_back_with_its_words(app: Client) -> None:
    """client-api.md §4: "DELETE (returns the Status with `text`)"."""
    made = await posted(app, "to be written anew")
    answer = await app.request("DELETE", f"/api/v1/statuses/{made['id']}")
    assert (answer.status, answer.json["text"]) == (200, "to be written anew")
    assert (await app.get(f"/api/v1/statuses/{made['id']}")).status == 404
    assert (await app.request("DELETE", f"/api/v1/statuses/{made['id']}")).status == 404
    assert "text" not in made


async def test_nobody_edits_or_deletes_what_others_wrote(app: Client, alice: Home, carol: Stranger) -> None:
    await follows(alice, carol)
    await carol.deliver(carol.create(carol.note("<p>mine</p>")), alice.base)
    post = await arrives(alice, "mine")
    for method, path in (("PUT", ""), ("DELETE", ""), ("GET", "/source"), ("POST", "/pin")):
        answer = await app.request(method, f"/api/v1/statuses/{post.id}{path}", json={"status": "x"})
        assert answer.status in (404, 422), (method, path)


# ── privacy ──────────────────────────────────────────────────────────────────────────────────


async def test_anybody_reads_only_what_the_owner_says_openly(
    app: Client, anybody: Client, alice: Home, carol: Stranger
) -> None:
    """security.md §9: private stays private, and what others wrote is theirs to publish."""
    await follows(alice, carol)
    note = carol.note("<p>theirs</p>")
    carol.place.documents[urlsplit(note["id"]).path] = note  # where a thread is completed from
    await carol.deliver(carol.create(note), alice.base)
    theirs = str((await arrives(alice, "theirs")).id)
    made = {name: str((await posted(app, name, visibility=name))["id"]) for name in ("public", "unlisted", "private")}
    made["direct"] = str((await posted(app, f"direct {carol.handle}", visibility="direct"))["id"])
    open_ = {made["public"], made["unlisted"]}
    for identifier in (*made.values(), theirs):
        for tail in ("", "/context", "/history"):
            answer = await anybody.get(f"/api/v1/statuses/{identifier}{tail}")
            assert answer.status == (200 if identifier in open_ else 404), (identifier, tail)
            assert (await app.get(f"/api/v1/statuses/{identifier}{tail}")).status == 200
    query = "&".join(f"id[]={one}" for one in (*made.values(), theirs))
    assert set(ids(await anybody.get(f"/api/v1/statuses?{query}"))) == open_
    assert len(ids(await app.get(f"/api/v1/statuses?{query}"))) == 5
    for path in ("public", "public?remote=true", "tag/x"):
        assert set(ids(await anybody.get(f"/api/v1/timelines/{path}"))) <= {made["public"]}
    for path in ("timelines/home", "timelines/direct", "bookmarks", "favourites", "scheduled_statuses"):
        assert (await anybody.get(f"/api/v1/{path}")).status == 401


async def test_what_is_kept_for_the_owner_is_given_to_nobody_else(
    app: Client, anybody: Client, alice: Home, carol: Stranger
) -> None:
    """Answers are kept while nothing is written: those to the owner for the owner, those to others for others."""
    await follows(alice, carol)
    await carol.deliver(carol.create(carol.note("hers", cc=[f"{carol.iri}/followers"])), alice.base)
    theirs = (await arrives(alice, "hers")).id
    private, mine = (await posted(app, "private", visibility="private"))["id"], (await posted(app, "open"))["id"]
    for _ in range(2):
        for path in (f"/api/v1/statuses/{theirs}", f"/api/v1/statuses/{private}"):
            assert [(await who.get(path)).status for who in (app, anybody)] == [200, 404]
        both = f"/api/v1/statuses?id[]={theirs}&id[]={private}&id[]={mine}"
        assert [len((await who.get(both)).json) for who in (app, anybody)] == [3, 1]
        public = "/api/v1/timelines/public"
        assert [len((await who.get(public)).json) for who in (app, anybody)] == [2, 1]
        seen = [(await who.get(f"/api/v1/statuses/{mine}")).json for who in (app, anybody)]
        assert ["bookmarked" in one for one in seen] == [True, False]


async def test_a_thread_shows_each_only_what_they_may_read(app: Client, anybody: Client, carol: Stranger) -> None:
    root = await posted(app, "root")
    hidden = await posted(app, "hidden", in_reply_to_id=root["id"], visibility="private")
    seen = await posted(app, "seen", in_reply_to_id=root["id"])
    path = f"/api/v1/statuses/{root['id']}/context"
    whole = (await app.get(path)).json
    assert [one["id"] for one in whole["descendants"]] == [hidden["id"], seen["id"]]
    shapes.check(shapes.Many(shapes.STATUS), whole["descendants"])
    assert [one["id"] for one in (await anybody.get(path)).json["descendants"]] == [seen["id"]]
    above = (await app.get(f"/api/v1/statuses/{seen['id']}/context")).json["ancestors"]
    assert [one["id"] for one in above] == [root["id"]]
    below = await posted(app, "below what is hidden", in_reply_to_id=hidden["id"], visibility="public")
    path = f"/api/v1/statuses/{below['id']}/context"
    assert [one["id"] for one in (await app.get(path)).json["ancestors"]] == [root["id"], hidden["id"]]
    assert [one["id"] for one in (await anybody.get(path)).json["ancestors"]] == [root["id"]]


# ── acts ─────────────────────────────────────────────────────────────────────────────────────

TWINS = [
    ("favourite", "unfavourite", "favourited"),
    ("reblog", "unreblog", "reblogged"),
    ("bookmark", "unbookmark", "bookmarked"),
    ("pin", "unpin", "pinned"),
    ("mute", "unmute", "muted"),
]


@pytest.mark.parametrize(("do", "undo", "flag"), TWINS)
async def test_what_is_done_can_be_undone_and_twice_is_once(app: Client, do: str, undo: str, flag: str) -> None:
    """client-api.md §3: POST …/{favourite, unfavourite, …} → Status."""
    made = await posted(app)
    path = f"/api/v1/statuses/{made['id']}"
    assert made[flag] is False
    for act, wanted in ((undo, False), (do, True), (do, True), (undo, False), (undo, False)):
        answer = await app.post(f"{path}/{act}")
        assert answer.status == 200, (act, answer.body)
        shapes.check(shapes.STATUS, answer.json)
        assert answer.json[flag] is wanted, act
        assert (await app.get(path)).json[flag] is wanted, act


async def test_acts_need_their_scope_and_a_post_that_is_here(app: Client, anybody: Client) -> None:
    made = await posted(app)
    for do, undo, _ in TWINS:
        for act in (do, undo):
            assert (await anybody.post(f"/api/v1/statuses/{made['id']}/{act}")).status == 401
            assert (await app.post(f"/api/v1/statuses/77/{act}")).status == 404


async def test_a_boost_is_a_status_of_its_own(app: Client, alice: Home, carol: Stranger) -> None:
    """GET, context and acts on the number of a boost mean the post inside."""
    made = await posted(app, "worth it")
    await follows(alice, carol)
    await said(alice, "something else")
    alice.clock.forward(timedelta(days=2))
    await carol.deliver(carol.activity("Announce", made["uri"]), alice.base, at=alice.clock())

    async def boosted() -> dict[str, object] | None:
        newest = (await app.get("/api/v1/timelines/home")).json[0]
        return newest if newest["reblog"] else None

    wrapper = await eventually(boosted)
    assert wrapper is not None
    shapes.check(shapes.STATUS, wrapper)
    assert wrapper["reblog"]["id"] == made["id"]  # type: ignore[index]
    path = f"/api/v1/statuses/{wrapper['id']}"
    assert (await app.get(path)).json == wrapper
    assert (await app.get(f"{path}/context")).status == 200
    liked = (await app.post(f"{path}/favourite")).json
    assert (liked["id"], liked["favourited"]) == (made["id"], True)
    people = await app.get(f"/api/v1/statuses/{made['id']}/reblogged_by")
    shapes.check(shapes.Many(shapes.ACCOUNT), people.json)
    assert [person["username"] for person in people.json] == ["carol"]
    assert [one["acct"] for one in (await app.get(f"{path}/favourited_by")).json] == ["alice"]


async def test_reblog_answers_with_the_boost(app: Client) -> None:
    made = await posted(app)
    boost = (await app.post(f"/api/v1/statuses/{made['id']}/reblog")).json
    assert boost["id"] != made["id"]
    assert (boost["reblog"]["id"], boost["reblog"]["reblogged"]) == (made["id"], True)
    closed = await posted(app, "for followers", visibility="private")
    refused = await app.post(f"/api/v1/statuses/{closed['id']}/reblog")
    assert (refused.status, refused.json["error"]) == (403, "This action is not allowed")
    assert (await app.request("DELETE", f"/api/v1/statuses/{boost['id']}")).json["reblogged"] is False
    assert (await app.get(f"/api/v1/statuses/{made['id']}")).json["reblogged"] is False


async def test_counts_follow_what_others_do(app: Client, alice: Home, carol: Stranger) -> None:
    """Rendered statuses are kept, and given only while they are right."""
    made = await posted(app)
    path = f"/api/v1/statuses/{made['id']}"
    assert (await app.get(path)).json["favourites_count"] == 0
    like = carol.activity("Like", made["uri"])
    await carol.deliver(like, alice.base)
    assert (await app.get(path)).json["favourites_count"] == 1
    await carol.deliver(carol.activity("Undo", like), alice.base)
    assert (await app.get(path)).json["favourites_count"] == 0
    reply = carol.note("<p>well</p>", cc=[alice.node.ids.actor], inReplyTo=made["uri"])
    await carol.deliver(carol.create(reply), alice.base)
    await eventually(lambda: _replies(app, path))


async def _replies(app: Client, path: str) -> bool:
    return bool((await app.get(path)).json["replies_count"] == 1)


async def test_a_poll_is_asked_and_voted_in(app: Client, anybody: Client, alice: Home, bob: Home) -> None:
    made = await posted(app, "tea?", poll={"options": ["yes", "no"], "expires_in": "3600", "multiple": "false"})
    shapes.check(shapes.POLL, made["poll"])
    assert made["poll"]["voted"] is True  # type: ignore[index]
    path = f"/api/v1/polls/{made['id']}"
    assert "voted" not in (await anybody.get(path)).json
    assert (await app.post(f"{path}/votes", {"choices": [0]})).status == 422
    await bob.node.owner.follow(alice.node.ids.actor)
    app_of_bob = await Client.of(bob)
    await bob.node.reading.open_thread(str(made["uri"]))
    post = await bob.node.owner.find_post(str(made["uri"]))
    assert post is not None
    path = f"/api/v1/polls/{post.id}"
    for wrong in ([], ["2"], ["x"], ["0", "1"]):
        assert (await app_of_bob.post(f"{path}/votes", {"choices": wrong})).status == 422
    voted = await app_of_bob.post(f"{path}/votes", {"choices": ["1"]})
    shapes.check(shapes.POLL, voted.json)
    assert (voted.json["voted"], voted.json["own_votes"], voted.json["options"][1]["votes_count"]) == (True, [1], 1)
    assert (await app_of_bob.get(path)).json["own_votes"] == [1]
    assert (await app_of_bob.post(f"{path}/votes", {"choices": ["0"]})).status == 422


async def test_the_lookalike_of_a_friend_is_behind_a_warning(
    app: Client, alice: Home, carol: Stranger, elsewhere: object
) -> None:
    """client-api.md §7: a synthetic filter; `synthetic` false leaves it out."""
    await follows(alice, carol)
    fake = elsewhere.stranger("carol")  # type: ignore[attr-defined]
    note = fake.note(f"<p>trust me {alice.address}</p>", to=[PUBLIC, alice.node.ids.actor])
    note["tag"] = [{"type": "Mention", "href": alice.node.ids.actor, "name": alice.address}]
    await fake.deliver(fake.create(note), alice.base)
    post = await eventually(lambda: alice.shows("trust me"))
    assert post is not None
    path = f"/api/v1/statuses/{post.id}"
    shown = (await app.get(path)).json
    shapes.check(shapes.STATUS, shown)
    warning = f"looks like {carol.handle} — is not"
    assert shown["filtered"][0]["filter"]["title"] == warning
    said = shown["account"]["fields"][0]
    assert (said["name"], said["value"], said["verified_at"]) == ("Caution", warning, None)
    assert not shown["account"]["created_at"].startswith("1970")  # it does not say: since it was first met
    profile = await alice.node.owner.profile()
    await alice.node.owner.change_profile(preferences=_quiet(profile.preferences))
    quiet = (await app.get(path)).json
    assert (quiet["filtered"], quiet["account"]["fields"]) == ([], [])


def _quiet(preferences: object) -> object:
    from dataclasses import replace

    return replace(preferences, synthetic=False)  # type: ignore[type-var]


# ── later ────────────────────────────────────────────────────────────────────────────────────


async def test_a_status_is_published_when_its_time_comes(app: Client, alice: Home) -> None:
    """issue 4: scheduled statuses; they outlive a restart, and are published once."""
    at = (alice.clock() + timedelta(hours=1)).isoformat()
    made = await app.post("/api/v1/statuses", {"status": "later", "scheduled_at": at, "visibility": "unlisted"})
    shapes.check(shapes.SCHEDULED_STATUS, made.json)
    path = f"/api/v1/scheduled_statuses/{made.json['id']}"
    assert (await app.get("/api/v1/scheduled_statuses")).json == [made.json]
    assert (await app.get(path)).json == made.json
    soon = (alice.clock() + timedelta(minutes=1)).isoformat()
    assert (await app.request("PUT", path, json={"scheduled_at": soon})).status == 422
    later = (alice.clock() + timedelta(hours=2)).isoformat()
    assert (await app.request("PUT", path, json={"scheduled_at": later})).status == 200
    assert await alice.texts() == []
    await alice.stop()
    alice.clock.forward(timedelta(hours=3))
    await alice.start()

    async def there() -> bool:
        return await alice.texts() == ["<p>later</p>"]

    await eventually(there)

    async def gone() -> bool:
        return (await app.get("/api/v1/scheduled_statuses")).json == []

    await eventually(gone)
    assert (await app.get(path)).status == 404
    assert (await app.get("/api/v1/timelines/home")).json[0]["visibility"] == "unlisted"


async def test_a_scheduled_status_is_published_once_though_it_is_still_on_the_list(app: Client, alice: Home) -> None:
    """A node that dies between publishing and taking it off the list publishes nothing a second time."""
    at = (alice.clock() + timedelta(hours=1)).isoformat()
    made = await app.post("/api/v1/statuses", {"status": "later", "scheduled_at": at})
    waiting = await alice.node.schedule.get(int(made.json["id"]))
    await alice.node.schedule.due(Iri(made.json["id"]), False)
    async with alice.node.store.write() as tx:
        await scheduled.add(tx, waiting)
    await alice.node.schedule.due(Iri(made.json["id"]), False)
    assert await alice.texts() == ["<p>later</p>"]
    assert (await app.get("/api/v1/scheduled_statuses")).json == []


async def test_a_scheduled_status_can_be_called_off(app: Client, alice: Home) -> None:
    at = (alice.clock() + timedelta(hours=1)).isoformat()
    made = await app.post("/api/v1/statuses", {"status": "later", "scheduled_at": at})
    path = f"/api/v1/scheduled_statuses/{made.json['id']}"
    assert (await app.request("DELETE", path)).json == {}
    assert (await app.request("DELETE", path)).status == 404
    assert (await alice.rows())["chores"] == 0


async def test_a_thread_is_completed_while_it_is_read(app: Client, alice: Home, bob: Home) -> None:
    """The answer comes from the store; what is missing is fetched from its origin, and not waited for for long."""
    root = await posted(app, "root")
    await posted(app, "answer", in_reply_to_id=root["id"])
    app_of_bob = await Client.of(bob)
    await bob.node.reading.open_thread(str(root["uri"]), fetch=True)
    post = await bob.node.owner.find_post(str(root["uri"]))
    assert post is not None

    async def whole() -> bool:
        context = await app_of_bob.get(f"/api/v1/statuses/{post.id}/context")
        assert context.status == 200
        return [status["content"] for status in context.json["descendants"]] == ["<p>answer</p>"]

    await eventually(whole)
    anybody = Client(bob, None)
    assert (await anybody.get(f"/api/v1/statuses/{post.id}/context")).status == 404


@pytest.mark.parametrize(
    ("usual", "above", "said", "below"),
    [
        (Visibility.PUBLIC, "direct", None, "direct"),
        (Visibility.PUBLIC, "private", None, "private"),
        (Visibility.PUBLIC, "private", "public", "public"),
        (Visibility.PUBLIC, "unlisted", None, "public"),
        (Visibility.PUBLIC, "public", None, "public"),
        (Visibility.FOLLOWERS, "direct", None, "direct"),
        (Visibility.DIRECT, "private", None, "direct"),
    ],
)
async def test_an_answer_is_no_more_public_than_what_it_answers_unless_told(
    alice: Home, app: Client, usual: Visibility, above: str, said: str | None, below: str
) -> None:
    """Private stays private: toot sends no visibility with a reply. Nor does it go to more than is usual."""
    await alice.node.owner.change_profile(preferences=Preferences(usual))
    parent = (await app.post("/api/v1/statuses", {"status": "between us", "visibility": above})).json
    asked = {"status": "and back", "in_reply_to_id": parent["id"], **({"visibility": said} if said else {})}
    answer = await app.post("/api/v1/statuses", asked)
    assert (answer.status, answer.json["visibility"]) == (200, below)
