"""What the owner does in the browser when an app asks to be let in, and is shown a code."""

from __future__ import annotations

from tests.support.browser import Browser


async def let_in(browser: Browser, address: str) -> str:
    """Open the address that the app gave, say yes; the code that is shown."""
    page = await browser.send(await browser.get(address), decision="allow")
    assert page.status == 200
    return page.html.partition('value="')[2].partition('"')[0]
