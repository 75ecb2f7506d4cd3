"""Polls over the wire: asked, voted in, counted, told of; and every vote that is none."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from node.errors import NotAllowed
from node.model import Draft, Poll, PollDraft, Post, QuotePolicy, Tell, Verdict, Visibility
from tests.support.clock import FakeClock
from tests.support.following import arrives, befriend, follows
from tests.support.homes import Home, eventually
from tests.support.stranger import PUBLIC, Json, Place, Stranger, stamp

TEA = PollDraft(("Tea", "Coffee", "Neither"))
BOTH = PollDraft(("Tea", "Coffee"), multiple=True)


async def asks(home: Home, poll: PollDraft = TEA, visibility: Visibility = Visibility.PUBLIC) -> Post:
    return (await home.node.owner.post(Draft("What will it be?", visibility=visibility, poll=poll))).post


def ballot(voter: Stranger, question: str, to: str, *names: str, **more: object) -> Json:
    """Mastodon's vote; GoToSocial's, where there are several names."""
    notes = [
        {
            "id": voter.new_id("votes"),
            "type": "Note",
            "name": name,
            "attributedTo": voter.iri,
            "to": to,
            "inReplyTo": question,
            **more,
        }
        for name in names
    ]
    return voter.activity("Create", notes[0] if len(notes) == 1 else notes, to=to)


async def errands_run(home: Home, until: Callable[[], bool]) -> None:
    """What is due is done by the node itself; it is only told to look."""

    async def done() -> bool:
        home.node.events.publish([Tell("errand", "")])
        return until()

    await eventually(done)


async def counts(home: Home, post: Post) -> tuple[int, ...]:
    found = await home.node.owner.find_post(post.note.iri)
    assert found is not None
    assert found.note.poll is not None
    return tuple(choice.votes for choice in found.note.poll.choices)


def question(author: Stranger, names: list[str], votes: list[int] | None = None, **more: object) -> Json:
    votes = votes or [0] * len(names)
    choices = [
        {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": number}}
        for name, number in zip(names, votes, strict=True)
    ]
    ends = stamp(datetime.now(UTC) + timedelta(days=1))
    given: Json = {"type": "Question", "oneOf": choices, "endTime": ends, "votersCount": sum(votes), **more}
    return author.note("Which?", cc=[f"{author.iri}/followers"], **given)


# ── the owner asks ───────────────────────────────────────────────────────────────────────────


async def test_votes_are_counted_and_never_shown(alice: Home, carol: Stranger, dave: Stranger):
    """federation.md §7: a Create of a note with a name, no content, in reply to the question."""
    post = await asks(alice)
    assert (await carol.deliver(ballot(carol, post.note.iri, alice.node.ids.actor, "Tea"), alice.base)).status == 202
    assert (await dave.deliver(ballot(dave, post.note.iri, alice.node.ids.actor, "Coffee"), alice.base)).status == 202
    assert await counts(alice, post) == (1, 1, 0)
    assert await alice.said_to_me() == []
    assert (await alice.rows())["notes"] == 1


BALLOTS: dict[str, tuple[PollDraft, list[tuple[str, ...]], tuple[int, ...]]] = {
    "once": (TEA, [("Tea",), ("Coffee",)], (1, 0, 0)),
    "twice the same": (TEA, [("Tea",), ("Tea",)], (1, 0, 0)),
    "two at once": (TEA, [("Tea", "Coffee")], (1, 0, 0)),
    "unknown": (TEA, [("Milk",)], (0, 0, 0)),
    "one by one": (BOTH, [("Tea",), ("Coffee",)], (1, 1)),
    "both at once": (BOTH, [("Tea", "Coffee")], (1, 1)),
    "again and unknown": (BOTH, [("Tea",), ("Tea", "Milk")], (1, 0)),
}


async def test_a_voter_counts_once(alice: Home, carol: Stranger):
    """One vote per actor where one choice is to be made, several where the poll allows it; unknown choices are none."""
    found = {}
    for name, (poll, ballots, _) in BALLOTS.items():
        post = await asks(alice, poll)
        for names in ballots:
            said = await carol.deliver(ballot(carol, post.note.iri, alice.node.ids.actor, *names), alice.base)
            assert said.status == 202
        found[name] = await counts(alice, post)
    assert found == {name: expected for name, (_, _, expected) in BALLOTS.items()}


async def test_late_votes_do_not_count(alice: Home, carol: Stranger, clock: FakeClock):
    """After `endTime` nothing changes any more."""
    post = await asks(alice, PollDraft(("Tea", "Coffee"), lasts=timedelta(minutes=5)))
    clock.forward(timedelta(minutes=6))
    vote = ballot(carol, post.note.iri, alice.node.ids.actor, "Tea")
    assert (await carol.deliver(vote, alice.base, at=clock())).status == 202
    assert await counts(alice, post) == (0, 0)


async def test_a_vote_in_somebody_elses_name_is_refused(alice: Home, carol: Stranger, mallory: Stranger):
    """security.md §2: who signs is who votes; and a good vote counts afterwards."""
    post = await asks(alice)
    me = alice.node.ids.actor
    forged = ballot(mallory, post.note.iri, me, "Tea", attributedTo=carol.iri)
    assert (await mallory.deliver(forged, alice.base)).verdict == (403, "wrong_author")
    foreign = ballot(mallory, post.note.iri, me, "Tea", id=f"{carol.iri}/votes/1")
    assert (await mallory.deliver(foreign, alice.base)).verdict == (403, "wrong_origin")
    carols = ballot(carol, post.note.iri, me, "Tea")
    assert (await mallory.deliver(carols, alice.base)).verdict == (403, "wrong_actor")
    assert await counts(alice, post) == (0, 0, 0)
    assert (await carol.deliver(carols, alice.base)).status == 202
    assert await counts(alice, post) == (1, 0, 0)


async def test_the_blocked_have_no_vote(alice: Home, carol: Stranger):
    """A block holds everywhere."""
    post = await asks(alice)
    await alice.node.moderation.block(carol.iri)
    said = await carol.deliver(ballot(carol, post.note.iri, alice.node.ids.actor, "Tea"), alice.base)
    assert said.verdict == (403, "blocked")
    assert await counts(alice, post) == (0, 0, 0)


async def test_who_may_not_read_a_poll_has_no_vote(alice: Home, carol: Stranger, dave: Stranger):
    """A poll for followers is for followers."""
    await dave.deliver(dave.activity("Follow", alice.node.ids.actor), alice.base)
    post = await asks(alice, visibility=Visibility.FOLLOWERS)
    for voter in (carol, dave):
        said = await voter.deliver(ballot(voter, post.note.iri, alice.node.ids.actor, "Tea"), alice.base)
        assert said.status == 202
    assert await counts(alice, post) == (1, 0, 0)


async def test_counts_go_out_together(alice: Home, carol: Stranger, dave: Stranger, place: Place, clock: FakeClock):
    """After votes, one Update of the question, at most once a minute, to followers and voters; signed, and no edit."""
    await dave.deliver(dave.activity("Follow", alice.node.ids.actor), alice.base)
    post = await asks(alice)
    me = alice.node.ids.actor
    await carol.deliver(ballot(carol, post.note.iri, me, "Tea"), alice.base)
    await dave.deliver(ballot(dave, post.note.iri, me, "Tea"), alice.base)
    assert await alice.node.errands.do_what_is_due() == 0
    clock.forward(timedelta(seconds=61))
    await errands_run(alice, lambda: len(place.of_type("Update")) >= 2)
    await alice.quiet()
    updates = place.of_type("Update")
    assert sorted(item.path for item in updates) == ["/users/carol/inbox", "/users/dave/inbox"]
    told = updates[0].json["object"]
    assert isinstance(told, dict)
    assert [choice["replies"]["totalItems"] for choice in told["oneOf"]] == [2, 0, 0]
    assert told["votersCount"] == 2
    assert "updated" not in told
    assert told["proof"]
    served = await carol.get(post.note.iri)
    assert json.loads(served.body) == told


async def test_a_poll_that_ends_is_told_of(alice: Home, dave: Stranger, place: Place, clock: FakeClock):
    """At the end its result goes out, closed, and the owner hears of it once."""
    heard: list[Tell] = []
    alice.node.events.subscribe(heard.append)
    post = await asks(alice, PollDraft(("Tea", "Coffee"), lasts=timedelta(minutes=5)))
    await dave.deliver(ballot(dave, post.note.iri, alice.node.ids.actor, "Coffee"), alice.base)
    clock.forward(timedelta(minutes=5, seconds=1))
    await errands_run(alice, lambda: "closed" in json.dumps([item.json for item in place.of_type("Update")]))
    told = place.of_type("Update")[-1].json["object"]
    assert isinstance(told, dict)
    assert told["closed"] == told["endTime"]

    async def finished() -> bool:
        return (await alice.rows())["chores"] == 0

    await eventually(finished)
    clock.forward(timedelta(minutes=20))
    assert await alice.node.errands.do_what_is_due() == 0
    assert heard.count(Tell("poll", str(post.id))) == 1
    assert [tell.kind for tell in heard].count("notification") == 1


async def test_polls_have_limits(alice: Home):
    """Mastodon's own: four choices of 50 characters, five minutes to 31 days."""
    beyond = [
        PollDraft(("Tea",)),
        PollDraft(("1", "2", "3", "4", "5")),
        PollDraft(("Tea", "tea")),
        PollDraft(("Tea", " ")),
        PollDraft(("Tea", "x" * 51)),
        PollDraft(("Tea", "Coffee"), lasts=timedelta(minutes=4)),
        PollDraft(("Tea", "Coffee"), lasts=timedelta(days=32)),
    ]
    assert [poll for poll in beyond if not await _refused(asks(alice, poll))] == []
    assert (await alice.rows())["notes"] == 0


async def _refused(work: Awaitable[object]) -> bool:
    try:
        await work
    except NotAllowed:
        return True
    return False


# ── others ask ───────────────────────────────────────────────────────────────────────────────


async def test_a_poll_of_a_cuicui_node_is_voted_in_and_counted(alice: Home, bob: Home, clock: FakeClock):
    """Both ends: asked, signed, voted in, counted, and the counts come back without becoming an edit."""
    await befriend(bob, alice)
    await asks(alice, BOTH)
    there = await arrives(bob, "What will it be?")
    assert there.authorship.verdict is Verdict.SIGNED
    assert there.note.poll is not None
    assert [choice.name for choice in there.note.poll.choices] == ["Tea", "Coffee"]
    voted = await bob.node.polls.vote(there.note.iri, ["2", "Tea"])
    assert await bob.node.polls.votes_of_owner([there.note.iri]) == {there.note.iri: (0, 1)}
    assert voted.note.poll is not None
    assert voted.note.poll.votes == 2
    with pytest.raises(NotAllowed):
        await bob.node.polls.vote(there.note.iri, ["1"])
    await bob.quiet()
    own = await alice.node.owner.find_post(there.note.iri)
    assert own is not None
    assert await counts(alice, own) == (1, 1)
    clock.forward(timedelta(seconds=61))

    async def heard() -> bool:
        alice.node.events.publish([Tell("errand", "")])
        found = await bob.node.owner.find_post(there.note.iri)
        return found is not None and found.note.poll is not None and found.note.poll.voters == 1

    await eventually(heard)
    assert len(await bob.node.owner.history(there.note.iri)) == 1


async def test_the_vote_goes_to_the_author_alone(alice: Home, carol: Stranger, dave: Stranger, place: Place):
    """One Create for each choice, with a name and no content, not public, and without a proof."""
    await dave.deliver(dave.activity("Follow", alice.node.ids.actor), alice.base)
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"])
    assert (await carol.deliver(carol.create(asked), alice.base)).status == 202
    await alice.node.polls.vote((await arrives(alice, "Which?")).note.iri, ["Yes"])
    await alice.quiet()
    [sent] = place.of_type("Create")
    assert sent.path == "/users/carol/inbox"
    note = sent.json["object"]
    assert isinstance(note, dict)
    assert (note["name"], note["inReplyTo"], note["to"]) == ("Yes", asked["id"], [carol.iri])
    assert "content" not in note
    assert "proof" not in note
    assert PUBLIC not in json.dumps(sent.json)


async def test_only_what_is_asked_can_be_answered(alice: Home, carol: Stranger, place: Place):
    """A choice that is none, or two where one is to be made, is refused before anything is sent."""
    await follows(alice, carol)
    await carol.deliver(carol.create(question(carol, ["Yes", "No"])), alice.base)
    post = await arrives(alice, "Which?")
    wrong: list[list[str]] = [[], ["Maybe"], ["Yes", "No"], ["0"], ["3"]]
    assert [one for one in wrong if not await _refused(alice.node.polls.vote(post.note.iri, one))] == []
    await alice.quiet()
    assert place.of_type("Create") == []


async def test_nobody_votes_in_their_own_poll(alice: Home):
    """federation.md §7: who asks does not answer."""
    post = await asks(alice)
    with pytest.raises(NotAllowed):
        await alice.node.polls.vote(post.note.iri, ["Tea"])
    assert await counts(alice, post) == (0, 0, 0)
    assert (await alice.rows())["queue"] == 0


async def test_a_poll_that_asks_something_else_now_is_voted_in_anew(alice: Home, carol: Stranger):
    """A vote is for what was asked; an edit of the words alone leaves it."""
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"])
    await carol.deliver(carol.create(asked), alice.base)
    post = await arrives(alice, "Which?")
    iri = post.note.iri
    await alice.node.polls.vote(iri, ["Yes"])
    worded = {**asked, "content": "<p>Which one?</p>", "updated": stamp(datetime.now(UTC) + timedelta(minutes=1))}
    assert (await carol.deliver(carol.activity("Update", worded), alice.base)).status == 202
    await arrives(alice, "Which one?")
    assert await alice.node.polls.votes_of_owner([iri]) == {iri: (0,)}
    other = {**worded, "oneOf": question(carol, ["No", "Yes"])["oneOf"], "content": "<p>Which, then?</p>"}
    other["updated"] = stamp(datetime.now(UTC) + timedelta(minutes=2))
    assert (await carol.deliver(carol.activity("Update", other), alice.base)).status == 202
    await arrives(alice, "Which, then?")
    assert await alice.node.polls.votes_of_owner([iri]) == {}
    await alice.node.polls.vote(iri, ["Yes"])
    assert await alice.node.polls.votes_of_owner([iri]) == {iri: (1,)}


async def test_ones_own_vote_stays_counted_until_its_author_counts_it(
    alice: Home, carol: Stranger, place: Place, clock: FakeClock
):
    """Counts that are older than what is here do not take the owner's own vote away."""
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"], [3, 4])
    await carol.deliver(carol.create(asked), alice.base)
    post = await alice.node.polls.vote((await arrives(alice, "Which?")).note.iri, ["Yes"])
    assert await counts(alice, post) == (4, 4)
    place.documents[str(asked["id"]).removeprefix(place.base)] = asked
    await alice.node.polls.opened(post)
    assert place.asked[str(asked["id"]).removeprefix(place.base)] == 1
    assert await counts(alice, post) == (4, 4)


async def test_nobody_else_changes_a_poll(alice: Home, carol: Stranger, mallory: Stranger, dave: Stranger):
    """Counts are the author's to say; and the author cannot ask something else without an edit."""
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"])
    await carol.deliver(carol.create(asked), alice.base)
    post = await arrives(alice, "Which?")
    faked = {**asked, "oneOf": question(carol, ["Yes", "No"], [900, 0])["oneOf"]}
    assert (await mallory.deliver(mallory.activity("Update", faked), alice.base)).status == 403
    assert (await dave.deliver(dave.activity("Update", faked), alice.base)).status == 403
    other = {**asked, "oneOf": question(carol, ["No", "Yes"], [5, 5])["oneOf"]}
    assert (await carol.deliver(carol.activity("Update", other), alice.base)).status == 202
    assert await counts(alice, post) == (0, 0)
    good = {**asked, "oneOf": question(carol, ["Yes", "No"], [3, 4])["oneOf"], "votersCount": 7}
    assert (await carol.deliver(carol.activity("Update", good), alice.base)).status == 202
    assert await counts(alice, post) == (3, 4)


@pytest.mark.parametrize(
    ("changed", "edited"),
    [({}, False), ({"content": "<p>Which one?</p>"}, True), ({"summary": "tea", "sensitive": True}, True)],
    ids=["the counts alone", "the question", "a warning"],
)
async def test_a_count_is_no_edit(alice: Home, carol: Stranger, changed: Json, edited: bool):
    """microblog.pub gives every count of a poll a new `updated`: the post says what it said, and no version is kept."""
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"])
    await carol.deliver(carol.create(asked), alice.base)
    post = await arrives(alice, "Which?")
    heard: list[Tell] = []
    alice.node.events.subscribe(heard.append)
    for votes in (1, 2):
        at = stamp(datetime.now(UTC) + timedelta(seconds=votes))
        counted = {**asked, **question(carol, ["Yes", "No"], [votes, 0]), "id": asked["id"], "updated": at, **changed}
        assert (await carol.deliver(carol.activity("Update", counted), alice.base)).status == 202
        assert await counts(alice, post) == (votes, 0)
    now = await alice.node.owner.find_post(str(post.note.iri))
    assert now is not None
    assert (now.note.updated is not None) is edited
    assert Tell("poll_counts", str(post.id)) in heard or edited
    assert (Tell("edit", str(post.id)) in heard) is edited


async def test_five_hundred_choices_are_bounded(alice: Home, carol: Stranger):
    """The rest is left out, and the post is shown."""
    await follows(alice, carol)
    await carol.deliver(carol.create(question(carol, [f"choice {n}" for n in range(500)])), alice.base)
    post = await arrives(alice, "Which?")
    assert post.note.poll is not None
    assert len(post.note.poll.choices) == 20


async def test_stale_counts_are_asked_for_when_opened(alice: Home, carol: Stranger, place: Place, clock: FakeClock):
    """Opening a poll asks its origin, politely: not again within a minute."""
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"])
    await carol.deliver(carol.create(asked), alice.base)
    post = await arrives(alice, "Which?")
    path = str(asked["id"]).removeprefix(place.base)
    place.documents[path] = {**asked, "oneOf": question(carol, ["Yes", "No"], [1, 2])["oneOf"]}
    opened = await alice.node.polls.opened(post)
    assert opened.note.poll is not None
    assert [choice.votes for choice in opened.note.poll.choices] == [1, 2]
    await alice.node.polls.opened(opened)
    assert place.asked[path] == 1
    clock.forward(timedelta(seconds=61))
    await alice.node.polls.opened(opened)
    assert place.asked[path] == 2


async def test_the_owner_hears_how_a_poll_went(alice: Home, carol: Stranger, place: Place, clock: FakeClock):
    """A poll the owner voted in: its result is fetched at the end, and told."""
    heard: list[Tell] = []
    alice.node.events.subscribe(heard.append)
    await follows(alice, carol)
    asked = question(carol, ["Yes", "No"], endTime=stamp(datetime.now(UTC) + timedelta(hours=1)))
    await carol.deliver(carol.create(asked), alice.base)
    post = await arrives(alice, "Which?")
    await alice.node.polls.vote(post.note.iri, ["Yes"])
    path = str(asked["id"]).removeprefix(place.base)
    place.documents[path] = {**asked, "oneOf": question(carol, ["Yes", "No"], [8, 9])["oneOf"]}
    clock.forward(timedelta(hours=1, seconds=2))
    await errands_run(alice, lambda: Tell("poll", str(post.id)) in heard)
    assert await counts(alice, post) == (8, 9)
    assert heard.count(Tell("poll", str(post.id))) == 1
    assert [tell.kind for tell in heard].count("notification") == 1
    assert isinstance(post.note.poll, Poll)
    assert post.note.quote_policy is not QuotePolicy.NOBODY
