"""Taking secrets out of messages, and out of the lines of a cassette."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

from mcptap.codec import dumps
from mcptap.matching.canonical import canonical
from mcptap.redaction import keys, zones
from mcptap.redaction.known import Known
from mcptap.redaction.needles import needles_in
from mcptap.redaction.patterns import FORMS, TOKENS
from mcptap.redaction.placeholder import Placeholders, decoded, is_placeholder
from mcptap.redaction.rules import Rules, parse_rules
from mcptap.redaction.spans import Search, Span

T = TypeVar("T")
_Member: TypeAlias = Callable[[str, Any], Any]


class Redactor:
    """Replaces secrets by placeholders, the same for the same secret.

    What it gives back is what it was given, the very object, where there is nothing to replace. It is
    safe to apply it twice.

    Args:
        names: The rules by name (see `parse_rules`).
        salt: The cassette's salt.

    Attributes:
        names: The rules as they stand in a cassette's header,
        salt: and its salt.

    Raises:
        UsageError: One of the names is no rule.
    """

    def __init__(self, names: tuple[str, ...], salt: str) -> None:
        self._rules: Rules = parse_rules(names)
        self.names = self._rules.names
        self.salt = salt
        self._has_own_rules = bool(self._rules.keys or self._rules.patterns or self._rules.paths)
        self._placeholders = Placeholders(salt)

    def value(self, value: T, known: Known | None = None, *, data: bool = False) -> T:
        """Redact params, a result, an error or a piece of them.

        Args:
            value: The JSON value.
            known: What the client session has shown; what is found is added to it.
            data: Whether it is the user's own data altogether, such as a tool's arguments.
        """
        before = known.count if known is not None else 0
        redacted = self._pass(value, dumps(value), known, data=data)
        # What was learned at the end of a value may stand at its beginning, where it wasn't known yet.
        if known is not None and known.count > before:
            redacted = self._pass(redacted, dumps(redacted), known, data=data)
        return redacted

    def may_have_secrets(self, text: bytes, known: Known | None = None) -> bool:
        """Whether a JSON text is worth a closer look. Cheap, and never false where a secret is in it."""
        return self._has_own_rules or bool(needles_in(text)) or (known is not None and known.occurs(text))

    def _pass(self, value: T, text: bytes, known: Known | None, *, data: bool) -> T:
        needles = needles_in(text)
        if not needles and not self._has_own_rules and (known is None or not known.occurs(text)):
            return value
        built_in = self._rules.built_in
        search = Search(
            self._rules,
            tuple(each for each in TOKENS if each.name in built_in and needles.intersection(each.needles)),
            tuple(each for each in FORMS if each.name in built_in and needles.intersection(each.needles)),
            tuple(needle for needle in keys.NEEDLES if needle in needles),
        )
        walk = _Walk(search, self._rules, self._placeholders, known)
        for path, rule in self._rules.paths:
            value = walk.at_path(value, path, rule)
        return cast("T", walk.data(value) if data else walk.message(value))


class _Walk:
    """One way through one message."""

    def __init__(self, search: Search, rules: Rules, placeholders: Placeholders, known: Known | None) -> None:
        self._search = search
        self._rules = rules
        self._placeholders = placeholders
        self._known = known

    def message(self, value: Any, *, prose: bool = False) -> Any:
        """Redact one of the protocol's own objects, or what is in one."""
        if isinstance(value, str):
            return self._text(value, prose=prose)
        if isinstance(value, Mapping):
            return self._object(value, self._member)
        if isinstance(value, list):
            return _same_or([self.message(item, prose=prose) for item in value], value)
        return value

    def data(self, value: Any) -> Any:
        """Redact what is the user's own altogether."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self._object(value, self._own_member, prose=False)
        if isinstance(value, list):
            return _same_or([self.data(item) for item in value], value)
        return value

    def _object(self, value: Mapping[str, Any], member: _Member, *, prose: bool = True) -> Any:
        named = self._named_by_neighbour(value)
        changed: dict[str, Any] = {}
        is_changed = False
        for key, item in value.items():
            new_key = self._text(key, prose=prose)
            new_item = self._secret(item, named) if named and key == "value" else member(key, item)
            is_changed = is_changed or new_item is not item or new_key is not key
            changed[new_key] = new_item
        return changed if is_changed else value

    def _named_by_neighbour(self, value: Mapping[str, Any]) -> str | None:
        """The rule of ``value`` in ``{"name": …, "value": …}``: headers and variables often are."""
        if "value" not in value:
            return None
        name = value.get("name", value.get("key"))
        return self._rules.rule_of(name) if isinstance(name, str) else None

    def _member(self, key: str, item: Any) -> Any:
        if key in zones.SCHEMAS:
            return self._schema(item)
        if key in zones.UNTOUCHED:
            return item
        if key == zones.META and isinstance(item, Mapping):
            return self._object(
                item,
                lambda name, each: each if zones.is_protocol_meta(name) else self._own_member(name, each),
            )
        if key == zones.BLOB and isinstance(item, str):
            return self._blob(item)
        if key in zones.DATA and isinstance(item, (Mapping, str)):
            return self.data(item)
        if (rule := self._rules.rule_of(key)) is not None:
            return self._secret(item, rule)
        return self.message(item, prose=key in zones.PROSE)

    def _own_member(self, key: str, item: Any) -> Any:
        rule = self._rules.rule_of(key)
        return self.data(item) if rule is None else self._secret(item, rule)

    def _schema(self, value: Any) -> Any:
        """Take well-known tokens out of what a schema says to people, and leave all else as it is."""
        if isinstance(value, Mapping):
            changed = {
                key: self.message(item, prose=True)
                if key in zones.PROSE and not isinstance(item, Mapping)
                else self._schema(item)
                for key, item in value.items()
            }
            return value if all(changed[key] is item for key, item in value.items()) else changed
        if isinstance(value, list):
            return _same_or([self._schema(item) for item in value], value)
        return value

    def _secret(self, value: Any, rule: str) -> Any:
        """Replace a value that is a secret by its name. Of true, false and null there is nothing to hide."""
        if isinstance(value, str):
            return self._secret_text(value, rule)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._placeholders.of_number(canonical(value).decode(), rule)
        if isinstance(value, list):
            return _same_or([self._secret(item, rule) for item in value], value)
        return self.data(value)

    def _secret_text(self, text: str, rule: str) -> str:
        plain = decoded(text)
        if not text or is_placeholder(plain):
            return text if plain == text else plain
        spans = self._search.find(text, None, prose=False)
        # "Bearer …" and tokens of a known form say more by their own rule; the rest of it has no secret then.
        if len(spans) == 1 and spans[0].end == len(text) and not text[: spans[0].begin].strip().count(" "):
            span = spans[0]
            if span.begin == 0 or text[: span.begin].strip().lower() in ("bearer", "basic"):
                return text[: span.begin] + self._replace(
                    text[span.begin :], span.rule, guessable=span.guessable
                )
        if self._is_only_scheme_and_placeholder(plain):
            return text if plain == text else plain
        return self._replace(text, rule, guessable=True)

    @staticmethod
    def _is_only_scheme_and_placeholder(text: str) -> bool:
        scheme, space, rest = text.partition(" ")
        return bool(space) and scheme.lower() in ("bearer", "basic") and is_placeholder(rest)

    def _text(self, text: str, *, prose: bool = False) -> str:
        plain = decoded(text) if "redacted" in text else text
        spans = self._search.find(plain, self._known, prose=prose)
        if not spans:
            return text if plain == text else plain
        pieces, at = [], 0
        for span in spans:
            pieces += [plain[at : span.begin], self._placeholder(plain[span.begin : span.end], span)]
            at = span.end
        return "".join([*pieces, plain[at:]])

    def _placeholder(self, secret: str, span: Span) -> str:
        if span.quote:
            return f"{span.quote}{self._placeholders.of_number(secret, span.rule)}{span.quote}"
        return self._replace(secret, span.rule, guessable=span.guessable)

    def _replace(self, secret: str, rule: str, *, guessable: bool) -> str:
        if self._known is not None:
            self._known.add(secret, rule, guessable=guessable)
        return self._placeholders.of(secret, rule, guessable=guessable)

    def _blob(self, text: str) -> str:
        """Redact a text that travels as base64, as which it must arrive."""
        try:
            plain = b64decode(text, validate=True).decode()
        except (Base64Error, ValueError):
            return text
        search = self._search
        redacted = _Walk(
            Search(search.rules, *_all_of(search.rules)), self._rules, self._placeholders, self._known
        ).data(plain)
        return text if redacted == plain else b64encode(redacted.encode()).decode()

    def at_path(self, value: Any, path: Any, rule: str) -> Any:
        """Replace what a JSONPath names, where it is data."""
        for match in path.finditer(value):
            parts = match.parts
            if not any(part in zones.SCHEMAS or part in zones.UNTOUCHED for part in parts):
                value = self._set(value, parts, rule)
        return value

    def _set(self, value: Any, parts: tuple[str | int, ...], rule: str) -> Any:
        if not parts:
            return self._everything(value, rule)
        first, rest = parts[0], parts[1:]
        copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
        copy[first] = self._set(value[first], rest, rule)
        return copy

    def _everything(self, value: Any, rule: str) -> Any:
        if isinstance(value, Mapping):
            return {key: self._everything(item, rule) for key, item in value.items()}
        if isinstance(value, list):
            return [self._everything(item, rule) for item in value]
        return self._secret(value, rule)


def _all_of(rules: Rules) -> tuple[Any, Any, Any]:
    tokens = tuple(each for each in TOKENS if each.name in rules.built_in)
    return tokens, tuple(each for each in FORMS if each.name in rules.built_in), keys.NEEDLES


def _same_or(changed: list[Any], value: list[Any]) -> list[Any]:
    """``value`` itself where nothing in it was changed."""
    return value if all(new is old for new, old in zip(changed, value, strict=True)) else changed
