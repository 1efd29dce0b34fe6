"""What is taken out of a message, what stays as it is, and what must hold of all of it."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcptap import codec
from mcptap.errors import UsageError
from mcptap.redaction.known import Known
from mcptap.redaction.placeholder import PLACEHOLDER
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.rules import BUILT_IN

GITHUB = "ghp_" + "a1B2" * 9
REDACTOR = Redactor(BUILT_IN, "salt")

secrets = st.one_of(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=36, max_size=40).map(
        "ghp_".__add__
    ),
    st.text(min_size=8, max_size=24).filter(lambda text: text.strip() and "redacted" not in text),
)
names = st.sampled_from(["password", "apiKey", "GITHUB_TOKEN", "client-secret", "authorization", "x-api-key"])
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | names, inner, max_size=4),
    max_leaves=12,
)


def redacted(value: Any, known: Known | None = None) -> Any:
    return REDACTOR.value(value, known)


def rules_in(value: Any) -> list[str]:
    return re.findall(r"‹redacted:([a-z0-9-]+):", json.dumps(value, ensure_ascii=False))


@pytest.mark.parametrize(
    ("text", "rule", "rest"),
    [
        (f"see {GITHUB}.", "github-token", "see §."),
        ("github_pat_" + "a1" * 20, "github-token", "§"),
        ("glpat-" + "a1b2" * 5, "gitlab-token", "§"),
        ("AKIA" + "A1B2" * 4, "aws-access-key", "§"),
        ("xoxb-123456789012-abcdef", "slack-token", "§"),
        ("sk_live_" + "a1b2" * 6, "stripe-key", "§"),
        ("sk-proj-" + "a1b2" * 6, "api-key", "§"),
        ("AIza" + "a1b2c" * 7, "google-api-key", "§"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0abc.c2lnbmF0dXJl", "jwt", "§"),
        ("curl -H 'Authorization: Bearer abc123def456'", "bearer", "curl -H 'Authorization: Bearer §'"),
        ("Authorization: Basic dXNlcjpwdw==", "basic", "Authorization: Basic §"),
        ("postgres://bob:hunter2@db/x", "url-password", "postgres://bob:§@db/x"),
        ("https://host/x?api_key=abcd1234&page=2", "api-key", "https://host/x?api_key=§&page=2"),
        ("DB_PASSWORD=correcthorse\nDB_USER=bob", "password", "DB_PASSWORD=§\nDB_USER=bob"),
        ("password: hunter22\nuser: bob", "password", "password: §\nuser: bob"),
        ('{"user": "bob", "password": "a\\"b\\\\"}', "password", '{"user": "bob", "password": "§"}'),
        ('{"token": 12345, "n": 1}', "token", '{"token": "§", "n": 1}'),
        ("Cookie: a=1; b=2\r\nHost: x", "cookie", "Cookie: §\r\nHost: x"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nend",
            "private-key",
            "§\nend",
        ),
    ],
)
def test_just_the_secret_of_a_text_is_replaced(text: str, rule: str, rest: str) -> None:
    found = redacted({"content": [{"type": "text", "text": text}]})["content"][0]["text"]
    assert rules_in(found) == [rule]
    assert PLACEHOLDER.sub("§", found) == rest


@pytest.mark.parametrize(
    "text",
    [
        "The password must have 8 letters.",
        "def login(token: str, key: int) -> None: ...",
        "Use basic authentication, or bearer tokens.",
        "max_tokens=4096, page_token=abcdef",
        '{"next_page_token": "abcdef", "total_tokens": 17, "has_password": true, "secret": null}',
        "https://example.com:8080/a@b ask-me-about-things-of-this-kind",
        "/home/user/.ssh/id_rsa.pub",
    ],
)
def test_text_without_a_secret_stays(text: str) -> None:
    value = {"content": [{"type": "text", "text": text}]}
    assert redacted(value) is value


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_json_in_json_in_json_stays_json(levels: int) -> None:
    inner: Any = {"a": 'x"y\\', "password": 'p"q\\', "token": 7, "z": [1, "\\"]}
    text = inner
    for _ in range(levels):
        text = json.dumps(text)
    found = redacted({"text": text})["text"]
    for _ in range(levels):
        found = json.loads(found)
    assert PLACEHOLDER.fullmatch(found.pop("password"))
    assert PLACEHOLDER.fullmatch(found.pop("token"))
    assert found == {"a": inner["a"], "z": inner["z"]}


def test_values_of_secret_names_are_replaced_whatever_they_are_but_not_what_hides_nothing() -> None:
    arguments = {
        "password": 1234,
        "api_keys": ["a", "b"],
        "credentials": {"user": "bob", "password": "x"},
        "token": None,
        "secret": True,
        "headers": [{"name": "X-Api-Key", "value": "k"}],
    }
    found = redacted({"name": "login", "arguments": arguments})["arguments"]
    assert rules_in(found) == ["password", "api-key", "api-key", "password", "api-key"]
    assert (found["credentials"]["user"], found["token"], found["secret"]) == ("bob", None, True)


def test_a_number_and_the_text_with_its_digits_are_different_secrets() -> None:
    forms = [redacted({"arguments": {"password": value}})["arguments"] for value in (1234, "1234", 12340)]
    assert len({form["password"] for form in forms}) == 3


def test_names_of_members_that_are_secrets_are_replaced() -> None:
    found = redacted({"arguments": {GITHUB: 1, "b": 2}})["arguments"]
    assert rules_in(found) == ["github-token"]
    assert list(found.values()) == [1, 2]


def test_a_secret_that_is_known_is_found_in_names_of_members_too() -> None:
    value = {"arguments": {"password": "correcthorse!", "correcthorse!": 1}}
    assert "horse" not in json.dumps(redacted(value, Known()))


def test_what_belongs_to_the_protocol_is_never_touched() -> None:
    value = {
        "_meta": {
            "progressToken": GITHUB,
            "io.modelcontextprotocol/subscriptionId": GITHUB,
            "traceparent": GITHUB,
        },
        "name": "get_password",
        "nextCursor": GITHUB,
        "requestState": GITHUB,
        "taskId": GITHUB,
        "protocolVersion": "2026-07-28",
        "mimeType": "text/plain",
        "capabilities": {"experimental": {"token": {"password": "x"}}},
        "inputRequests": {"password": {"method": "elicitation/create", "params": {"mode": "form"}}},
    }
    assert redacted(value) is value


def test_own_meta_is_data() -> None:
    assert rules_in(redacted({"_meta": {"example.com/token": "abc"}})) == ["token"]


@given(json_values)
@settings(deadline=None)
def test_a_schema_stays_as_it_is(value: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"password": {"type": "string", "default": "x"}, "token": {"enum": ["a", "b"]}},
        "required": ["password"],
        "x-anything": value,
    }
    listed = {"tools": [{"name": "login", "inputSchema": schema, "outputSchema": schema}]}
    asked = {"message": "who?", "requestedSchema": schema}
    assert redacted(listed) == listed
    assert redacted(asked) == asked


def test_a_token_in_a_schemas_description_is_replaced_and_the_schema_still_valid() -> None:
    schema = {"type": "object", "properties": {"token": {"type": "string", "description": f"like {GITHUB}"}}}
    found = redacted({"tools": [{"name": "x", "inputSchema": schema}]})["tools"][0]["inputSchema"]
    Draft202012Validator.check_schema(found)
    assert rules_in(found) == ["github-token"]
    assert found["properties"]["token"]["type"] == "string"


def test_a_text_in_base64_arrives_as_base64() -> None:
    blob = b64encode(b"PASSWORD=hunter22\n").decode()
    found = redacted({"contents": [{"uri": "file:///.env", "blob": blob}]})["contents"][0]["blob"]
    assert PLACEHOLDER.sub("§", b64decode(found, validate=True).decode()) == "PASSWORD=§\n"


def test_a_picture_stays_as_it_is() -> None:
    value = {"contents": [{"uri": "x", "blob": b64encode(bytes(range(256))).decode()}], "password": None}
    assert redacted(value) is value


@given(secrets, names)
@settings(max_examples=50, deadline=None)
def test_a_secret_appears_nowhere_once_it_is_known_in_any_encoding(secret: str, name: str) -> None:
    known = Known()
    data = secret.encode()
    encodings = [
        secret,
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        quote(secret, safe=""),
        b64encode(data).decode(),
        b64encode(b"user:" + data + b":x").decode(),
    ]
    request = redacted({"name": "login", "arguments": {name: secret}}, known)
    answer = redacted({"content": [{"type": "text", "text": f"<{text}>"} for text in encodings]}, known)
    written = codec.dumps([request, answer]).decode()
    core = b64encode(data).decode()[: len(data) * 8 // 6]
    for form in (codec.dumps(secret)[1:-1].decode(), quote(secret, safe=""), core):
        assert form not in PLACEHOLDER.sub("", written)


def test_what_is_learned_at_the_end_of_a_message_is_found_at_its_beginning() -> None:
    found = redacted({"arguments": {"note": "correcthorse!", "password": "correcthorse!"}}, Known())
    assert rules_in(found) == ["password", "password"]


@given(json_values)
@settings(deadline=None)
def test_to_redact_twice_is_to_redact_once(value: Any) -> None:
    once = redacted({"arguments": value})
    assert redacted(once) == once


@given(secrets, names)
@settings(max_examples=50, deadline=None)
def test_to_redact_twice_is_to_redact_once_where_there_are_secrets(secret: str, name: str) -> None:
    text = f'{name}={secret} {name}: {secret}\n"{name}": "{secret}" {name}: Bearer {secret}'
    once = redacted({"arguments": {name: secret, "text": text}})
    assert redacted(once) == once


@given(json_values, json_values)
@settings(deadline=None)
def test_two_requests_that_differ_differ_when_they_are_redacted(left: Any, right: Any) -> None:
    if codec.dumps(left) != codec.dumps(right):
        assert codec.dumps(redacted({"arguments": left})) != codec.dumps(redacted({"arguments": right}))


@given(secrets, secrets)
@settings(max_examples=50, deadline=None)
def test_different_secrets_have_different_placeholders(left: str, right: str) -> None:
    forms = {redacted({"password": secret})["password"] for secret in (left, right)}
    assert len(forms) == len({left, right})


def test_a_placeholder_that_comes_back_encoded_is_the_same() -> None:
    uri = redacted({"uri": "https://u:hunter2@host/"})["uri"]
    assert redacted({"uri": quote(uri, safe=":/@")})["uri"] == uri


def test_the_salt_decides_the_placeholder_and_nothing_else_does() -> None:
    value = {"arguments": {"password": "hunter2"}}
    assert Redactor(BUILT_IN, "salt").value(value) == redacted(value)
    assert Redactor(BUILT_IN, "other").value(value) != redacted(value)


def test_own_rules_name_members_headers_patterns_and_paths() -> None:
    redactor = Redactor(
        ("key:customer", "header:X-Acme", "acme=pattern:ACME-([0-9]+)", "ssn=path:$.arguments.user.ssn"), "s"
    )
    found: Any = redactor.value(
        {
            "arguments": {"customer": "Bob", "x_acme": "k", "note": "ACME-12 of Bob", "user": {"ssn": 7}},
            "password": "stays, as its rule isn't asked for",
        }
    )
    assert rules_in(found) == ["key", "header", "acme", "ssn"]
    assert found["password"].startswith("stays")


def test_a_path_never_reaches_into_a_schema() -> None:
    tools = {"tools": [{"name": "x", "inputSchema": {"properties": {"password": {"type": "string"}}}}]}
    assert Redactor(("path:$..password",), "s").value(tools) == tools


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("no-such-rule", "there is no redaction rule"),
        ("pattern:(", "no regular expression"),
        ("pattern:x*", "finds nothing, everywhere"),
        ("pattern:hunter2", "finds its own text"),
        ("path:$[", "no JSONPath"),
    ],
)
def test_a_rule_that_is_none_is_refused(rule: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        Redactor((rule,), "s")
