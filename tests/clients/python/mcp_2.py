"""Makes the calls of a plan with the Python SDK 2.x: `Client` over HTTP or stdio. See ../run.py for the plan."""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters


def server(episode):
    if "url" in episode:
        return episode["url"]
    return StdioServerParameters(command=episode["command"][0], args=episode["command"][1:])


async def play(episode):
    async with Client(server(episode)) as client:
        tools = await client.list_tools()
        results = []
        for call in episode["calls"]:
            result = await client.call_tool(call["tool"], call["arguments"])
            text = result.content[0].text if result.content else None
            results.append({"is_error": bool(result.is_error), "structured": result.structured_content, "text": text})
        return {
            "protocol": client.protocol_version,
            "tools": [tool.name for tool in tools.tools],
            "results": results,
        }


async def main():
    plan = json.load(sys.stdin)
    print(json.dumps([await play(episode) for episode in plan]))


asyncio.run(main())
