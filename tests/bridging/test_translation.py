"""What a message loses and gains on its way between the eras, and that nothing else happens to it."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcptap.bridging import to_handshake, to_modern
from mcptap.bridging.common import CACHEABLE, INPUT_METHODS, LEVELS, carried, is_capable, required_capability
from mcptap.exchange import RpcError
from mcptap.protocol import META, SERVER_INFO_META

NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(NAMES.map(lambda name: f"x-{name}"), JSON, max_size=4)
"""Members of which no version of the protocol knows anything."""
METHODS = st.sampled_from(sorted({*CACHEABLE, *INPUT_METHODS, "completion/complete", "no/such/method"}))
INFO = st.fixed_dictionaries({"name": NAMES, "version": NAMES}, optional={"title": NAMES})


def with_meta(fields: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    return fields | ({META: meta} if meta else {})


@given(METHODS, FIELDS, FIELDS, FIELDS, INFO, st.none() | st.sampled_from(LEVELS))
def test_a_request_gets_what_the_modern_era_demands_and_loses_just_that_on_its_way_back(
    method: str, fields: dict[str, Any], meta: dict[str, Any], able: dict[str, Any], info: Any, level: Any
) -> None:
    params = with_meta(fields, meta)
    said = to_modern.envelope({"capabilities": able, "clientInfo": info})
    modern = to_modern.request(params, said, level)
    assert {key: value for key, value in modern.items() if key != META} == fields
    assert meta.items() <= modern[META].items()
    assert len(modern[META]) == len(meta) + 3 + (level is not None)
    assert (to_handshake.request(method, modern) or {}) == params


@given(METHODS, FIELDS, FIELDS, st.none() | INFO)
def test_a_result_is_the_same_after_both_ways(
    method: str, fields: dict[str, Any], meta: dict[str, Any], info: Any
) -> None:
    found = with_meta(fields, meta)
    modern = to_handshake.result(method, found, info)
    gained = {"resultType", *({"ttlMs", "cacheScope"} if method in CACHEABLE else set())}
    assert modern.keys() - found.keys() - {META} == gained
    assert modern.get(META, {}) == meta | ({} if info is None else {SERVER_INFO_META: info})
    assert to_modern.result(method, modern) == found


@given(METHODS, FIELDS, st.integers(0), st.sampled_from(["public", "private"]))
def test_cache_hints_and_a_name_that_a_server_gives_itself_are_kept(
    method: str, fields: dict[str, Any], ttl: int, scope: str
) -> None:
    hints = {"ttlMs": ttl, "cacheScope": scope, META: {SERVER_INFO_META: {"name": "own"}}}
    modern = to_handshake.result(method, {**fields, **hints}, {"name": "other", "version": "1"})
    assert hints.items() <= modern.items()


@given(FIELDS, FIELDS, INFO)
def test_what_a_server_says_of_itself_is_the_same_after_both_ways(
    fields: dict[str, Any], able: dict[str, Any], info: Any
) -> None:
    initialized = {"protocolVersion": "2025-11-25", "capabilities": able, "serverInfo": info, **fields}
    discovered = to_handshake.discover_result(initialized)
    assert to_modern.speaks_modern(discovered)
    assert to_modern.initialize_result("2025-11-25", discovered) == initialized
    assert to_modern.initialize_result("1999-01-01", discovered)["protocolVersion"] == "2025-11-25"


@given(FIELDS, st.sampled_from(sorted(INPUT_METHODS)), FIELDS, FIELDS, st.none() | NAMES)
def test_a_round_carries_the_answers_and_the_state_and_leaves_the_request_as_it_was(
    fields: dict[str, Any], method: str, answers: dict[str, Any], asked: dict[str, Any], state: str | None
) -> None:
    found: dict[str, Any] = {"inputRequests": {}} | ({} if state is None else {"requestState": state})
    retry = to_modern.retry(fields, answers, found)
    assert retry.get("inputResponses", {}) == answers
    assert retry.get("requestState") == state
    assert (to_handshake.request(method, retry) or {}) == fields
    requests = {key: to_handshake.input_request("sampling/createMessage", asked) for key in answers}
    result = to_handshake.input_required(requests, "state", None)
    back = to_modern.input_requests(result, lambda: "id")
    assert back == dict.fromkeys(answers, ("sampling/createMessage", asked))


@given(st.integers(), NAMES, FIELDS)
def test_an_error_changes_its_code_only_for_a_resource_that_is_not_there(
    code: int, message: str, data: dict[str, Any]
) -> None:
    refused = {"code": code, "message": message, "data": {"uri": "x", **data}}
    assert (to_modern.error("resources/read", refused)["code"] == code) == (code != -32602)
    assert (to_handshake.error("resources/read", None, refused)["code"] == code) == (code != -32002)
    for method in ("tools/call", "no/such/method"):
        assert to_modern.error(method, refused) == refused
    there = to_handshake.error("resources/read", {"uri": "x"}, {**refused, "code": -32002})
    assert to_modern.error("resources/read", there) == {**refused, "code": -32002}


@given(JSON, METHODS, JSON, JSON)
def test_whatever_a_peer_says_instead_of_what_it_should_is_an_error_or_goes_through(
    anything: Any, method: str, meta: Any, requests: Any
) -> None:
    """No translation falls over a value of the wrong shape: `RpcError` is the only way out."""
    holder = {META: meta, "capabilities": anything, "inputRequests": requests, "supportedVersions": anything}
    to_modern.envelope({"capabilities": anything, "clientInfo": anything})
    to_handshake.initialize_params(holder)
    to_handshake.discover_result(holder)
    to_modern.initialize_result(anything, holder)
    to_modern.speaks_modern(holder)
    to_modern.all_list_changes(anything)
    to_handshake.honoured(anything, requests)
    to_handshake.urls_to_visit({"code": -32042, "data": anything})
    to_modern.event(holder)
    assert to_handshake.request(method, holder) is not None
    assert carried(anything) is not None
    assert is_capable(anything, required_capability("roots/list", None)) in {True, False}
    with contextlib.suppress(RpcError):
        to_modern.result(method, {**holder, "resultType": anything})
    with contextlib.suppress(RpcError):
        to_modern.input_requests(holder, lambda: "id")
