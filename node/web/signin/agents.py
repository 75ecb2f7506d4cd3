"""What a browser calls itself, in words for its owner. Pure."""

from __future__ import annotations

import re

_BROWSERS = (
    (r"\bEdg(?:e|A|iOS)?/", "Edge"),
    (r"\b(?:OPR|OPX|OPiOS|Opera)/", "Opera"),
    (r"\bVivaldi/", "Vivaldi"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\bDuckDuckGo/|\bDdg/", "DuckDuckGo"),
    (r"\b(?:Firefox|FxiOS)/", "Firefox"),
    (r"\bEpiphany/", "GNOME Web"),
    (r"\b(?:Headless)?Chrom(?:e|ium)/|\bCriOS/", "Chrome"),
    (r"\bVersion/[\d.]+.*\bSafari/", "Safari"),
    (r"\bAppleWebKit/.*\bMobile/", "an app"),  # the page that an app on an iPhone opens
    (r"\A(?:curl|Wget|python-requests|aiohttp|Python)\b", "a program"),
)
"""Those that pretend to be another come before it."""

_SYSTEMS = (
    (r"\biPhone\b", "iPhone"),
    (r"\biPad\b", "iPad"),
    (r"\bAndroid\b", "Android"),
    (r"\bCrOS\b", "ChromeOS"),
    (r"\bWindows\b", "Windows"),
    (r"\bMac OS X\b|\bMacintosh\b", "a Mac"),
    (r"\bLinux\b|\bX11\b", "Linux"),
)


def spoken(agent: str) -> str:
    """`Mozilla/5.0 (X11; Linux x86_64; rv:145.0) … Firefox/145.0` → `Firefox on Linux`; what is unknown, as it is."""
    if not agent.strip():
        return "a browser that does not say its name"
    browser = next((name for pattern, name in _BROWSERS if re.search(pattern, agent)), None)
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, agent)), None)
    if browser is None:
        return agent if system is None else f"a browser on {system}"
    return browser if system is None else f"{browser} on {system}"
