"""Multi-round-trip requests of the conformance server: a result asks, and the client calls again."""

from __future__ import annotations

from typing import Final

from tests.servers.conformance_call import (
    ROOTS,
    STRING,
    Call,
    Json,
    form,
    input_required,
    opened,
    prompt,
    signed,
    text,
    tool,
)

_NAME: Final[Json] = {"user_name": form("What is your name?", name=STRING)}
_CAPITAL: Final[Json] = {"capital_question": prompt("What is the capital of France?", 100)}
_ROOTS: Final[Json] = {"client_roots": ROOTS}
_CONFIRM: Final[Json] = {"confirm": form("Please confirm", ok={"type": "boolean"})}
_THREE: Final[Json] = {**_NAME, "greeting": prompt("Generate a greeting", 50), **_ROOTS}
_STEPS: Final = (
    {"step1": form("Step 1: What is your name?", name=STRING)},
    {"step2": form("Step 2: What is your favorite color?", color=STRING)},
)
_CONTEXT: Final[Json] = {"user_context": form("What context should the prompt use?", context=STRING)}
_OFFERS: Final = (("elicitation", _NAME), ("sampling", _CAPITAL), ("roots", _ROOTS))


@tool("Ask the user's name inside a result")
async def test_input_required_result_elicitation(call: Call) -> Json:
    answers = call.answers(_NAME)
    if answers is None:
        return input_required(_NAME)
    return text(f"Hello, {name_in(answers)}!")


@tool("Ask the client's model inside a result")
async def test_input_required_result_sampling(call: Call) -> Json:
    answers = call.answers(_CAPITAL)
    if answers is None:
        return input_required(_CAPITAL)
    return text(f"The model says: {answers['capital_question']['content'].get('text')}")


@tool("Ask for the client's roots inside a result")
async def test_input_required_result_list_roots(call: Call) -> Json:
    answers = call.answers(_ROOTS)
    if answers is None:
        return input_required(_ROOTS)
    return text(*(str(root.get("uri")) for root in answers["client_roots"]["roots"]))


@tool("Give the client a state to return")
async def test_input_required_result_request_state(call: Call) -> Json:
    if call.answers(_CONFIRM) is None:
        return input_required(_CONFIRM, signed("confirm"))
    opened(call.params.get("requestState"))
    return text("state-ok")


@tool("Refuse a state that isn't the server's")
async def test_input_required_result_tampered_state(call: Call) -> Json:
    return await test_input_required_result_request_state(call)


@tool("Ask three questions at once")
async def test_input_required_result_multiple_inputs(call: Call) -> Json:
    answers = call.answers(_THREE)
    if answers is None:
        return input_required(_THREE, signed("three"))
    opened(call.params.get("requestState"))
    return text(f"Hello, {name_in(answers)}!")


@tool("Ask two questions, one after the other")
async def test_input_required_result_multi_round(call: Call) -> Json:
    state = call.params.get("requestState")
    step = 0 if state is None else int(opened(state))
    if call.answers(_STEPS[step]) is None:
        return input_required(_STEPS[step], state or signed("0"))
    if step == 0:
        return input_required(_STEPS[1], signed("1"))
    return text("Both questions are answered.")


@tool("Ask only what the client can answer")
async def test_input_required_result_capabilities(call: Call) -> Json:
    requests: Json = {}
    for capability, offer in _OFFERS:
        if capability in call.capabilities:
            requests |= offer
    if requests and call.answers(requests) is None:
        return input_required(requests)
    return text("Nothing more to ask.")


async def prompt_with_input(call: Call) -> Json:
    """A prompt that asks as tools do."""
    answers = call.answers(_CONTEXT)
    if answers is None:
        return input_required(_CONTEXT)
    context = answers["user_context"].get("content", {}).get("context")
    return {"messages": [{"role": "user", "content": {"type": "text", "text": f"The context is {context}."}}]}


def name_in(answers: Json) -> str:
    """The name that the user gave."""
    return str((answers["user_name"].get("content") or {}).get("name"))
