"""Reports and farewells, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Place, made


@pytest.fixture
def alice(tmp_path: Path) -> Place:
    """A node that does not run: what it has to say waits."""
    return made(tmp_path, "alice")


def test_a_report_needs_somebody(alice: Place) -> None:
    """`cuicui report`: nobody reports themselves, or whom nobody can reach."""
    assert alice("report").status == 2
    assert alice("report", "@bob@127.0.0.1:9", "--comment", "spam").status == 1


def test_leaving_is_asked_about_and_happens_once(alice: Place) -> None:
    """`cuicui leave`: without a yes nothing changes; afterwards nothing can be said in the account's name."""
    refused = alice("leave", typed="n\n")
    assert refused.status == 1
    assert "nothing was changed" in refused.err
    assert alice("post", "still here").status == 0
    done = alice("leave", "--yes")
    assert done.status == 0
    assert "you have left; 0 servers are to be told" in done.err
    again = alice("leave", "--yes")
    assert (again.status, "was deleted already" in again.err) == (1, True)
    late = alice("post", "one more")
    assert (late.status, "was deleted" in late.err) == (1, True)
