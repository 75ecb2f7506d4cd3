"""Keeping others away, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Place, made


@pytest.fixture
def alice(tmp_path: Path) -> Place:
    """A node that does not run: blocking needs nobody."""
    return made(tmp_path, "alice")


def test_a_domain_is_blocked_and_unblocked(alice: Place) -> None:
    """`cuicui block`, `blocks`, `unblock`; exit 1 when there is nothing to take back."""
    assert alice("blocks").err == "cuicui: you block nobody\n"
    assert (
        alice("block", "--comment", "spam", "Bad.EXAMPLE.").err == "cuicui: bad.example and all below it is blocked\n"
    )
    assert alice("blocks").out == "bad.example  spam\n"
    (listed,) = alice("blocks", "--json").json
    assert (listed["kind"], listed["value"], listed["comment"]) == ("domain", "bad.example", "spam")
    assert alice("unblock", "https://bad.example/").status == 1
    assert alice("unblock", "bad.example").status == 0
    assert alice("unblock", "bad.example").status == 1
    assert alice("blocks", "--json").json == []


def test_an_account_is_blocked_also_when_its_server_is_away(alice: Place) -> None:
    """By its handle, until it is met."""
    done = alice("block", "@eve@127.0.0.1:9")
    assert (done.status, "their server does not answer" in done.err) == (0, True)
    assert alice("blocks").out == "eve@127.0.0.1:9\n"
    assert alice("follow", "@eve@127.0.0.1:9").status == 1
    assert alice("unblock", "@eve@127.0.0.1:9").status == 0


def test_a_list_is_imported(alice: Place, tmp_path: Path) -> None:
    """`cuicui block --import FILE`, or - for standard input; what it does not block is said."""
    file = tmp_path / "domain_blocks.csv"
    file.write_text("#domain,#severity\nbad.example,suspend\nmeh.example,silence\n")
    done = alice("block", "--import", file)
    assert done.err == "cuicui: blocked: 0 accounts, 1 domains\ncuicui: left out: meh.example (silence)\n"
    assert alice("block", "--import", "-", typed="eve@worse.example\n").status == 0
    assert {item["value"] for item in alice("blocks", "--json").json} == {"bad.example", "eve@worse.example"}
    assert alice("block", "--import", tmp_path / "none.csv").status == 2
    assert alice("block").status == 2


def test_a_mute_takes_a_length(alice: Place) -> None:
    """`cuicui mute --for 7d`: what is no length is refused before anything is asked."""
    said = alice("mute", "@bob@127.0.0.1:9", "--for", "soon")
    assert (said.status, "say 30m, 12h, 7d or 4w" in said.err) == (1, True)
    assert alice("mutes").err == "cuicui: you mute nobody\n"
    assert alice("mutes", "--json").json == []
    assert alice("requests", "--json").json == []
