"""The profile, the hashtag pages, and the ways that lead to them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.model import Iri, Visibility
from node.storage.relations import State
from tests.web.filled import House
from tests.web.reading import Page

AP = "application/activity+json"
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
BASE = "https://ada.example"


async def profile(house: House, query: str = "") -> Page:
    reply = await house.get(f"/@ada{query}", HTML)
    assert reply.status == 200
    return Page(reply.text)


async def test_who_writes_here(house: House) -> None:
    """Name, whole handle, description and counts, readable without a script."""
    bob = await house.meet("@bob@bob.example")
    await house.follow(bob)
    await house.follow(await house.meet("@eve@eve.example"), State.PENDING)
    await house.say("one")
    await house.say("two", Visibility.UNLISTED)
    await house.say("three", Visibility.FOLLOWERS)
    page = await profile(house)
    assert page.one("h1").words == "Ada Lovelace"
    assert page.one("title").words == "Ada Lovelace (@ada@ada.example)"
    assert "I write about engines." in page.words
    assert [one.words for one in page.all("dd")] == ["2", "1", "0"]  # posts, followers, following
    assert "@ada@ada.example" in [one.words for one in page.all("code")]
    assert page.all("script") == []


async def test_the_key_in_plain_words(house: House) -> None:
    """The part of the key that two people compare, since when it signs, and how to compare it."""
    page = await profile(house)
    key = house.keys.identity.public
    groups = page.one("p", class_="fingerprint", aria_label="Fingerprint of the key")
    assert groups.words.split() == key.fingerprint.split()
    assert "signed with one key, the same since 3 November 2026" in page.words
    assert page.all("time", datetime="2026-11-03T09:30:00Z")
    assert key.multikey in page.words


async def test_for_machines_too(house: House) -> None:
    """Previews, the canonical address, the ActivityPub form, and rel=me (federation.md §3)."""
    page = await profile(house)
    assert page.one("link", rel="canonical").attributes["href"] == f"{BASE}/@ada"
    assert page.one("link", rel="alternate").attributes == {
        "rel": "alternate",
        "type": AP,
        "href": f"{BASE}/actor",
    }
    assert page.meta("og:title") == "Ada Lovelace (@ada@ada.example)"
    assert page.meta("description") == "I write about engines. https://example.org/notes"
    assert page.all("a", rel="me")
    assert page.one("html").attributes["lang"] == "en"


async def test_only_public_posts_newest_first(house: House) -> None:
    """Unlisted means: not on the profile. The others are nobody's business here."""
    written = [await house.say(f"post {count}", ago=timedelta(minutes=9 - count)) for count in range(3)]
    for visibility in (Visibility.UNLISTED, Visibility.FOLLOWERS, Visibility.DIRECT):
        await house.say(f"{visibility} words", visibility)
    page = await profile(house)
    assert [one.attributes["id"] for one in page.all("li", class_="post")] == [
        f"post-{number}" for number in reversed(written)
    ]
    assert not any(f"{one} words" in page.words for one in ("unlisted", "followers", "direct"))


async def test_earlier_posts_are_a_page_further(house: House) -> None:
    """Each post once, on a chain of links; a new one does not move the pages."""
    written = [await house.say(f"post {count}", ago=timedelta(minutes=60 - count)) for count in range(45)]
    found: list[str] = []
    address: str | None = ""
    while address is not None:
        page = await profile(house, address)
        found += [one.attributes["id"] for one in page.all("li", class_="post")]
        following = [one.attributes["href"] for one in page.all("a", rel="next")]
        address = following[0].removeprefix(f"{BASE}/@ada") if following else None
        await house.say("meanwhile")
    assert found == [f"post-{number}" for number in reversed(written)]


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 19, "%00", ""])
async def test_a_page_that_cannot_be(house: House, before: str) -> None:
    assert (await house.get(f"/@ada?before={before}", HTML)).status == 404


async def test_a_profile_with_nothing_in_it(house: House) -> None:
    """A new node has a page, too."""
    page = await profile(house)
    assert "Ada Lovelace has not written anything yet." in page.words
    await house.rename(name="", summary="")
    page = await profile(house)
    assert page.one("h1").words == "ada"
    assert page.meta("description") == "What ada writes, 140 characters at a time."


async def test_one_who_moved_says_so(house: House) -> None:
    """Account migration: `movedTo` is a link on the page."""
    await house.rename(moved_to=Iri("https://new.example/users/ada"))
    page = await profile(house)
    assert page.all("a", href="https://new.example/users/ada")


@pytest.mark.parametrize(
    ("path", "accept", "to"),
    [
        ("/", HTML, "/@ada"),
        ("/@Ada", HTML, "/@ada"),
        ("/@ADA/77", HTML, "/@ada/77"),
        ("/@ada", AP, "/actor"),
        ("/@ada", 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"', "/actor"),
        ("/@ada/77", AP, "/notes/77"),  # said without looking whether there is one
    ],
)
async def test_ways_that_lead_elsewhere(house: House, path: str, accept: str, to: str) -> None:
    """federation.md §3: a page asked for ActivityPub answers with the way there, and `Vary: Accept`."""
    reply = await house.get(path, accept)
    assert (reply.status, reply.headers["Location"], reply.headers["Vary"]) == (302, BASE + to, "Accept")


async def test_nobody_else_lives_here(house: House) -> None:
    for path in ("/@bob", "/@bob/77", "/@", "/ada"):
        assert (await house.get(path, HTML)).status == 404


# ── hashtags ─────────────────────────────────────────────────────────────────────────────────


async def test_posts_with_a_hashtag(house: House) -> None:
    """The links in posts lead somewhere; upper and lower case are the same tag."""
    first = await house.say("about #Engines", ago=timedelta(minutes=5))
    second = await house.say("more of #engines")
    await house.say("of #looms")
    await house.say("hidden #engines", Visibility.UNLISTED)
    for spelling in ("engines", "ENGINES"):
        reply = await house.get(f"/tags/{spelling}", HTML)
        page = Page(reply.text)
        assert [one.attributes["id"] for one in page.all("li", class_="post")] == [f"post-{second}", f"post-{first}"]
        assert page.one("h1").words == "#engines"
    assert "no public post with this hashtag" in Page((await house.get("/tags/nothing", HTML)).text).words


async def test_a_hashtag_has_pages(house: House) -> None:
    for count in range(21):
        await house.say(f"{count} #été", ago=timedelta(minutes=60 - count))
    page = Page((await house.get("/tags/%C3%A9t%C3%A9", HTML)).text)
    assert len(page.all("li", class_="post")) == 20
    following = page.one("a", rel="next").attributes["href"]
    page = Page((await house.get(following.removeprefix(BASE), HTML)).text)
    assert [one.words for one in page.all("div", class_="words")] == ["0 #été"]
    assert page.all("a", rel="next") == []


@pytest.mark.parametrize("path", ["/tags/" + "x" * 101, "/tags/x?before=y", "/tags/"])
async def test_what_is_no_hashtag_page(house: House, path: str) -> None:
    assert (await house.get(path, HTML)).status == 404


# ── kept answers ─────────────────────────────────────────────────────────────────────────────


async def test_a_page_is_kept_until_it_changes(house: House) -> None:
    """RFC 9110 §13.1.2: the same page, the same tag, and no second copy; after a post, another."""
    first = await house.get("/@ada", HTML)
    assert first.headers["Cache-Control"] == "public, max-age=180"
    again = await house.get("/@ada", HTML, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    await house.say("news")
    after = await house.get("/@ada", HTML, If_None_Match=first.headers["ETag"])
    assert after.status == 200
    assert "news" in after.text


async def test_times_do_not_stand_still(house: House) -> None:
    """A page that says `just now` is not given for longer than that is true."""
    await house.say("hello")
    assert page_times(await profile(house)) == ["just now"]
    house.now += timedelta(minutes=2)
    assert page_times(await profile(house)) == ["2 minutes ago"]


def page_times(page: Page) -> list[str]:
    return [one.words for one in page.all("time") if "article" in one.inside]


async def test_head_is_get_without_the_body(house: House) -> None:
    """RFC 9110 §9.3.2."""
    got = await house.get("/@ada", HTML)
    head = await house.ask("HEAD", "/@ada", HTML)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert head.headers["Content-Length"] == str(len(got.body))
