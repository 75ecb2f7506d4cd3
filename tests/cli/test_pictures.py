"""Pictures from the command line: on posts, and of the owner."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Place
from tests.support.pictures import as_bytes, painted, with_metadata


def test_a_post_has_its_picture(founded: Place, tmp_path: Path) -> None:
    """Words, a file, and what is to be seen there."""
    one, two = tmp_path / "cat.jpg", tmp_path / "no name at all"
    one.write_bytes(with_metadata("JPEG"))
    two.write_bytes(as_bytes(painted(), "PNG"))
    said = founded("post", "Look", "--image", one, "--image", two, "--alt", "A cat")
    assert said.status == 0, said.err
    assert founded("post", "--image", one).status == 0, "a picture needs no words"
    files = list((founded.data / "media").glob("??/??/*"))
    assert sorted(path.suffix for path in files) == [*[".jpg"] * 5, ".png"], "the small ones are JPEG"


def test_what_is_no_picture_is_said(founded: Place, tmp_path: Path) -> None:
    page = tmp_path / "page.jpg"
    page.write_text("<script>alert(1)</script>")
    said = founded("post", "Look", "--image", page)
    assert (said.status, said.out) == (1, "")
    assert "not a type of file that is taken" in said.err
    assert founded("post", "Look", "--image", tmp_path / "missing.jpg").status == 2
    assert founded("post", "Look", "--alt", "of nothing").status == 2


def test_the_owner_has_a_face(founded: Place, tmp_path: Path) -> None:
    """Cut to measure; the actor names it, with its type."""
    file = tmp_path / "me.png"
    file.write_bytes(as_bytes(painted(900, 600), "PNG"))
    said = founded("profile", "--avatar", file, "--header", file)
    assert said.status == 0, said.err
    lines = dict(line.split(maxsplit=1) for line in said.out.splitlines() if line.startswith(("avatar", "header")))
    assert lines["avatar"] != lines["header"]
    assert lines["avatar"].endswith(".png")
    assert "avatar" not in founded("profile", "--avatar", "").out
    assert "cannot read" in founded("profile", "--avatar", tmp_path / "missing.png").err
