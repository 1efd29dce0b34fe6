"""What a cassette's header says of its redaction, and what of the header itself is a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

from mcptap.errors import CassetteError, UsageError
from mcptap.model import CassetteHeader
from mcptap.redaction.redactor import Redactor

_SALT_BYTES: Final = 8
_OPTION: Final = re.compile(r"--?([A-Za-z][\w-]*)")


def salt_of(name: str) -> str:
    """The salt of the recordings of a server.

    It is the same for all of them, so that recording anew doesn't change every placeholder; and others
    have another, so that no table of hashes fits them all.
    """
    return blake2b(name.encode(), digest_size=_SALT_BYTES, person=b"mcptap").hexdigest()


def redacted_header(header: CassetteHeader, rules: tuple[str, ...]) -> CassetteHeader:
    """A header that names these rules, and whose target they have been applied to.

    Raises:
        UsageError: One of them is no rule.
    """
    if not rules:
        return header
    upstream = header.upstream
    redactor = Redactor(rules, header.salt or salt_of(upstream.name if upstream else ""))
    if upstream is not None:
        target, option = [], ""
        for argument in upstream.target:
            # "--api-key", "…": what it is stands in the argument before.
            target.append(next(iter(redactor.value({option: argument}, data=True).values())))
            named = _OPTION.fullmatch(argument)
            option = named[1] if named else ""
        upstream = replace(upstream, target=tuple(target))
    return replace(header, upstream=upstream, redaction=redactor.names, salt=redactor.salt)


def redactor_of(header: CassetteHeader) -> Redactor | None:
    """What applies a cassette's own rules; ``None`` where it has none.

    Raises:
        CassetteError: It has rules that this mcptap doesn't know.
    """
    if not header.redaction:
        return None
    try:
        return Redactor(header.redaction, header.salt or "")
    except UsageError as error:
        raise CassetteError(
            f"the cassette was redacted by rules that can't be applied: {error.message}",
            "use the mcptap that it was made with, or a newer one",
        ) from error


def redactors_of(headers: Iterable[CassetteHeader]) -> list[Redactor | None]:
    """What applies the rules of several cassettes, each once; ``None`` stands for those without any.

    Raises:
        CassetteError: One of them has rules that this mcptap doesn't know.
    """
    distinct = {(header.redaction, header.salt): header for header in headers}
    return [redactor_of(header) for header in distinct.values()]


def same_rules(path: Path, existing: CassetteHeader, wanted: CassetteHeader) -> CassetteHeader:
    """The header whose rules apply to what is appended to a cassette: its own, if they are what is wanted.

    Raises:
        CassetteError: They are not: half of it would be redacted otherwise than the other.
    """
    if bool(existing.redaction) != bool(wanted.redaction):
        how, hint = (
            ("with redaction", "leave --no-redact out")
            if existing.redaction
            else ("without redaction", "run `mcptap redact --in-place` on it first, or add --no-redact")
        )
        raise CassetteError(f"{path} was recorded {how}", hint)
    own = {rule for rule in wanted.redaction if ":" in rule}
    if not own <= set(existing.redaction):
        raise CassetteError(
            f"{path} was recorded by other redaction rules",
            "add yours to it with `mcptap redact --in-place`, or record into another file",
        )
    return existing
