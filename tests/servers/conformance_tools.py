"""Tools of the conformance server that answer in one round: content, notifications, server requests."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, Final

import mcp_types as types
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.message import ServerMessageMetadata

from tests.servers.conformance_call import STRING, Call, Json, form, input_required, text, tool

PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
WAV: Final = base64.b64encode(
    b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x02\0\0\0\0\0"
).decode()
IMAGE: Final[Json] = {"type": "image", "data": PNG, "mimeType": "image/png"}
_PAUSE: Final = 0.05

bus: Final = InMemorySubscriptionBus()
"""Carries what changed to the open subscriptions."""


def embedded(uri: str, mime_type: str, content: str) -> Json:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": content}}


@tool("Give a line of text")
async def test_simple_text(call: Call) -> Json:
    return text("A line of text.")


@tool("Give an image of one pixel")
async def test_image_content(call: Call) -> Json:
    return {"content": [IMAGE]}


@tool("Give a sound of one sample")
async def test_audio_content(call: Call) -> Json:
    return {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]}


@tool("Give a resource")
async def test_embedded_resource(call: Call) -> Json:
    return {"content": [embedded("test://embedded-resource", "text/plain", "The embedded resource.")]}


@tool("Give content of three kinds")
async def test_multiple_content_types(call: Call) -> Json:
    resource = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return {"content": [*text("Three kinds:")["content"], IMAGE, resource]}


@tool("Fail")
async def test_error_handling(call: Call) -> Json:
    return text("This tool fails whenever it is called.", error=True)


@tool("Log three lines while running")
async def test_tool_with_logging(call: Call) -> Json:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await _log(call, line)
        await asyncio.sleep(_PAUSE)
    return text("Logged three lines.")


@tool("Log a line if the request asks for logs")
async def test_logging_tool(call: Call) -> Json:
    await _log(call, "A line")
    return text("Done.")


@tool("Report progress while running")
async def test_tool_with_progress(call: Call) -> Json:
    for done in (0, 50, 100):
        await call.context.session.report_progress(done, 100)
        await asyncio.sleep(_PAUSE)
    return text("Reported progress thrice.")


@tool("Ask the client's model", prompt=STRING)
async def test_sampling(call: Call) -> Json:
    message = types.SamplingMessage(
        role="user", content=types.TextContent(type="text", text=call.arguments.get("prompt", ""))
    )
    request = types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=100)
    )
    here = ServerMessageMetadata(related_request_id=call.context.request_id)
    answer = await call.context.session.send_request(request, types.CreateMessageResult, metadata=here)
    said = answer.content.text if isinstance(answer.content, types.TextContent) else ""
    return text(f"The model says: {said}")


@tool("Ask the user for a name and an address", message=STRING)
async def test_elicitation(call: Call) -> Json:
    return await _elicit(call, call.arguments.get("message", ""), username=STRING, email=STRING)


@tool("Ask the user, with a default for every kind of field")
async def test_elicitation_sep1034_defaults(call: Call) -> Json:
    return await _elicit(
        call,
        "Please look at the defaults",
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )


@tool("Ask the user to choose, in every way that there is")
async def test_elicitation_sep1330_enums(call: Call) -> Json:
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
    names = ["Option One", "Option Two", "Option Three"]
    return await _elicit(
        call,
        "Please choose",
        untitledSingle={"type": "string", "enum": plain},
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        untitledMulti={"type": "array", "items": {"type": "string", "enum": plain}},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )


@tool("Close the stream of the call, and answer on the one that the client opens instead")
async def test_reconnection(call: Call) -> Json:
    if call.context.close_sse_stream is not None:
        # The stream's first event must be out: the client comes back with its id.
        await asyncio.sleep(4 * _PAUSE)
        await call.context.close_sse_stream()
        await asyncio.sleep(4 * _PAUSE)
    return text("Answered after the stream was closed.")


@tool("Need a client with a model")
async def test_missing_capability(call: Call) -> Json:
    call.require(sampling={})
    return text("The client has a model.")


@tool("Ask the user inside a result")
async def test_streaming_elicitation(call: Call) -> Json:
    requests = {"user_name": form("What is your name?", name=STRING)}
    return text("Thank you.") if call.answers(requests) else input_required(requests)


@tool("Announce a change of the tools")
async def test_trigger_tool_change(call: Call) -> Json:
    await _changed(call, ToolsListChanged(), "notifications/tools/list_changed")
    return text("Announced.")


@tool("Announce a change of the prompts")
async def test_trigger_prompt_change(call: Call) -> Json:
    await _changed(call, PromptsListChanged(), "notifications/prompts/list_changed")
    return text("Announced.")


@tool("Take an argument that is repeated in a header", region={**STRING, "x-mcp-header": "Region"})
async def test_header_argument(call: Call) -> Json:
    return text(f"The region is {call.arguments.get('region')}.")


@tool(
    "Have a schema with most words of JSON Schema 2020-12",
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": STRING, "city": STRING},
            }
        },
        "properties": {
            "name": STRING,
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": STRING,
            "email": STRING,
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
)
async def json_schema_2020_12_tool(call: Call) -> Json:
    return text(json.dumps(call.arguments))


async def _log(call: Call, line: str) -> None:
    # In the modern era a client asks for logs with each request that it wants them for.
    if not call.modern or types.LOG_LEVEL_META_KEY in call.meta:
        message = types.LoggingMessageNotificationParams(level="info", data=line)
        await call.context.session.send_notification(
            types.LoggingMessageNotification(params=message), related_request_id=call.context.request_id
        )


async def _changed(call: Call, event: ServerEvent, method: str) -> None:
    """Tell who listens, or in the handshake era this client."""
    if call.modern:
        await bus.publish(event)
    else:
        changed: Any = types.Notification[None, str](method=method, params=None)
        await call.context.session.send_notification(changed)


async def _elicit(call: Call, message: str, **properties: Any) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    answer = await call.context.session.elicit_form(message, schema, call.context.request_id)
    return text(f"The user's answer: {answer.action} {json.dumps(answer.content)}")
