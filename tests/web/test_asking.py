"""Polls and quotes on the public pages."""

from __future__ import annotations

from node.model import Draft, PollDraft
from tests.support.homes import Home
from tests.support.stranger import Stranger


async def _page(home: Home, who: Stranger, url: str) -> str:
    reply = await who.get(url, signed=False, accept="text/html")
    assert reply.status == 200
    return reply.body.decode()


async def test_a_poll_is_shown_with_its_counts(alice: Home, carol: Stranger):
    """Choices, shares, how many voted, and until when; readable without a script."""
    post = (await alice.node.owner.post(Draft("What?", poll=PollDraft(("Tea <b>", "Coffee"))))).post
    url = alice.node.ids.note_page(post.id)
    assert "0 voted" in await _page(alice, carol, url)
    vote = {
        "id": carol.new_id("votes"),
        "type": "Note",
        "name": "Coffee",
        "attributedTo": carol.iri,
        "to": alice.node.ids.actor,
        "inReplyTo": post.note.iri,
    }
    assert (await carol.deliver(carol.activity("Create", vote), alice.base)).status == 202
    page = await _page(alice, carol, url)
    assert "1 voted · ends " in page
    assert "Tea &lt;b&gt;" in page
    assert "<b>100 %</b>" in page
    assert "<b>100 %</b>" in await _page(alice, carol, alice.node.ids.profile_page)


async def test_a_poll_stays_behind_its_warning(alice: Home, carol: Stranger):
    """A content warning folds the choices too."""
    draft = Draft("What?", warning="food", poll=PollDraft(("Tea", "Coffee")))
    post = (await alice.node.owner.post(draft)).post
    page = await _page(alice, carol, alice.node.ids.note_page(post.id))
    folded = page.partition('<details class="warning">')[2].partition("</details>")[0]
    assert "Coffee" in folded
    assert page.count("Coffee") == 1


async def test_only_an_allowed_quote_shows_words(alice: Home, carol: Stranger):
    """By leave: the words; without it, the link that stands in the post."""
    first = (await alice.node.owner.post(Draft("Worth quoting"))).post
    second = (await alice.node.owner.post(Draft("Indeed", quote=first.note.iri))).post
    page = await _page(alice, carol, alice.node.ids.note_page(second.id))
    assert '<blockquote class="quoted"' in page
    assert "Worth quoting" in page
    note = carol.note("Me too", quote=first.note.iri, quoteUrl=first.note.iri, inReplyTo=second.note.iri)
    assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    page = await _page(alice, carol, alice.node.ids.note_page(second.id))
    assert "Me too" in page
    assert page.count('<blockquote class="quoted"') == 1
