"""A small server with everything that is worth seeing through a tap: `python -m mcptap.demo.server`.

It is an ordinary FastMCP server, and knows nothing of mcptap.
"""

from __future__ import annotations

import asyncio
import random

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError

server: FastMCP[None] = FastMCP("café", version="1.0", instructions="Order something.")


@server.tool
def roll_dice(sides: int = 6) -> int:
    """Roll a die: the answer is another one each time."""
    return random.randint(1, sides)  # noqa: S311 - a die, not a secret


@server.tool
async def brew(context: Context, cups: int) -> str:
    """Brew coffee and tell how far it is."""
    for cup in range(1, cups + 1):
        await context.report_progress(cup, cups, f"cup {cup}")
        await asyncio.sleep(0.05)
    return f"{cups} cups of coffee"


@server.tool
async def order(context: Context, drink: str) -> str:
    """Ask the user for the size, in the middle of the call."""
    answer = await context.elicit(f"What size of {drink}?", str)
    return f"a {answer.data} {drink}" if answer.action == "accept" else "nothing"


@server.tool
def split_bill(total: float, guests: int) -> float:
    """Fail where there is nobody to pay."""
    if guests < 1:
        raise ToolError("nobody is there to pay")
    return total / guests


@server.tool
async def slow_roast(milliseconds: int) -> str:
    """Take a given time."""
    await asyncio.sleep(milliseconds / 1000)
    return "roasted"


if __name__ == "__main__":
    server.run("stdio", show_banner=False)
