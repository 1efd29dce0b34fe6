"""The WebSocket client of ``mcp`` 1.x: opens the URL, uses the server, and prints what it got as JSON.

python client.py URL
"""

import asyncio
import json
import sys
import warnings

from mcp import ClientSession, types
from mcp.client.websocket import websocket_client

warnings.simplefilter("ignore", DeprecationWarning)


async def main(url: str) -> None:
    heard = []

    async def elicit(context, params):
        heard.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def progressed(progress, total, message):
        heard.append([progress, total, message])

    async def logged(params):
        heard.append(params.data)

    def plain(model):
        return model.model_dump(mode="json", by_alias=True, exclude_none=True)

    async with websocket_client(url) as (read, write):
        session = ClientSession(read, write, elicitation_callback=elicit, logging_callback=logged)
        async with session:
            got = [await session.initialize(), await session.list_tools(), await session.list_resources()]
            got.append(await session.read_resource("wire://text"))
            got.append(await session.get_prompt("greet", {"who": "you"}))
            got.append(await session.call_tool("echo", {"text": "\u2028 é"}))
            got.append(await session.call_tool("progress", {"n": 3}, progress_callback=progressed))
            got.append(await session.call_tool("log", {"n": 2}))
            got.append(await session.call_tool("ask", {"kind": "elicitation"}))
            got.append(await session.call_tool("tool_error", {}))
    print(json.dumps({"got": [plain(each) for each in got], "heard": heard}))


asyncio.run(main(sys.argv[1]))
