"""Makes the calls of a plan with the Python SDK 1.x: `ClientSession` over HTTP or stdio. See ../run.py for the plan."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


@asynccontextmanager
async def connect(episode):
    if "url" in episode:
        async with streamablehttp_client(episode["url"]) as (read, write, _session_id), ClientSession(read, write) as session:
            yield session
    else:
        server = StdioServerParameters(command=episode["command"][0], args=episode["command"][1:])
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            yield session


async def play(episode):
    async with connect(episode) as session:
        started = await session.initialize()
        tools = await session.list_tools()
        results = []
        for call in episode["calls"]:
            result = await session.call_tool(call["tool"], call["arguments"])
            text = result.content[0].text if result.content else None
            results.append({"is_error": bool(result.isError), "structured": result.structuredContent, "text": text})
        return {
            "protocol": started.protocolVersion,
            "tools": [tool.name for tool in tools.tools],
            "results": results,
        }


async def main():
    plan = json.load(sys.stdin)
    print(json.dumps([await play(episode) for episode in plan]))


asyncio.run(main())
