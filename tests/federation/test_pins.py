"""What to do when an actor shows keys: the decision as a table, and the same over the wire (key-history.md §7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from keys import Identity, proof
from node.errors import NotAllowed
from node.federation import actors as people
from node.federation.authenticate import _proof_under as under
from node.federation.pins import Change, decide, is_rightful
from node.federation.policy import ProofBroken, ProofHolds
from node.model import ActorKey, Iri, KeyKind, KeyState, KnownKey, Trust, Verdict
from node.storage import actors as stored
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.homes import Home, eventually
from tests.support.late import Late
from tests.support.stranger import AP, Json, Place, Stranger, rsa_key

OWNER = Iri("https://example.org/u")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
P, C, R = KeyState.PINNED, KeyState.CHANGED, KeyState.RETIRED
FIRST, CONT, COMPARED = Trust.FIRST_USE, Trust.CONTINUITY, Trust.COMPARED
MULTIKEYS = {name: Identity.from_seed(bytes([ord(name)] * 32)).public.multikey for name in "ABCD"}


def _listed(name: str) -> ActorKey:
    """Capital letters are Ed25519 keys with ids of their own; small ones RSA keys, all under `#main-key`."""
    if name.isupper():
        return ActorKey(Iri(f"{OWNER}#{MULTIKEYS[name]}"), OWNER, KeyKind.ED25519, MULTIKEYS[name])
    return ActorKey(Iri(f"{OWNER}#main-key"), OWNER, KeyKind.RSA, rsa_key(name).public.pem)


def _known(name: str, state: KeyState, trust: Trust = FIRST, day: int = 0) -> KnownKey:
    key = _listed(name)
    public = stored.load(key.kind, key.material)
    return KnownKey(key.id, OWNER, key.kind, key.material, EPOCH + timedelta(days=day), trust, state, public)


Known = list[tuple[str, KeyState, Trust, int]]

TABLE: list[tuple[str, Known, str, bool, dict[str, tuple[KeyState, Trust]]]] = [
    ("first sight", [], "aA", False, {"a": (P, FIRST), "A": (P, FIRST)}),
    ("nothing new", [("a", P, FIRST, 0), ("A", P, FIRST, 0)], "aA", False, {}),
    ("a server learns to sign", [("a", P, FIRST, 0)], "aA", False, {"A": (P, FIRST)}),
    ("another RSA key, found by asking", [("a", P, FIRST, 0)], "b", False, {"a": (R, FIRST), "b": (C, FIRST)}),
    ("another RSA key, vouched for", [("a", P, FIRST, 0)], "b", True, {"a": (R, FIRST), "b": (P, CONT)}),
    ("another identity, found by asking", [("a", P, FIRST, 0), ("A", P, FIRST, 0)], "aB", False,
     {"A": (R, FIRST), "B": (C, FIRST)}),
    ("another identity, vouched for", [("a", P, FIRST, 0), ("A", P, FIRST, 0)], "aB", True,
     {"A": (R, FIRST), "B": (P, CONT)}),
    ("everything at once is nobody's first use", [("a", P, FIRST, 0)], "bA", False,
     {"a": (R, FIRST), "b": (C, FIRST), "A": (C, FIRST)}),
    ("a key taken away", [("a", P, FIRST, 0), ("A", P, COMPARED, 0)], "a", False, {"A": (R, COMPARED)}),
    ("a changed key stays changed", [("A", R, FIRST, 0), ("B", C, FIRST, 1)], "B", False, {}),
    ("a changed key, vouched for later", [("A", P, FIRST, 0), ("B", C, FIRST, 1)], "AB", True, {"B": (P, CONT)}),
    ("the old key is back after a stranger's", [("A", R, FIRST, 0), ("B", C, FIRST, 1)], "A", False,
     {"B": (R, FIRST), "A": (P, FIRST)}),
    ("the old key is back beside the one that replaced it", [("A", R, FIRST, 0), ("B", P, CONT, 1)], "AB", False,
     {"A": (C, FIRST)}),
    ("the replaced key is back instead of its successor", [("A", R, FIRST, 0), ("B", P, CONT, 1)], "A", False,
     {"B": (R, CONT), "A": (C, FIRST)}),
    ("the replaced key is back, after a third", [("A", R, FIRST, 0), ("B", R, CONT, 1), ("C", C, FIRST, 2)], "A",
     False, {"C": (R, FIRST), "A": (C, FIRST)}),
    ("the successor is back, after a third", [("A", R, FIRST, 0), ("B", R, CONT, 1), ("C", C, FIRST, 2)], "B",
     False, {"C": (R, FIRST), "B": (P, CONT)}),
    ("the successor of a compared key is back, after a third",
     [("A", R, COMPARED, 0), ("B", R, CONT, 1), ("C", C, FIRST, 2)], "B", False, {"C": (R, FIRST), "B": (P, CONT)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "shows", "continuity", "want"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_how_keys_change_when_an_actor_shows_others(
    known: Known, shows: str, continuity: bool, want: dict[str, tuple[KeyState, Trust]]
) -> None:
    """key-history.md §7, ordinary actors: accepted with continuity, marked as changed without."""
    changes = decide([_known(*row) for row in known], [_listed(name) for name in shows], continuity=continuity)
    assert set(changes) == {Change(_listed(name), *how) for name, how in want.items()}


def test_a_key_under_another_id_is_an_entry_of_its_own() -> None:
    """http-signatures §6: keys are found by the id that signatures name, "byte for byte"; the old id names none any
    more."""
    listed = replace(_listed("a"), id=Iri(f"{OWNER}/main-key"))
    for continuity in (True, False):
        changes = decide([_known("a", P)], [listed], continuity=continuity)
        assert {change.key.id for change in changes} == {f"{OWNER}#main-key", listed.id}
        assert Change(_listed("a"), R, FIRST) in changes


# ── over the wire ────────────────────────────────────────────────────────────────────────────


async def _states(home: Home, who: Stranger) -> dict[str, tuple[KeyState, Trust]]:
    async with home.node.store.read() as tx:
        return {key.material: (key.state, key.trust) for key in await stored.keys_of(tx, who.iri)}


async def _compare(home: Home, who: Stranger) -> None:
    """As `cuicui keys accept`."""
    _, seen = await home.node.owner.keys_of(who.iri)
    await home.node.owner.trust_keys(who.iri, seen)


async def _verdict(home: Home, who: Stranger, words: str) -> Verdict:
    assert (await who.deliver(who.say(words, home.node.ids.actor), home.base)).status == 202
    post = await home.shows(words)
    assert post is not None
    return post.authorship.verdict


async def test_an_announced_key_keeps_its_trust_whoever_asks_first(alice: Home, carol: Stranger) -> None:
    """key-history.md §7: the Update was signed by the old key, also when something else fetches the actor before it."""
    await greet(alice, carol)
    old, new = carol.rsa, rsa_key("carol, later")
    path = urlsplit(carol.iri).path
    gate = asyncio.Event()
    carol.rsa = new
    document = carol.document()

    async def slow(_request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.json_response(document, content_type=AP)

    carol.place.documents[path] = slow
    asking = asyncio.create_task(alice.node.actors.refresh(carol.iri))  # somebody looks at the profile
    await asyncio.sleep(0.05)
    assert (await carol.deliver(carol.activity("Update", document), alice.base, key=old)).status == 202
    gate.set()
    await asking
    assert (await _states(alice, carol))[new.public.pem] == (P, CONT)
    assert await _verdict(alice, carol, "with my new key") is Verdict.VOUCHED


async def test_an_update_under_a_key_that_is_not_pinned_announces_nothing(alice: Home, carol: Stranger) -> None:
    """key-history.md §7: whoever took the server cannot vouch for the key that they brought along."""
    await greet(alice, carol)
    carol.rsa = rsa_key("carol's burglar")
    carol.publish()
    assert await _verdict(alice, carol, "trust me") is Verdict.CHANGED
    carol.rsa, before = rsa_key("carol's burglar, later"), carol.rsa
    carol.publish()
    assert (await carol.deliver(carol.activity("Update", carol.document()), alice.base, key=before)).status == 202

    async def known() -> bool:
        return carol.rsa.public.pem in await _states(alice, carol)

    await eventually(known)
    assert (await _states(alice, carol))[carol.rsa.public.pem][0] is C


async def test_a_key_changed_by_an_update_under_the_old_one_keeps_its_trust(alice: Home, carol: Stranger) -> None:
    """key-history.md §7: "announced by Update signed with the pinned RSA key: accept, note in history"."""
    await greet(alice, carol)
    old, new = carol.rsa, rsa_key("carol, later")
    carol.rsa = new
    carol.publish()
    reply = await carol.deliver(carol.activity("Update", carol.document()), alice.base, key=old)
    assert reply.status == 202

    async def settled() -> bool:
        return (await _states(alice, carol)).get(new.public.pem) == (P, CONT)

    await eventually(settled)
    assert (await _states(alice, carol))[old.public.pem][0] is R
    assert await _verdict(alice, carol, "with my new key") is Verdict.VOUCHED
    reply = await carol.deliver(carol.say("with my old key", alice.node.ids.actor), alice.base, key=old)
    assert reply.verdict == (401, "wrong_signature")


async def test_a_key_found_changed_is_used_and_marked(alice: Home, carol: Stranger) -> None:
    """key-history.md §7: "found only by refetch over TLS: accept for interoperability, state changed, visible mark"."""
    await greet(alice, carol)
    carol.rsa = rsa_key("carol, after a fire")
    carol.publish()
    assert await _verdict(alice, carol, "it is me, believe me") is Verdict.CHANGED


async def test_an_account_that_changes_its_keys_for_ever_is_remembered_in_part(
    alice: Home, dave: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md §10: bounded. A key that was forgotten so is no first use when it comes back."""
    monkeypatch.setattr(people, "MOST_RETIRED", 3)
    await greet(alice, dave)
    first, compared = dave.identity, Identity.generate()
    for identity in (compared, *(Identity.generate() for _ in range(8))):
        dave.identity = identity
        dave.publish()
        await alice.node.actors.refresh(dave.iri)
        if identity is compared:
            async with alice.node.store.write() as tx:
                material = compared.public.multikey
                await stored.set_key_state(tx, dave.iri, [material], P, COMPARED)
    states = await _states(alice, dave)
    assert len([state for state, _ in states.values() if state is R]) == 4
    assert first.public.multikey not in states
    assert states[compared.public.multikey] == (R, COMPARED)
    dave.identity = first
    dave.publish()
    await alice.node.actors.refresh(dave.iri)
    assert (await _states(alice, dave))[first.public.multikey] == (C, FIRST)


async def test_an_update_under_the_new_key_is_no_continuity(alice: Home, carol: Stranger) -> None:
    """A key cannot vouch for itself."""
    await greet(alice, carol)
    carol.rsa = new = rsa_key("carol, stolen")
    carol.publish()
    assert (await carol.deliver(carol.activity("Update", carol.document()), alice.base)).status == 202
    await eventually(lambda: _no_arrivals(alice))
    assert (await _states(alice, carol))[new.public.pem] == (C, FIRST)


async def _no_arrivals(home: Home) -> bool:
    return (await home.rows())["arrivals"] == 0


async def test_an_identity_changed_by_an_update_is_signed_again(alice: Home, dave: Stranger) -> None:
    """key-history.md §7: "K changes appear as another Multikey …, signed over HTTP by the unchanged RSA key"."""
    await greet(alice, dave)
    dave.identity = Identity.generate()
    dave.publish()
    assert (await dave.deliver(dave.activity("Update", dave.document()), alice.base)).status == 202

    async def settled() -> bool:
        return (await _states(alice, dave)).get(dave.identity.public.multikey) == (P, CONT)

    await eventually(settled)
    assert await _verdict(alice, dave, "another pen, the same hand") is Verdict.SIGNED


async def test_an_identity_found_changed_is_marked_until_the_owner_says_so(alice: Home, dave: Stranger) -> None:
    """decisions.md §7: "changed … a warning, and a decision for the owner"."""
    await greet(alice, dave)
    dave.identity = Identity.generate()
    dave.publish()
    assert await _verdict(alice, dave, "who is this") is Verdict.CHANGED
    await _compare(alice, dave)
    assert (await _states(alice, dave))[dave.identity.public.multikey] == (P, COMPARED)
    assert await _verdict(alice, dave, "it was me") is Verdict.SIGNED


async def test_an_identity_changed_under_its_old_id_is_asked_for(alice: Home, dave: Stranger) -> None:
    """http-signatures §6, "Refetch on failure", for proofs as well: the key id says nothing about which key it is."""
    method = f"{dave.iri}#ed25519-key"

    def show() -> None:
        key = {"type": "Multikey", "controller": dave.iri, "publicKeyMultibase": dave.identity.public.multikey}
        dave.extra = {"assertionMethod": [{"id": method, **key}]}
        dave.publish()

    def says(words: str) -> Json:
        return dave.create(dave.prove(dave.note(words, to=[alice.node.ids.actor]), method=method))

    show()
    assert (await dave.deliver(says("first"), alice.base)).status == 202
    dave.identity = Identity.generate()
    show()
    assert (await dave.deliver(says("second"), alice.base)).status == 202
    verdicts = [post.authorship.verdict for post in [await alice.shows("first"), await alice.shows("second")] if post]
    assert verdicts == [Verdict.SIGNED, Verdict.CHANGED]


async def test_the_owners_word_is_for_the_keys_that_were_shown(alice: Home, dave: Stranger) -> None:
    """decisions.md §7, "compared by the owner": not for what came while the owner was asking by another way."""
    await greet(alice, dave)
    _, seen = await alice.node.owner.keys_of(dave.iri)
    dave.identity = Identity.generate()
    dave.publish()
    assert await _verdict(alice, dave, "while you were on the telephone") is Verdict.CHANGED
    before = await _states(alice, dave)
    with pytest.raises(NotAllowed, match="another key than a moment ago"):
        await alice.node.owner.trust_keys(dave.iri, seen)
    assert await _states(alice, dave) == before


async def test_a_retired_identity_signs_nothing_more(alice: Home, dave: Stranger, clock: FakeClock) -> None:
    """A key no longer listed may have been replaced because it leaked."""
    await greet(alice, dave)
    old = dave.identity
    dave.identity = Identity.generate()
    dave.publish()
    await dave.deliver(dave.activity("Update", dave.document()), alice.base)
    await eventually(lambda: _no_arrivals(alice))
    dave.identity = old
    reply = await dave.deliver(dave.say("from the drawer", alice.node.ids.actor), alice.base)
    assert reply.verdict == (403, "bad_proof")


@pytest.mark.parametrize(
    ("by", "becomes"),
    [("a pinned key", (P, CONT)), ("a changed key", (C, FIRST)), ("nobody: changed after", (C, FIRST))],
)
async def test_only_a_pinned_key_vouches_for_the_next_by_a_proof(
    alice: Home, dave: Stranger, by: str, becomes: tuple[KeyState, Trust]
) -> None:
    """key-history.md §7: what a key proves that is pinned, and still listed, is continuity; nothing else is."""
    await greet(alice, dave)
    if by == "a changed key":
        dave.identity = Identity.generate()  # a burglar's
        dave.publish()
        assert await _verdict(alice, dave, "who is this") is Verdict.CHANGED
    document, third = dave.document(), Identity.generate().public.multikey
    methods = document["assertionMethod"]
    assert isinstance(methods, list)
    more = {**methods[0], "id": f"{dave.iri}#{third}", "publicKeyMultibase": third}
    shown = dave.prove({**document, "assertionMethod": [*methods, more]})
    if by == "nobody: changed after":
        shown["name"] = "Somebody else"
    dave.place.documents[urlsplit(dave.iri).path] = shown
    await alice.node.actors.refresh(dave.iri)
    assert (await _states(alice, dave))[third] == becomes


async def test_a_retired_key_proves_nothing_even_where_it_is_still_in_memory(alice: Home, dave: Stranger) -> None:
    """Another process retired it: what this one remembers of it is worth nothing more."""
    note = dave.prove(dave.note("from the drawer"))
    claim = proof.read(note, alice.clock())  # type: ignore[arg-type]
    assert claim is not None
    public = dave.identity.public
    key = KnownKey(Iri(dave.method), dave.iri, KeyKind.ED25519, public.multikey, EPOCH, FIRST, P, public)
    outcomes = {state: under(claim, (replace(key, state=state),), dave.iri) for state in KeyState}
    assert {state for state, one in outcomes.items() if isinstance(one, ProofHolds)} == {P, C}
    assert outcomes[R] == ProofBroken("wrong_proof")
    assert under(claim, (replace(key, owner=OWNER),), dave.iri) == ProofBroken("wrong_owner")


async def test_a_neighbour_cannot_change_ones_key(alice: Home, place: Place, carol: Stranger) -> None:
    """security.md §1: "key change only from the actor's own origin fetch", at the actor's own word."""
    neighbour = place.stranger("neighbour")
    await greet(alice, neighbour)
    await greet(alice, carol)
    before = await _states(alice, carol)
    forged = neighbour.activity("Update", {**carol.document(), "publicKey": neighbour.document()["publicKey"]})
    assert (await neighbour.deliver(forged, alice.base)).verdict == (403, "wrong_author")
    assert await _states(alice, carol) == before


def _shows_also_keys_of(thief: Stranger, victim: Stranger) -> None:
    """The thief's actor document lists what the victim's lists, ids and all, as its own."""
    mine, theirs = thief.document(), victim.document()
    methods = [{**item, "controller": thief.iri} for item in theirs["assertionMethod"]]  # type: ignore[attr-defined]
    key = {**theirs["publicKey"], "owner": thief.iri}  # type: ignore[dict-item]
    thief.extra = {"publicKey": [mine["publicKey"], key], "assertionMethod": [*mine["assertionMethod"], *methods]}  # type: ignore[misc]
    thief.publish()


async def test_a_neighbour_who_lists_ones_keys_does_not_unpin_them(alice: Home, dave: Stranger) -> None:
    """key-history.md §1, "pin, never silently replace", whatever other accounts of the server say of themselves."""
    await greet(alice, dave)
    await _compare(alice, dave)
    before = await _states(alice, dave)
    thief = dave.place.stranger("thief", proofs=True)
    _shows_also_keys_of(thief, dave)
    await greet(alice, thief)
    assert await _states(alice, dave) == before
    assert set(await _states(alice, thief)) == {thief.rsa.public.pem, thief.identity.public.multikey}
    assert await _verdict(alice, dave, "as ever") is Verdict.SIGNED
    dave.identity = Identity.generate()  # whoever has the server now
    dave.publish()
    await alice.node.actors.refresh(dave.iri)
    assert await _verdict(alice, dave, "it is me, believe me") is Verdict.CHANGED


async def test_a_neighbour_who_lists_ones_keys_first_shuts_nobody_out(alice: Home, dave: Stranger) -> None:
    """http-signatures.md §6, "the owner lists this key": whose address it is below, theirs it is when they come."""
    thief = dave.place.stranger("thief", proofs=True)
    _shows_also_keys_of(thief, dave)
    await greet(alice, thief)
    await alice.node.actors.refresh(dave.iri)
    assert await _verdict(alice, dave, "late, and welcome") is Verdict.SIGNED
    await alice.node.actors.refresh(thief.iri)
    assert await _verdict(alice, dave, "still here") is Verdict.SIGNED
    await greet(alice, thief)


@pytest.mark.parametrize(
    ("key_id", "owner", "holder", "rightful"),
    [
        ("/users/ada#main-key", "/users/ada", "/users/eve", True),
        ("/users/ada#main-key", "/users/eve", "/users/ada", False),
        ("/users/ada/main-key", "/users/ada", "/users/eve", True),  # GoToSocial
        ("/user/ada/#main-key", "/user/ada", "/user/eve", True),  # BookWyrm
        ("/ap/users/1/#main-key", "/ap/users/1/", "/ap/users/2/", True),  # Threads
        ("/?author=1#main-key", "/?author=1", "/?author=2", True),  # WordPress
        ("/channel/ada", "/channel/ada", "/channel/eve", True),  # Hubzilla
        ("/users/ada#main-key", "/users/ad", "/users/eve", False),
        ("/users/ada#main-key", "/users/ada", "/", True),  # of two that it is below, the nearer
        ("/users/ada#main-key", "/", "/users/ada", False),
        ("/keys/1", "/users/ada", "/users/eve", False),  # it says nothing: the first keeps it
        ("/keys/1", "/users/eve", "/users/ada", False),
    ],
)
def test_whose_a_key_id_is_by_its_own_words(key_id: str, owner: str, holder: str, rightful: bool) -> None:
    """Of two on one server who claim the same id, the one below whose address it is."""
    ids = [Iri("https://example.org" + path) for path in (key_id, owner, holder)]
    assert is_rightful(*ids) is rightful


@pytest.mark.parametrize("what", ["keys", "account"])
async def test_what_was_read_before_a_key_was_retired_is_not_remembered_after_it(
    alice: Home, carol: Stranger, what: str
) -> None:
    """key-history.md §7: a key that an account lists no more signs nothing more, whatever was looked up meanwhile."""
    book = alice.node.actors

    async def look_up() -> list[object]:
        if what == "keys":
            return [key.state for key in await book.stored_keys(Iri(carol.key_id))]
        known = await book.known(carol.iri)
        return [known and known.actor.name]

    carol.extra = {"name": "as before"}
    carol.publish()
    await greet(alice, carol)
    book.forget_cached()
    usual = book._store
    book._store = late = Late(usual)  # type: ignore[assignment]
    early = asyncio.create_task(look_up())
    await late.asked.wait()
    book._store = usual
    carol.rsa, carol.extra = rsa_key("carol, later"), {"name": "another"}
    carol.publish()
    await book.refresh(carol.iri)
    late.held.set()
    assert await early in ([P], ["as before"])
    assert await look_up() in ([C], ["another"])
