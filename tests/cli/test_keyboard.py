"""Questions at a terminal, and how one gets away from them."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Place, environment, made


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return made(tmp_path_factory.mktemp("sealed"), "ada", CUICUI_PASSPHRASE="correct horse")


def _typed(answer: str) -> Callable[[int, int], object]:
    return lambda _process, terminal: os.write(terminal, answer.encode())


def _asked(place: Place, command: str, then: Callable[[int, int], object], **extra: str) -> tuple[int, str]:
    """Run a command at a terminal, do something when it asks; its exit status and all that was to be seen."""
    child, terminal = pty.fork()
    if child == 0:
        words = [sys.executable, "-m", "node", command, "--data", str(place.data)]
        os.execve(sys.executable, words, environment(**extra))
    seen, done, end = b"", False, time.monotonic() + 20
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                seen += os.read(terminal, 4096)
            except OSError:  # nobody is at the other side any more
                break
            if not done and seen.rstrip().endswith(b":"):
                done = True
                time.sleep(0.2)  # getpass looks away from what was typed before
                then(child, terminal)
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, seen.decode()


@pytest.mark.parametrize("command", ["timeline", "run"])
@pytest.mark.parametrize("how", ["\x03", signal.SIGTERM])
def test_one_can_leave_without_the_passphrase(sealed: Place, command: str, how: str | signal.Signals) -> None:
    """Ctrl-C, or SIGTERM, while the keys wait for their passphrase: the loop that was to hear of it waited, too."""
    then = _typed(how) if isinstance(how, str) else lambda process, _: os.kill(process, how)
    status, seen = _asked(sealed, command, then)
    assert "Passphrase of the keys:" in seen
    assert status in (128 + signal.SIGINT, -signal.SIGTERM), seen
    assert "Traceback" not in seen


def test_the_passphrase_is_asked_for_once(sealed: Place) -> None:
    """And what is typed is not shown."""
    status, seen = _asked(sealed, "keys", _typed("correct horse\n"))
    assert (status, seen.count("Passphrase"), "correct horse" in seen) == (0, 1, False)
    assert sealed.handle in seen


def test_one_can_change_ones_mind_about_leaving(sealed: Place, tmp_path: Path) -> None:
    """Ctrl-C at the question of all questions."""
    status, seen = _asked(sealed, "leave", _typed("\x03"), CUICUI_PASSPHRASE="correct horse")
    assert (status, "for good?" in seen) == (128 + signal.SIGINT, True)
    assert sealed("profile", CUICUI_PASSPHRASE="correct horse").status == 0
