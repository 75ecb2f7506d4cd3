"""`cuicui demo`: the shortest proof that all of it works."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from node import demo
from tests.cli.conftest import program


def test_the_story_once() -> None:
    """ "`--once` ends after the story with exit code 0"; every act of it is told, with what was seen."""
    began = time.monotonic()
    said = program("demo", "--once")
    assert said.status == 0, said
    assert time.monotonic() - began < 40, "it takes about four seconds on a machine that does nothing else"
    steps = [line for line in said.out.splitlines() if line.startswith("✓")]
    acts = ("WebFinger", "Bob follows", "Alice posts", "Bob replies", "page shows the verdict", "Bob boosts")
    for act in (*acts, "vouched", "marked", "Alice edits", "Alice deletes", "off for a week"):
        assert any(act in step for step in steps), act
    assert "verdict vouched" in said.out
    assert "caution: not the @alice@127.0.0.1:" in said.out
    assert "You were away 7 days: 3 posts by 1 person recovered." in said.out
    assert sum("refused" in step for step in steps) == 3
    assert "403 wrong_actor" in said.out
    assert "401 wrong_signature" in said.out
    assert "verdict signed" in said.out
    assert said.err == ""


@pytest.fixture
def log_as_before() -> Iterator[None]:
    """The demo says where the log of its process goes; the tests that come after it in this one look at theirs."""
    logger = logging.getLogger("cuicui")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers[:] = propagate, handlers


@pytest.mark.usefixtures("log_as_before")
async def test_a_step_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """ "Non-zero if any step failed": here both nodes are sent to the same port."""
    with demo.reserved(1) as (port,):
        pass
    monkeypatch.setattr(demo, "reserved", lambda number: nullcontext([port] * number))
    assert await demo.tell(once=True) == 1
    assert "✗" in capsys.readouterr().out


def test_two_at_one_time_take_different_ports() -> None:
    """Also when one of them has bound none yet, or its nodes are off for a week; free again when it is over."""
    with demo.reserved(4) as one, demo.reserved(4) as other:
        assert not {*one} & {*other}
    with demo.reserved(4) as again:
        assert again == one
