"""Makes the calls of a plan with FastMCP's client over HTTP or stdio. See ../run.py for the plan."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


def server(episode):
    if "url" in episode:
        return episode["url"]
    return StdioTransport(command=episode["command"][0], args=episode["command"][1:], keep_alive=False)


async def play(episode):
    async with Client(server(episode)) as client:
        tools = await client.list_tools()
        results = []
        for call in episode["calls"]:
            result = await client.call_tool(call["tool"], call["arguments"], raise_on_error=False)
            text = result.content[0].text if result.content else None
            results.append({"is_error": bool(result.is_error), "structured": result.structured_content, "text": text})
        return {"protocol": None, "tools": [tool.name for tool in tools], "results": results}


async def main():
    plan = json.load(sys.stdin)
    print(json.dumps([await play(episode) for episode in plan]))


asyncio.run(main())
