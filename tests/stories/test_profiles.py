"""Profiles: what the owner shows of themselves, what others show, and links that lead both ways (rel=me)."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from node.errors import NotAllowed
from node.federation import links
from node.model import Draft, Preferences, ProfileField, Visibility
from node.printing import field_words
from tests.stories.test_following import befriend
from tests.support.homes import Home, eventually
from tests.support.stranger import Place, Stranger

SITE = "/carol.html"


def _page(place: Place, body: str, *, path: str = SITE, content_type: str = "text/html", status: int = 200) -> str:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=content_type)

    place.documents[path] = answer
    return place.base + path


def _shows(stranger: Stranger, *rows: tuple[str, str]) -> None:
    stranger.extra = {"attachment": [{"type": "PropertyValue", "name": name, "value": value} for name, value in rows]}
    stranger.publish()


def _link(url: str) -> str:
    return f'<a href="{url}" rel="me nofollow noopener">{url}</a>'


async def _fields(home: Home, stranger: Stranger) -> dict[str, bool]:
    known = (await home.node.owner.people([stranger.iri]))[stranger.iri]
    return {field.name: field.verified_at is not None for field in known.actor.fields}


# ── out ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_profile_goes_out_with_everything_it_shows(alice: Home, bob: Home) -> None:
    """Issue 3: profile updates out, all fields that Mastodon shows; followers see them."""
    await befriend(bob, alice)
    await alice.node.owner.change_profile(
        fields=[("Site", "https://alice.example/me"), ("City", "Lyon <3")],
        bot=True,
        discoverable=False,
        indexable=True,
    )

    async def arrived() -> bool:
        seen = (await bob.node.owner.people([alice.node.ids.actor]))[alice.node.ids.actor].actor
        return seen.bot and len(seen.fields) == 2

    await eventually(arrived)
    seen = (await bob.node.owner.people([alice.node.ids.actor]))[alice.node.ids.actor].actor
    assert not seen.discoverable
    assert [field.name for field in seen.fields] == ["Site", "City"]
    assert 'href="https://alice.example/me"' in seen.fields[0].value
    assert seen.fields[1].value == "Lyon &lt;3"
    document = json.loads(await alice.node.documents.actor())
    assert (document["type"], document["discoverable"], document["indexable"]) == ("Service", False, True)
    assert 'rel="me nofollow noopener noreferrer"' in document["attachment"][0]["value"]


@pytest.mark.parametrize(
    "fields",
    [
        [(str(number), "x") for number in range(5)],
        [("n" * 256, "x")],
        [("Site", "v" * 256)],
        [("", "nameless")],
    ],
    ids=["five", "long name", "long value", "no name"],
)
async def test_fields_have_limits(alice: Home, fields: list[tuple[str, str]]) -> None:
    """As many and as long as Mastodon shows; what is too much is refused whole, and nothing changes."""
    with pytest.raises(NotAllowed):
        await alice.node.owner.change_profile(fields=fields, name="New")
    assert (await alice.node.owner.profile()).name != "New"


async def test_what_nobody_else_sees_is_told_to_nobody(alice: Home, bob: Home) -> None:
    """Defaults for new posts are the owner's own business: no Update goes out, and posts follow them."""
    await befriend(bob, alice)
    await alice.quiet()
    before = await alice.rows()
    await alice.node.owner.change_profile(preferences=Preferences(Visibility.UNLISTED, "fr", sensitive=True))
    after = await alice.rows()
    assert (after["queue"], after["activities"]) == (before["queue"], before["activities"])
    assert (await alice.node.owner.profile()).preferences == Preferences(Visibility.UNLISTED, "fr", sensitive=True)
    assert (await alice.node.owner.post(Draft("Bonjour"))).post.note.language == "fr"
    assert (await alice.node.owner.post(Draft("Hi", language="en"))).post.note.language == "en"


async def test_people_can_be_shown_as_a_number(alice: Home, bob: Home, place: Place) -> None:
    """federation.md §8: a collection without pages; its total stays."""
    await befriend(bob, alice)
    await alice.node.owner.change_profile(hides_collections=True)
    for name in ("followers", "following"):
        async with place.session.get(f"{alice.base}/{name}", headers={"Accept": "application/activity+json"}) as answer:
            collection = json.loads(await answer.read())
        assert "first" not in collection
        assert isinstance(collection["totalItems"], int)
        async with place.session.get(
            f"{alice.base}/{name}?page=true", headers={"Accept": "application/activity+json"}
        ) as answer:
            assert bob.base not in (await answer.read()).decode()


# ── in ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_link_that_leads_both_ways_is_verified_on_follow(
    alice: Home, carol: Stranger, elsewhere: Place
) -> None:
    """rel=me: the page that the profile links to links back, and nothing else gets a check mark."""
    good = _page(elsewhere, f'<html><head><link rel="ME author" href="{carol.iri}/"></head></html>')
    bad = _page(elsewhere, f'<p><a href="{carol.iri}">carol</a></p>', path="/no-rel.html")
    _shows(carol, ("Site", _link(good)), ("Other", _link(bad)), ("City", "Lyon"))
    await alice.node.owner.follow(carol.handle)

    async def checked() -> bool:
        return (await _fields(alice, carol))["Site"]

    await eventually(checked)
    assert await _fields(alice, carol) == {"Site": True, "Other": False, "City": False}


async def test_a_profile_that_is_looked_at_is_checked(alice: Home, carol: Stranger, elsewhere: Place) -> None:
    """Also of somebody whom the owner does not follow; and only once, until a week has passed."""
    url = _page(elsewhere, f'<a rel="me" href="{carol.iri}">me</a>')
    _shows(carol, ("Site", _link(url)))
    await alice.node.reading.open_profile(carol.handle)

    async def checked() -> bool:
        return (await _fields(alice, carol))["Site"]

    await eventually(checked)
    known, _posts = await alice.node.reading.open_profile(carol.handle)
    assert known.actor.fields[0].verified_at is not None
    await alice.node.links.check(carol.iri)
    assert elsewhere.asked[SITE] == 2
    alice.clock.forward(timedelta(days=8))
    await alice.node.reading.open_profile(carol.handle)

    async def again() -> bool:
        return elsewhere.asked[SITE] == 3

    await eventually(again)


async def test_a_changed_field_is_not_verified_by_what_it_said_before(
    alice: Home, carol: Stranger, elsewhere: Place
) -> None:
    """A check mark belongs to one value of one field, and is found out anew for the next."""
    url = _page(elsewhere, f'<a rel="me" href="{carol.iri}">me</a>')
    _shows(carol, ("Site", _link(url)))
    await alice.node.actors.refresh(carol.iri)
    await alice.node.links.check(carol.iri)
    assert await _fields(alice, carol) == {"Site": True}
    _shows(carol, ("Site", _link("http://127.0.0.1:9/other")))
    await alice.node.actors.refresh(carol.iri)
    assert await _fields(alice, carol) == {"Site": False}
    _shows(carol, ("Site", _link(url)))
    await alice.node.actors.refresh(carol.iri)
    assert await _fields(alice, carol) == {"Site": False}


async def test_a_page_that_links_to_somebody_elses_profile_proves_nothing(
    alice: Home, carol: Stranger, mallory: Stranger, place: Place
) -> None:
    """Who names another's page as their own has no part in what links there."""
    url = _page(place, f'<a rel="me" href="{carol.iri}">carol</a>')
    _shows(mallory, ("Site", _link(url)))
    mallory.extra["url"] = carol.iri
    mallory.publish()
    await alice.node.actors.refresh(mallory.iri)
    assert list((await alice.node.links.check(mallory.iri)).values()) == [False]
    assert await _fields(alice, mallory) == {"Site": False}


async def test_a_page_that_links_back_no_more_loses_its_mark(alice: Home, carol: Stranger, elsewhere: Place) -> None:
    """A page that is gone or says nothing of the account any more; one that cannot be reached proves nothing."""
    url = _page(elsewhere, f'<a rel="me" href="{carol.iri}">me</a>')
    _shows(carol, ("Site", _link(url)))
    await alice.node.actors.refresh(carol.iri)
    await alice.node.links.check(carol.iri)
    _page(elsewhere, "out of order", status=503)
    assert list((await alice.node.links.check(carol.iri)).values()) == [None]
    assert await _fields(alice, carol) == {"Site": True}
    _page(elsewhere, "gone", status=410)
    await alice.node.links.check(carol.iri)
    assert await _fields(alice, carol) == {"Site": False}


async def test_the_node_asks_no_address_of_its_own_or_of_those_it_blocks(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """security.md §5: what somebody writes into a profile sends the node nowhere it would not go."""
    own, theirs, file = f"{alice.base}/healthz", mallory.iri, "file:///etc/passwd"
    _shows(carol, ("Own", _link(own)), ("Blocked", _link(theirs)), ("File", _link(file)))
    await alice.node.actors.refresh(carol.iri)
    await alice.node.moderation.block(mallory.iri)
    asked = mallory.place.asked[f"/users/{mallory.name}"]
    assert set((await alice.node.links.check(carol.iri)).values()) == {None}
    assert mallory.place.asked[f"/users/{mallory.name}"] == asked
    assert await _fields(alice, carol) == {"Own": False, "Blocked": False, "File": False}


async def test_no_redirect_leads_a_check_to_the_blocked_or_to_ourselves(
    alice: Home, carol: Stranger, place: Place, elsewhere: Place
) -> None:
    """ "Blocks … hold everywhere": also by a way round; the blocked are not even asked, nor do they vouch."""
    theirs = _page(elsewhere, f'<a rel="me" href="{carol.iri}">me</a>')

    async def round_(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": theirs})

    async def home(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{alice.base}/healthz"})

    place.documents |= {"/round": round_, "/home": home}
    _shows(carol, ("Round", _link(f"{place.base}/round")), ("Home", _link(f"{place.base}/home")))
    await alice.node.actors.refresh(carol.iri)
    await alice.node.links.check(carol.iri)
    assert await _fields(alice, carol) == {"Round": True, "Home": False}
    await alice.node.moderation.block(f"127.0.0.1:{elsewhere.port}")
    asked = elsewhere.asked[SITE]
    assert set((await alice.node.links.check(carol.iri)).values()) == {None}
    assert elsewhere.asked[SITE] == asked


async def test_the_owners_own_links_are_checked_too(alice: Home, elsewhere: Place) -> None:
    """The owner's page links with rel=me, and shows a mark where the other page links back."""
    url = _page(elsewhere, f'<a rel="me" href="{alice.node.ids.profile_page}">me</a>')
    await alice.node.owner.change_profile(fields=[("Site", url), ("City", "Lyon")])

    async def verified() -> list[ProfileField]:
        return [field for field in (await alice.node.owner.profile()).fields if field.verified_at]

    assert [field.name for field in await eventually(verified)] == ["Site"]
    async with elsewhere.session.get(alice.node.ids.profile_page, headers={"Accept": "text/html"}) as answer:
        page = await answer.text()
    assert f'<a href="{url}" rel="me nofollow noopener noreferrer">' in page
    assert page.count("This page links back") == 2  # for eyes, and for ears
    assert links.points_back(page, alice.node.ids.profile_page, [url])
    await alice.node.owner.change_profile(fields=[("Site", url + "?2")])
    assert [field.verified_at for field in (await alice.node.owner.profile()).fields] == [None]


# ── what counts ──────────────────────────────────────────────────────────────────────────────

ME = "https://social.example/@ada"


@pytest.mark.parametrize(
    ("page", "counts"),
    [
        (f'<a rel="me" href="{ME}">', True),
        (f"<A HREF='{ME}/' REL='nofollow ME'>x</A>", True),
        (f'<link rel=me href="{ME}#top">', True),
        ('<a rel="me" href="https://SOCIAL.example:443/@ada">', True),
        ('<a rel="me" href="//social.example/@ada">', True),
        (f'<a rel="home" href="{ME}">', False),
        (f'<a href="{ME}">', False),
        (f'<area rel="me" href="{ME}">', False),
        (f'<!-- <a rel="me" href="{ME}"> -->', False),
        (f"<script>\"<a rel='me' href='{ME}'>\"</script>", False),
        (f'<img alt=\'<a rel="me" href="{ME}">\'>', False),
        ('<a rel="me" href="https://social.example/@adam">', False),
        ('<a rel="me" href="https://social.example.evil.example/@ada">', False),
        (f'<a rel="me" href="https://evil.example/?{ME}">', False),
        (f'<a rel="x" rel="me" href="{ME}">', False),
        ('<a rel="me" href="http://[broken">', False),
        (f'<a rel="me" href="{ME}"', False),
    ],
)
def test_what_links_back(page: str, counts: bool) -> None:
    """An `a` or `link` element with the word `me` in its rel, to the account's page or id; nothing less."""
    assert links.points_back(page, "https://ada.example/about", [ME]) is counts


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ('<a href="https://ada.example/">https://ada.example/</a>', "https://ada.example/"),
        (
            '<a href="https://ada.example/x"><span class="invisible">https://</span><span>ada.example/x</span></a>',
            "https://ada.example/x",
        ),
        ('<p><a href="https://ada.example">ada.example</a></p>', "https://ada.example"),
        ('<a href="https://evil.example">https://ada.example</a>', None),
        ('see <a href="https://ada.example">https://ada.example</a>', None),
        ('<a href="https://a.example">a.example</a><a href="https://b.example">b.example</a>', None),
        ("https://ada.example", None),
        ("", None),
    ],
)
def test_a_field_is_a_link_only_if_it_says_where_it_leads(value: str, url: str | None) -> None:
    """A check mark beside a text that names another page would certify the wrong one."""
    assert links.link_in(value) == url


@pytest.mark.parametrize("part", ["<!--", "<a ", "<a rel=me href=", "</", "<script>", "&amp", "<![CDATA[", "<a b='"])
def test_a_hostile_page_costs_little(part: str) -> None:
    """A mebibyte of whatever is awkward to read is read in seconds, not in hours."""
    page = part * (links.LARGEST // len(part))
    before = time.process_time()
    assert links.points_back(page, "https://evil.example/", [ME]) is False
    assert time.process_time() - before < 5


@pytest.mark.parametrize("part", ["<![x[ ]]>", f"&#{'9' * 5000};", f"<a title='&#{'9' * 5000};'>"])
async def test_a_page_that_cannot_be_read_spoils_no_other_link(alice: Home, place: Place, part: str) -> None:
    """Not every page is HTML that a parser gets through; the links beside the one to it are checked all the same."""
    home = alice.node.ids.profile_page
    me = f'<a rel="me" href="{home}">me</a>'
    broken, late = _page(place, part, path="/broken"), _page(place, me + part, path="/late")
    url = _page(place, me)
    await alice.node.owner.change_profile(fields=[("Broken", broken), ("Late", late), ("Site", url)])
    await alice.node.links.check(alice.node.ids.actor)
    fields = (await alice.node.owner.profile()).fields
    assert [field.name for field in fields if field.verified_at] == ["Late", "Site"]


def test_only_the_node_draws_check_marks() -> None:
    """What somebody writes into a field cannot look like the mark that says that a page links back."""
    seen = datetime(2026, 5, 1, tzinfo=UTC)
    false = field_words(ProfileField("Site ✓", "bank.example ✅"), "bank.example ✅ ✔️")
    assert false == "Site: bank.example"
    true = field_words(ProfileField("Site", "x", seen), "https://ada.example")
    assert true == "Site: https://ada.example  ✓ links back, seen 2026-05-01"
