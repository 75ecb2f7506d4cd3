"""What can be typed: help on one screen, and 2 for what cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from node import __version__
from node.cli import cli
from tests.cli.conftest import cuicui

COMMANDS = [*cli.commands, "keys show", "keys accept", "alias add"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_one_screen(command: str) -> None:
    """ "Help fits one screen": at most 40 lines of 100 characters, and every option is explained."""
    said = CliRunner().invoke(cli, [*command.split(), "--help"])
    assert said.exit_code == 0
    lines = said.output.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    "promised",
    [
        "init",
        "run",
        "token",
        "password",
        "post",
        "follow",
        "unfollow",
        "timeline",
        "verify",
        "keys",
        "demo",
        "doctor",
        "backup",
        "worker",
        "alias",
    ],
)
def test_the_promised_commands_are_there(promised: str) -> None:
    """ "Commands other programs may rely on"."""
    assert promised in cli.commands


@pytest.mark.parametrize("asked", ["--version", "--help"])
def test_version_and_help_load_no_node(asked: str) -> None:
    """They are answered at once: neither the store nor the server is read in for them."""
    command = [sys.executable, "-X", "importtime", "-m", "node", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "node.cli" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "aiohttp", "pydantic", "node.app", "node.storage.store"})
    assert (f"cuicui {__version__}" if asked == "--version" else "verify") in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["sing"], ["init", "--nope"], ["follow"], ["post", "--visibility", "secret", "x"], ["keys", "sing"]],
)
def test_misuse_is_2(arguments: list[str]) -> None:
    """ "Exit codes: 0 done, 1 refused or failed, 2 misused." Nothing goes to standard output."""
    said = cuicui(*arguments)
    assert (said.status, said.out) == (2, "")
    assert said.err != ""
