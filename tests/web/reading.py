"""A page as a browser takes it apart: its elements, what it would load, its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

LOADED = {("link", "href"), ("img", "src"), ("script", "src"), ("iframe", "src"), ("object", "data"), ("use", "href")}
LOADED |= {("audio", "src"), ("video", "src"), ("video", "poster"), ("source", "src"), ("embed", "src")}
_ONLY_NAMED = {"canonical", "alternate"}
_UNCLOSED = {"meta", "link", "br", "img", "input", "hr", "wbr"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    words: str = ""
    inside: list[str] = field(default_factory=list)
    """The names of the elements around it, outermost first."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, {name: value or "" for name, value in attrs}, inside=[one.name for one in self._open])
        self.elements.append(found)
        if tag not in _UNCLOSED:
            self._open.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].name == tag, f"</{tag}> inside <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.words += data


class Page:
    """Refuses what is not well nested: a page that is, cannot be broken out of."""

    def __init__(self, html: str) -> None:
        reader = _Reader()
        reader.feed(html)
        reader.close()
        assert not reader._open, f"<{reader._open[-1].name}> is never closed"
        self.elements = reader.elements

    def all(self, tag: str, /, **attributes: str) -> list[Element]:
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [one for one in self.elements if one.name == tag and wanted.items() <= one.attributes.items()]

    def one(self, tag: str, /, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag} {attributes}>"
        return found[0]

    def meta(self, name: str) -> str:
        found = self.all("meta", name=name) + self.all("meta", property=name)
        assert len(found) == 1, f"{len(found)} of <meta {name}>"
        return found[0].attributes["content"]

    @property
    def words(self) -> str:
        return " ".join(self.one("body").words.split())

    @property
    def loads(self) -> list[str]:
        """What a browser fetches by itself."""
        return [
            one.attributes[attribute]
            for one in self.elements
            for attribute in one.attributes
            if (one.name, attribute) in LOADED and one.attributes.get("rel") not in _ONLY_NAMED
        ]
