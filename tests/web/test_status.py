"""One post on its page: its words, who stands for it, and the answers to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keys import proof
from keys.canonical import load_object
from node.model import Iri, Trust, Verdict, Visibility
from tests.web.filled import House, another_key
from tests.web.reading import Page

AP = "application/activity+json"
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
BASE = "https://ada.example"


async def status(house: House, number: int) -> Page:
    reply = await house.get(f"/@ada/{number}", HTML)
    assert reply.status == 200
    return Page(reply.text)


async def test_a_post_with_its_verdict(house: House) -> None:
    """decisions.md §7: the word, which key, since when, how it is known, and how to check, in plain words."""
    number = await house.say("Hello, loom", ago=timedelta(hours=3))
    page = await status(house, number)
    assert [one.words.strip() for one in page.all("div", class_="words")] == ["Hello, loom"]
    verdict = page.one("aside")
    assert "Signed by Ada Lovelace" in verdict.words
    said = dict(zip(terms(page, "dt"), terms(page, "dd"), strict=True))
    assert said == {
        "Verdict": "signed",
        "Key": house.keys.identity.public.fingerprint,
        "Known since": "3 November 2026",
        "Known how": "It is this node’s own, made here for Ada Lovelace.",
        "To check": f"cuicui verify {BASE}/@ada/{number}",
    }
    time = next(one for one in page.all("time") if "article" in one.inside)
    assert time.attributes["datetime"] == "2026-11-20T09:00:00Z"
    assert "20 November 2026, 09:00 UTC" in time.words
    assert "3 hours ago" in time.words


def terms(page: Page, tag: str) -> list[str]:
    return [" ".join(one.words.split()) for one in page.all(tag) if "aside" in one.inside]


async def test_the_signed_post_can_be_saved_and_checked(house: House) -> None:
    """The page links to the exact bytes, and these hold anywhere, without this node."""
    number = await house.say("Hello, loom")
    page = await status(house, number)
    link = page.one("a", download=f"cuicui-{number}.json").attributes["href"]
    saved = await house.get(link.removeprefix(BASE))
    assert saved.body == await house.document(number)
    assert saved.headers["Content-Disposition"] == f'attachment; filename="cuicui-{number}.json"'
    assert proof.check(load_object(saved.body), house.keys.identity.public, house.now)


async def test_for_machines_too(house: House) -> None:
    number = await house.say("Bonjour #monde", language="fr")
    page = await status(house, number)
    assert page.one("link", rel="canonical").attributes["href"] == f"{BASE}/@ada/{number}"
    assert page.one("link", rel="alternate").attributes["href"] == f"{BASE}/notes/{number}"
    assert page.meta("og:type") == "article"
    assert page.meta("description") == "Bonjour #monde"
    assert page.meta("fediverse:creator") == "@ada@ada.example"
    assert page.meta("article:published_time") == "2026-11-20T12:00:00Z"
    assert page.one("div", class_="words").attributes["lang"] == "fr"
    assert page.one("div", class_="words").attributes["dir"] == "auto"
    assert page.all("meta", name="robots") == []


async def test_an_unlisted_post_is_for_those_who_have_its_address(house: House) -> None:
    """Anybody may read it, and nobody is led to it."""
    page = await status(house, await house.say("by the way", Visibility.UNLISTED))
    assert "not listed on the profile" in page.words
    assert page.meta("robots") == "noindex"


async def test_what_is_behind_a_warning_stays_there(house: House) -> None:
    """A content warning is a promise: the words are folded, and in no title and no preview."""
    number = await house.say("the butler", warning="the end of the play")
    for page in (await status(house, number), Page((await house.get("/@ada", HTML)).text)):
        assert "details" in page.one("div", class_="words").inside
        assert all("open" not in one.attributes for one in page.all("details"))
        assert "butler" not in page.one("title").words
        assert not any("butler" in one.attributes.get("content", "") for one in page.all("meta"))
    assert page.one("span", class_="warning-text").words == "the end of the play"
    assert (await status(house, number)).meta("og:description") == "Content warning: the end of the play"


@pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.DIRECT])
@pytest.mark.parametrize("end", ["", ".json"])
async def test_a_private_post_is_as_absent_as_one_that_never_was(
    house: House, visibility: Visibility, end: str
) -> None:
    """security.md §9: the page of a private post cannot be told from one of none, deleted or not."""
    private = await house.say("between us", visibility)
    absent = private - (1 << 20)
    nowhere = await house.get(f"/@ada/{absent}{end}", HTML)
    nowhere.headers.pop("Date")
    for deleted in (False, True):
        if deleted:
            await house.delete(private, public=False)
        there = await house.get(f"/@ada/{private}{end}", HTML)
        there.headers.pop("Date")
        assert (there.status, there.body, there.headers) == (404, nowhere.body, nowhere.headers)


async def test_a_deleted_post_says_that_it_was_deleted(house: House) -> None:
    """RFC 9110 §15.5.11: gone, and likely for good; a person reads that in words."""
    number = await house.say("a slip of the pen")
    assert (await house.get(f"/@ada/{number}", HTML)).status == 200
    house.now += timedelta(days=1)
    await house.delete(number, public=True)
    reply = await house.get(f"/@ada/{number}", HTML)
    page = Page(reply.text)
    assert reply.status == 410
    assert "This post was deleted" in page.words
    assert "It was deleted on 21 November 2026." in page.words
    assert "slip" not in reply.text
    assert (await house.get(f"/@ada/{number}.json")).status == 404


async def test_others_posts_have_no_page_here(house: House) -> None:
    """What others wrote is shown where it answers, and read at its origin."""
    bob = await house.meet("@bob@bob.example")
    theirs = await house.answer(bob, house.ids.note(await house.say("mine")), "<p>theirs</p>")
    assert (await house.get(f"/@ada/{theirs.rpartition('/')[2]}", HTML)).status == 404


@pytest.mark.parametrize("number", ["0", "007", "-1", "1e9", "9" * 19, "9" * 400, "%00", "٣", "x.json", ".json"])
async def test_what_is_no_number_of_a_post(house: House, number: str) -> None:
    assert (await house.get(f"/@ada/{number}", HTML)).status == 404


# ── answers ──────────────────────────────────────────────────────────────────────────────────


async def test_answers_stand_below_in_their_order(house: House) -> None:
    """The open conversation as it is known here; whatever is private, and what is below it, is not shown."""
    bob = await house.meet("@bob@bob.example", "Bob")
    number = await house.say("What do you think?", ago=timedelta(hours=5))
    root = house.ids.note(number)
    first = await house.answer(bob, root, "<p>first</p>", ago=timedelta(hours=4))
    await house.answer(bob, root, "<p>second</p>", ago=timedelta(hours=3))
    await house.say("to the first", answers=first, ago=timedelta(hours=2))
    private = await house.answer(bob, root, "<p>private</p>", visibility=Visibility.FOLLOWERS)
    await house.answer(bob, private, "<p>below</p>")
    await house.say("for you alone", Visibility.DIRECT, answers=first)
    page = await status(house, number)
    assert [one.words.strip() for one in page.all("div", class_="words")] == [
        "What do you think?",
        "first",
        "second",
        "to the first",
    ]
    assert "3 answers known here" in page.words
    assert page.one("a", href=f"#post-{first.rpartition('/')[2]}").words == "Bob"


@pytest.mark.parametrize(
    ("verdict", "trust", "key", "sentences"),
    [
        (
            Verdict.SIGNED,
            Trust.FIRST_USE,
            another_key(),
            ["Signed by Bob", "covers exactly these words", "first seen then and has been the same since"],
        ),
        (Verdict.SIGNED, Trust.COMPARED, another_key(), ["Signed by Bob", "compared it with its author"]),
        (Verdict.SIGNED, Trust.CONTINUITY, another_key(), ["Signed by Bob", "named it as its successor"]),
        (
            Verdict.VOUCHED,
            Trust.FIRST_USE,
            "rsa:" + "0f" * 32,
            ["Vouched for by bob.example", "Its author did not sign it", "rsa:0f0f"],
        ),
        (Verdict.VOUCHED, Trust.FIRST_USE, None, ["Vouched for by bob.example"]),
        (
            Verdict.CHANGED,
            Trust.FIRST_USE,
            another_key(),
            ["Under a key that is new for Bob", "nothing connects the two", "did not name it as its successor"],
        ),
    ],
)
async def test_each_answer_with_its_verdict(
    house: House, verdict: Verdict, trust: Trust, key: str | None, sentences: list[str]
) -> None:
    """One word each, the same everywhere, and beside it what it means and what it rests on."""
    bob = await house.meet("@bob@bob.example", "Bob")
    number = await house.say("What do you think?")
    await house.answer(bob, house.ids.note(number), "<p>fine</p>", verdict=verdict, trust=trust, key=key)
    reply = next(one for one in (await status(house, number)).all("li", class_="reply"))
    words = " ".join(reply.words.split())
    for sentence in [*sentences, verdict.value, "cuicui verify https://bob.example/@bob/"]:
        assert sentence in words
    assert ("Known since 3 November 2026" in words) == (key is not None)
    assert ("nobody has compared it" in words) == (
        trust is Trust.FIRST_USE and key is not None and verdict is not Verdict.CHANGED
    )


async def test_a_warning_about_a_key_is_not_folded_away(house: House) -> None:
    """`changed` is a warning: who reads the answer reads it too."""
    bob = await house.meet("@bob@bob.example", "Bob")
    number = await house.say("What do you think?")
    await house.answer(bob, house.ids.note(number), "<p>send money</p>", verdict=Verdict.CHANGED, key=another_key())
    page = await status(house, number)
    assert "details" not in page.one("p", class_="caution").inside


async def test_a_long_answer_is_folded_not_cut(house: House) -> None:
    """decisions.md §13: posts from others may be longer; they are folded, and every word is there."""
    bob = await house.meet("@bob@bob.example", "Bob")
    number = await house.say("What do you think?")
    await house.answer(bob, house.ids.note(number), f"<p>{'A long thought. ' * 60}The end.</p>")
    page = await status(house, number)
    folded = next(one for one in page.all("div", class_="words") if "A long thought." in one.words)
    assert "details" in folded.inside
    assert folded.words.strip().endswith("The end.")
    assert "The end." not in page.one("span", class_="when-closed").words


@pytest.mark.parametrize(
    ("parent", "shown", "link"),
    [
        ("https://far.example/notes/1", "a post on far.example", "https://far.example/notes/1"),
        (f"{BASE}/notes/1234567", "a post that is not here any more", None),
        ("https://b\u0430nk.example/1", "a post on xn--bnk-6cd.example", "https://b\u0430nk.example/1"),
    ],
)
async def test_what_a_post_answers(house: House, parent: str, shown: str, link: str | None) -> None:
    """Said as far as it is known; hosts that look like others are spelled out (security.md §2)."""
    page = await status(house, await house.say("I agree", answers=Iri(parent)))
    line = page.one("p", class_="answers-to")
    assert line.words == f"In answer to {shown}"
    assert [one.attributes["href"] for one in page.all("a") if one.words == shown] == ([link] if link else [])


async def test_an_answer_to_a_private_post_does_not_tell_of_it(house: House) -> None:
    """Whose private post it was stays between the two."""
    bob = await house.meet("@bob@bob.example", "Bob")
    private = await house.answer(bob, Iri("https://bob.example/1"), "<p>psst</p>", visibility=Visibility.DIRECT)
    reply = await house.get(f"/@ada/{await house.say('I see', answers=private)}", HTML)
    page = Page(reply.text)
    assert page.one("p", class_="answers-to").words == "In answer to a post that is not public"
    assert "bob.example" not in page.words
