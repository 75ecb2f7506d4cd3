"""What the owner opens to read: threads, people, and what was missed."""

from __future__ import annotations

from tests.cli.conftest import Place, until

Pair = tuple[Place, Place]


def test_a_thread_is_shown_whole(pair: Pair) -> None:
    """Issue 3: "opening a status fetches missing parents and replies"."""
    alice, bob = pair
    address = alice("post", "A thread begins").out.strip()
    until(lambda: any(post["url"] == address for post in bob("timeline", "--json").json))
    answer = bob("post", "--reply-to", address, "and goes on").out.strip()
    until(lambda: alice("show", answer).status == 0)
    thread = bob("show", answer, "--thread", "--json").json
    assert [post["text"] for post in thread["above"]] == ["A thread begins"]
    assert (thread["post"]["url"], thread["below"], thread["more"]) == (answer, [], 0)
    shown = alice("show", address, "--thread")
    assert shown.status == 0
    assert shown.out.index("A thread begins") < shown.out.index("and goes on")


def test_somebody_is_shown_with_their_posts(pair: Pair) -> None:
    """Issue 3: "a profile looked up shows its posts"."""
    alice, bob = pair
    alice("post", "Seen on a profile")
    found = bob("show", alice.handle, "--json").json
    assert found["handle"] == alice.handle
    assert "Seen on a profile" in [post["text"] for post in found["posts"]]
    assert "Seen on a profile" in bob("show", alice.handle).out


def test_a_node_that_was_not_away_says_so(pair: Pair) -> None:
    """Nothing was missed, and nothing is made up."""
    alice, _ = pair
    said = alice("away")
    assert (said.status, said.out, said.err) == (0, "", "cuicui: the node has not been away\n")
    assert alice("away", "--json").json is None
