"""What is typed wrong: a sentence that says what, 1 or 2, nothing stored. And what doctor knows of apps and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Place, cuicui, made


@pytest.fixture(scope="module")
def eve(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return made(tmp_path_factory.mktemp("eve"), "eve")


@pytest.mark.parametrize(
    ("command", "arguments", "status", "says"),
    [
        ("post", ["x", "--image", "/no/such.png"], 2, "does not exist"),
        ("post", ["x", "--image", "TEXT"], 1, "not a type of file"),
        ("post", ["x", "--alt", "of nothing"], 2, "more descriptions than files"),
        ("post", ["x", "--option", "one"], 1, "2 to 4 choices"),
        ("post", ["x", "--option", "a", "--option", "b", "--expires", "never"], 1, "no length of time"),
        ("post", ["x", "--quote", "99"], 1, "no post 99"),
        ("vote", ["99", "tea"], 1, "no post 99"),
        ("vote", ["99"], 2, "CHOICE"),
        ("report", ["@nobody@127.0.0.1:1"], 1, "refused to dial"),
        ("report", [], 2, "Missing argument"),
        ("tag follow", [""], 1, "hashtag"),
        ("tag follow", ["two words"], 1, "hashtag"),
        ("tag unfollow", ["never"], 1, "never"),
        ("quotes", ["too", "much"], 2, "unexpected extra"),
        ("unquote", ["99"], 1, "99"),
        ("pin", ["99"], 1, "no post 99"),
        ("edit", ["99", "x"], 1, "no post 99"),
        ("history", ["99"], 1, "no post 99"),
        ("export", ["99"], 1, "no post 99"),
        ("profile", ["--field", "no sign"], 2, "NAME=VALUE"),
        ("profile", ["--avatar", "TEXT"], 1, "not a type of file"),
        ("block", ["--import", "/no/such.csv"], 2, "cannot read"),
        ("mute", ["@a@b.example", "--for", "soon"], 1, "no length of time"),
        ("leave", ["--surely"], 2, "No such option"),
        ("show", ["9" * 19], 1, "no post 9999999999999999999"),  # no number of ours, and none that SQLite knows
        ("show --thread", ["9" * 19], 1, "no post 9999999999999999999"),
        ("unquote", ["9" * 30], 1, "quotes nothing of yours"),
        ("unquote", ["9" * 5000], 1, "quotes nothing of yours"),
        ("keys show", ["ME"], 1, "that is you"),
        ("keys accept", ["--yes", "ME"], 1, "that is you"),
        ("show", ["\udcff"], 2, "UTF-8"),
        ("profile", ["--bio", "\udcff"], 2, "UTF-8"),
        ("post", ["x", "--reply-to", "\udcff"], 2, "UTF-8"),
    ],
)
def test_what_is_typed_wrong_is_said_in_a_sentence(
    eve: Place, tmp_path: Path, command: str, arguments: list[str], status: int, says: str
) -> None:
    """ "Exit codes: 0 done, 1 refused or failed, 2 misused"; a cause in words, and nothing on standard output."""
    (tmp_path / "text").write_text("Dear Eve,")
    named = {"TEXT": str(tmp_path / "text"), "ME": eve.handle}
    said = eve(command, *(named.get(one, one) for one in arguments))
    assert (said.status, said.out) == (status, ""), said
    assert says in said.err
    assert said.err.startswith("cuicui: ")
    assert not list((eve.data / "media" / "incoming").glob("*"))
    assert not list((eve.data / "media").glob("??/??/*"))


def test_leaving_is_asked_about(eve: Place) -> None:
    """Without an answer nobody leaves."""
    assert eve("leave", typed="n\n").status != 0
    assert "account" not in {item["about"] for item in eve("doctor", "--json").json}


def _levels(place: Place) -> dict[str, str]:
    return {item["about"]: item["level"] for item in place("doctor", "--json").json}


def test_doctor_knows_about_apps_and_files(tmp_path: Path) -> None:
    """A missing password, directories that cannot be written, a disk too small for the cache, an account that left."""
    place = made(tmp_path, "frank")
    assert {about: _levels(place)[about] for about in ("password", "media", "push")} == {
        "password": "warn",
        "media": "ok",
        "push": "ok",
    }
    assert place("password", typed="correct horse\n").status == 0
    assert _levels(place)["password"] == "ok"
    settings = place.data / "cuicui.toml"
    settings.write_text(settings.read_text() + "media_cache_size = 1048576\n")  # a tebibyte
    assert _levels(place)["cache"] == "warn"
    (place.data / "media").write_text("in the way")
    assert _levels(place)["media"] == "fail"
    assert place("doctor").status == 1
    (place.data / "media").unlink()
    assert place("leave", "--yes").status == 0
    assert _levels(place)["account"] == "warn"


def test_doctor_asks_about_the_proxy(eve: Place, tmp_path: Path) -> None:
    """Who has an https address has something in front, and is told that strangers are not told apart yet."""
    data = tmp_path / "grace"
    assert cuicui("init", "--data", data, "--base-url", "https://grace.example", "--handle", "grace").status == 0

    def said(**environ: str) -> dict[str, str]:
        found = cuicui("doctor", "--data", data, "--json", **environ).json
        return next(item for item in found if item["about"] == "proxy")

    assert (said()["level"], "trusted_proxies" in said()["hint"]) == ("warn", True)
    named = said(CUICUI_TRUSTED_PROXIES="127.0.0.1, ::1")
    assert (named["level"], "127.0.0.1/32, ::1/128" in named["said"]) == ("ok", True)
    assert "proxy" not in _levels(eve)


def test_a_backup_can_be_checked_and_names_what_is_in_it(eve: Place, tmp_path: Path) -> None:
    """In words, without a node."""
    said = eve("backup", tmp_path / "eve.backup")
    assert (said.status, "pictures" in said.err) == (0, True)
    assert cuicui("backup", "--verify", tmp_path / "eve.backup").status == 0
