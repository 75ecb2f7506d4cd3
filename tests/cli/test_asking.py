"""Polls and quotes at the command line."""

from __future__ import annotations

from tests.cli.conftest import Place, program, until

Pair = tuple[Place, Place]


def _numbers(place: Place, words: str) -> list[str]:
    return [post["id"] for post in place("timeline", "--json").json if words in post["text"]]


def test_a_poll_is_asked_voted_in_and_shown(pair: Pair) -> None:
    """Choices with their numbers, counts and the time there is; one vote, and no second."""
    alice, bob = pair
    asked = program("post", "--data", alice.data, "Tea?", "--option", "Yes", "--option", "No", "--expires", "2h")
    assert asked.status == 0
    until(lambda: bool(_numbers(bob, "Tea?")))
    [number] = _numbers(bob, "Tea?")
    voted = bob("vote", number, "2")
    assert voted.status == 0
    assert "  2. No  1 (100 %)" in voted.out
    assert bob("vote", number, "1").status == 1
    until(lambda: "2. No  1 (100 %)" in alice("timeline").out)
    assert "1 voted · until " in bob("show", number).out
    poll = alice("timeline", "--json", "--limit", "1").json[0]["poll"]
    assert poll["choices"] == [{"name": "Yes", "votes": 0}, {"name": "No", "votes": 1}]
    assert (poll["multiple"], poll["closed"], poll["voters"]) == (False, None, 1)


def test_a_poll_that_cannot_be_is_refused(pair: Pair) -> None:
    """One choice is none; and how long it lasts is a length of time."""
    alice, _ = pair
    assert alice("post", "Tea?", "--option", "Yes").status == 1
    assert alice("post", "Tea?", "--option", "Yes", "--option", "No", "--expires", "soon").status == 1
    assert alice("post", "Tea?", "--multiple").status == 2


def test_a_quote_is_asked_for_and_taken_back(pair: Pair) -> None:
    """`post --quote` asks the author, whose node answers; `quotes` lists it, `unquote` takes it back."""
    alice, bob = pair
    alice("post", "Worth quoting")
    until(lambda: bool(_numbers(bob, "Worth quoting")))
    [number] = _numbers(bob, "Worth quoting")
    quoting = bob("post", "Indeed", "--quote", number)
    assert quoting.status == 0
    until(lambda: "quotes, by its author's leave" in bob("timeline").out)
    [granted] = alice("quotes", "--json").json
    assert granted["quoting"] in bob("timeline", "--json", "--limit", "1").json[0]["uri"]
    assert alice("unquote", granted["quoting"]).status == 0
    until(lambda: "quoted, until its author took that back" in bob("timeline").out)
    assert "taken back" in alice("quotes").out
