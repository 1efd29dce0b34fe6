"""The secrets that a client session has shown, to be found again where nothing tells them apart.

A password is known by the name that it is given once; the server that greets the user with it gives it
none. So what the rules have found is looked for in what follows in the same session, in every encoding
that text is likely to have it in.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Final
from urllib.parse import quote, quote_plus

from mcptap.codec import dumps

_MOST: Final = 512
_LONG: Final = 8
_SHORT: Final = 6
_LEAST_BASE64: Final = 8
_TO_URL_SAFE: Final = str.maketrans("+/", "-_")


class Known:
    """What one client session has shown, each form of it with its rule; the oldest is forgotten first.

    Attributes:
        count: How many secrets have ever been added.
    """

    def __init__(self) -> None:
        self._forms: dict[str, tuple[str, bool]] = {}
        self._needles: dict[str, str] = {}
        self._secrets: dict[str, tuple[str, ...]] = {}
        self.count = 0

    def add(self, secret: str, rule: str, *, guessable: bool) -> None:
        """Learn a secret, unless it is too short or too plain a word to be known by itself."""
        if secret in self._secrets or not _is_distinctive(secret):
            return
        forms = tuple(form for form in _forms(secret) if form not in self._forms)
        self._secrets[secret] = forms
        self.count += 1
        for form in forms:
            self._forms[form] = rule, guessable
            self._needles[form] = dumps(form)[1:-1].decode("latin-1")
        if len(self._secrets) > _MOST:
            for form in self._secrets.pop(next(iter(self._secrets))):
                del self._forms[form]
                del self._needles[form]

    def learn(self, other: Known) -> None:
        """Learn all that another has been shown."""
        for secret in other._secrets:
            if secret in other._forms:
                rule, guessable = other._forms[secret]
                self.add(secret, rule, guessable=guessable)

    def occurs(self, text: bytes) -> bool:
        """Whether one of them may stand in a JSON text."""
        searched = text.decode("latin-1") if self._needles else ""
        return any(needle in searched for needle in self._needles.values())

    def find(self, text: str) -> list[tuple[int, int, str, bool]]:
        """Where they stand in ``text``: begin, end, rule, and whether it is guessable."""
        found = []
        for form, (rule, guessable) in self._forms.items():
            at = text.find(form)
            while at >= 0:
                found.append((at, at + len(form), rule, guessable))
                at = text.find(form, at + len(form))
        return found


def _is_distinctive(secret: str) -> bool:
    if len(secret) >= _LONG:
        return True
    return len(secret) >= _SHORT and not secret.isalpha() and not secret.isdigit()


def _forms(secret: str) -> list[str]:
    """How text may have a secret: plainly, in JSON, in a URL, and inside of base64 at any offset."""
    data = secret.encode("utf-8", "surrogatepass")
    quoted = quote(data, safe="")
    forms = [
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quoted,
        quoted.lower() if "%" in quoted else quoted,
        quote(data),
        quote_plus(data),
    ]
    for offset in range(3):
        whole = b64encode(bytes(offset) + data).decode()
        if not offset:
            forms += [whole, whole.translate(_TO_URL_SAFE)] if len(whole) >= _LEAST_BASE64 else []
        # Without the characters that also depend on what stands before and behind.
        core = whole[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        if len(core) >= _LEAST_BASE64:
            forms += [core, core.translate(_TO_URL_SAFE)]
    return list(dict.fromkeys(forms))
