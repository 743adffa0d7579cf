"""Names that stay few: identifiers in paths become `*`, errors lose what makes each one unique."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_IDENTIFIER = re.compile(rf"\d+|{_UUID}|(?=.*\d).{{12,}}")
_UNIQUE = (
    (re.compile(r"\bURL (?:https?://)?\S*: "), ""),
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(_UUID), "ID"),
    (re.compile(r"\b0x[0-9a-fA-F]+"), "0x…"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "ADDRESS"),
    (re.compile(r"\b(?=\w*\d)\w{12,}\b|\b\d{4,}\b"), "N"),
    (re.compile(r"\s+"), " "),
)
_LONGEST = 160


def path_pattern(url: str) -> str:
    """The path of `url` (absolute or not), its identifiers replaced by `*`, without its query.

    An identifier is all digits, a UUID, or at least 12 characters with a digit among them.
    """
    path = urlsplit(url).path if "://" in url else url.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        path = "/" + path
    return "/".join("*" if _IDENTIFIER.fullmatch(part) else part for part in path.split("/"))


def request_name(name: str, url: str) -> str:
    """`name` as its profile gave it, or, where it gave none (Locust then uses the URL), the path.

    A name made of the URL would otherwise be a new one for each identifier.
    """
    if name == url or (name and url.endswith(name) and name.startswith("/")):
        return path_pattern(name)
    return name


def normalised_error(text: str) -> str:
    """`text` without addresses, URLs, identifiers and long numbers, at most 160 characters."""
    for pattern, instead in _UNIQUE:
        text = pattern.sub(instead, text)
    return text.strip()[:_LONGEST]
