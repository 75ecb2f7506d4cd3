"""One spelling of every domain, and the lists that Mastodon exports."""

from __future__ import annotations

import pytest

from node.blocking import BlockList, Entry, account_key, normal_domain, normal_handle, normal_host, read_list

SPELLINGS = [
    ("example.com", "example.com"),
    ("EXAMPLE.com.", "example.com"),
    ("example.com:8443", "example.com"),
    ("Example.COM.:443", "example.com"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("BÜCHER。example.", "xn--bcher-kva.example"),
    ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ("127.0.0.1:8080", "127.0.0.1:8080"),
    ("[0:0::1]:8080", "[::1]:8080"),
    ("localhost:8080", "localhost:8080"),
    ("", None),
    (".", None),
    ("two words", None),
    ("a" * 5000, None),
]


@pytest.mark.parametrize(("written", "host"), SPELLINGS)
def test_a_host_has_one_spelling(written: str, host: str | None) -> None:
    """ "case, punycode, trailing dots and ports do not get around it" """
    assert normal_host(written) == host


@pytest.mark.parametrize(
    ("iri", "covered"),
    [
        ("https://example.com/users/x", True),
        ("https://EXAMPLE.com./users/x", True),
        ("https://sub.example.com:8443/users/x", True),
        ("https://a.b.sub.example.com/", True),
        ("https://xn--bcher-kva.example/x", True),
        ("https://bücher.example/x", True),
        ("https://notexample.com/users/x", False),
        ("https://example.com.evil.example/users/x", False),
        ("https://com/users/x", False),
        ("http://127.0.0.1:8080/x", True),
        ("http://127.0.0.1:8081/x", False),
        ("not an address", False),
    ],
)
def test_a_domain_means_its_subdomains(iri: str, covered: bool) -> None:
    """ "Blocks of … domains (subdomains included …)"; on one numeric address each port is a server of its own."""
    blocked = BlockList(domains=frozenset(("example.com", "xn--bcher-kva.example", "127.0.0.1:8080")))
    assert blocked.covers(iri) is covered


def test_an_account_is_blocked_however_its_id_is_spelled() -> None:
    """The path of an id is as it is; the rest has one spelling."""
    blocked = BlockList(accounts=frozenset((account_key("https://example.com/users/eve"),)))
    assert blocked.covers("https://EXAMPLE.com.:443/users/eve#main-key")
    assert not blocked.covers("https://example.com/users/Eve")
    assert not blocked.covers("https://example.com/users/eve2")
    assert BlockList(handles=frozenset(("eve@example.com",))).names(None, "@Eve@EXAMPLE.com.")


@pytest.mark.parametrize("written", ["@x@example.com", "https://example.com", "com", "a b.example"])
def test_what_is_no_domain(written: str) -> None:
    """An account, an address and a word are none."""
    assert normal_domain(written) is None


LISTS: list[tuple[str, str, list[Entry], list[str]]] = [
    (
        "blocked_accounts.csv",
        "eve@bad.example\n@Mallory@WORSE.example.\n",
        [Entry("account", "eve@bad.example"), Entry("account", "mallory@worse.example")],
        [],
    ),
    ("with a header", "Account address\r\neve@bad.example\r\n", [Entry("account", "eve@bad.example")], []),
    (
        "blocked_domains.csv",
        "bad.example\n*.Worse.example\n",
        [Entry("domain", "bad.example"), Entry("domain", "worse.example")],
        [],
    ),
    (
        "domain_blocks.csv",
        "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\n"
        'bad.example,suspend,TRUE,TRUE,"spam, and worse",FALSE\nmeh.example,silence,,,,\n',
        [Entry("domain", "bad.example", "spam, and worse")],
        ["meh.example (silence)"],
    ),
    (
        "a plain list",
        "\ufeff# made by hand\nbad.example\n\nbad.example\nwhat is this\neve@bad.example\n",
        [Entry("domain", "bad.example"), Entry("account", "eve@bad.example")],
        ["what is this"],
    ),
    ("nothing", "", [], []),
]


@pytest.mark.parametrize(("name", "text", "entries", "skipped"), LISTS)
def test_lists_from_elsewhere_are_read(name: str, text: str, entries: list[Entry], skipped: list[str]) -> None:
    """ "import of the blocklist CSV formats that Mastodon exports" """
    read = read_list(text)
    assert (list(read.entries), list(read.skipped)) == (entries, skipped), name


def test_a_handle_has_one_spelling() -> None:
    """Names are compared without regard to case."""
    assert normal_handle("acct:Eve@Bücher.example:8443") == "eve@xn--bcher-kva.example:8443"
    assert normal_handle("example.com") is None
