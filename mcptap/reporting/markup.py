"""HTML in which nothing that was recorded can become markup."""

from __future__ import annotations

import html
from typing import Any

from mcptap import codec


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """``text`` as HTML; what UTF-8 has no form for becomes a replacement character."""
    return Markup(html.escape(text.encode("utf-8", "replace").decode()))


def element(name: str, *children: str, **attributes: str) -> Markup:
    """An element with its children, which are escaped unless they are `Markup`.

    An underscore in an attribute's name is a hyphen, and one at its end is nothing.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Children one after the other, escaped unless they are `Markup`."""
    return Markup("".join(child if isinstance(child, Markup) else escaped(child) for child in children))


def data(name: str, text: str) -> Markup:
    """A block of data that the page's script reads; ``text`` is base64."""
    return element("script", text, id=name, type="application/octet-stream")


def json_data(name: str, value: Any) -> Markup:
    """A block of JSON that the page's script reads, with nothing in it that could end it."""
    text = codec.dumps(value).decode()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element("script", Markup(text), id=name, type="application/json")
