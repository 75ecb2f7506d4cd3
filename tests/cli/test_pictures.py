"""Pictures from the command line: on posts, and of the owner."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.cli.conftest import Place, cuicui
from tests.support.pictures import as_bytes, painted, with_metadata


def test_a_post_has_its_picture(founded: Place, tmp_path: Path) -> None:
    """Words, a file, and what is to be seen there."""
    one, two = tmp_path / "cat.jpg", tmp_path / "no name at all"
    one.write_bytes(with_metadata("JPEG"))
    two.write_bytes(as_bytes(painted(), "PNG"))
    before = set((founded.data / "media").glob("??/??/*"))
    said = founded("post", "Look", "--image", one, "--image", two, "--alt", "A cat")
    assert said.status == 0, said.err
    assert founded("post", "--image", one).status == 0, "a picture needs no words"
    files = set((founded.data / "media").glob("??/??/*")) - before
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


def test_pictures_are_in_the_backup(founded: Place, tmp_path: Path) -> None:
    """What is signed names their digests: without them the posts would be torn."""
    picture, saved, other = tmp_path / "cat.png", tmp_path / "saved.tar", tmp_path / "other"
    picture.write_bytes(as_bytes(painted(), "PNG"))
    assert founded("post", "Look", "--image", picture).status == 0
    assert founded("backup", saved).status == 0
    said = cuicui("restore", saved, "--data", other)
    assert said.status == 0, said.err
    before, after = (
        {path.relative_to(data): path.read_bytes() for path in (data / "media").glob("??/??/*")}
        for data in (founded.data, other)
    )
    assert len(before) >= 2
    assert after == before


def test_a_backup_holds_nothing_else(founded: Place, tmp_path: Path) -> None:
    """A name that leads elsewhere, or that is none of ours, makes it no backup."""
    saved = tmp_path / "saved.tar"
    assert founded("backup", saved).status == 0
    for name in ("media/../../evil.jpg", "media/" + "a" * 32 + ".svgz2", "a" * 32 + ".jpg", "media/x"):
        forged = tmp_path / "forged.tar"
        with tarfile.open(saved) as source, tarfile.open(forged, "w") as target:
            for entry in source:
                stream = source.extractfile(entry)
                assert stream is not None
                data = stream.read()
                if entry.name == "backup.json":
                    manifest = json.loads(data)
                    manifest["files"][name] = hashlib.sha256(b"evil").hexdigest()
                    data = json.dumps(manifest).encode()
                _put(target, entry.name, data)
            _put(target, name, b"evil")
        said = cuicui("restore", forged, "--data", tmp_path / "other")
        assert said.status == 1, name
        assert "not a backup" in said.err
        assert not (tmp_path / "other").exists()


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
