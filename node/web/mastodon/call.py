"""One request to the client API: who asks, and what was sent, in the types that handlers want."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from node.errors import NotFound
from node.model import Window
from node.web.mastodon.errors import Invalid, Unauthorized
from node.web.mastodon.forms import Form, Params, Upload, validated

if TYPE_CHECKING:
    from node.storage.tokens import Token
    from node.web.mastodon.dispatch import Api
    from node.web.mastodon.rooms import Rooms

F = TypeVar("F", bound=Form)

LARGEST = 2**63 - 1


class Call:
    """What a handler is given. `token` is None for an anonymous request."""

    __slots__ = ("api", "named", "params", "request", "token")

    def __init__(
        self, api: Api, request: web.Request, named: dict[str, str], params: Params, token: Token | None
    ) -> None:
        self.api = api
        self.request = request
        self.named = named
        """The varying parts of the path."""
        self.params = params
        self.token = token

    @property
    def rooms(self) -> Rooms:
        return self.api.rooms

    @property
    def is_owner(self) -> bool:
        """The owner asks, by an app that the owner let in. Everybody else sees what anybody may see."""
        return self.token is not None and self.token.is_owner

    def id(self, name: str = "id") -> int:
        """A number in the path. Raises NotFound for what is none: there is nothing of that name."""
        found = number(self.named[name])
        if found is None:
            raise NotFound("Record not found")
        return found

    def text(self, name: str, default: str = "") -> str:
        value = self.params.get(name, default)
        return value if isinstance(value, str) else default

    def flag(self, name: str, default: bool = False) -> bool:
        """true, 1, "on" … ; everything that Rails calls false is false."""
        value = self.params.get(name)
        if value is None or value == "":
            return default
        return str(value).lower() not in ("false", "0", "f", "off", "no")

    def integer(self, name: str, default: int, *, least: int = 0, most: int = LARGEST) -> int:
        """A number within bounds. What lies outside is brought inside, as Mastodon does with `limit`."""
        value = self.params.get(name)
        try:
            return default if value in (None, "") else max(least, min(int(str(value)[:20]), most))
        except ValueError:
            return default

    def many(self, name: str) -> list[str]:
        """`name[]=a&name[]=b`, `name=a`, or a JSON list."""
        value = self.params.get(name)
        if value is None:
            return []
        return [str(item) for item in (value if isinstance(value, list) else [value]) if isinstance(item, str | int)]

    def ids(self, name: str = "id", most: int = 80) -> list[int]:
        """Numbers of a list, in the order asked for; what is no number is left out."""
        return [found for written in self.many(name)[:most] if (found := number(written)) is not None]

    def limit(self, default: int = 20, most: int = 40) -> int:
        return self.integer("limit", default, least=1, most=most)

    def window(self, default: int = 20, most: int = 40) -> Window:
        """The page asked for. Raises Invalid for an id that is none."""
        edges: dict[str, int | None] = {}
        for name in ("max_id", "since_id", "min_id"):
            written = self.params.get(name)
            edges[name] = None if written in (None, "") else number(str(written))
            if written not in (None, "") and edges[name] is None:
                raise Invalid(f"{name} is not an id")
        return Window(
            before=edges["max_id"],
            after=edges["min_id"] if edges["min_id"] is not None else edges["since_id"],
            nearest=edges["min_id"] is not None,
            limit=self.limit(default, most),
        )

    def form(self, form: type[F]) -> F:
        """What was sent, checked. Raises Invalid."""
        return validated(form, self.params)

    def file(self, name: str) -> Upload | None:
        value = self.params.get(name)
        return value if isinstance(value, Upload) else None

    def the_token(self) -> Token:
        if self.token is None:
            raise Unauthorized("The access token is invalid")
        return self.token


def number(written: str) -> int | None:
    """A client API id: decimal digits that fit 63 bits (decisions.md §10)."""
    if not (written.isascii() and written.isdigit() and len(written) <= 19):
        return None
    value = int(written)
    return value if value <= LARGEST else None
