// Makes the calls of a plan with the TypeScript client 2.x over HTTP or stdio. See ../run.py for the plan.

const { readFileSync } = require("node:fs");
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

const connect = ({ url, command }) =>
  url ? new StreamableHTTPClientTransport(new URL(url)) : new StdioClientTransport({ command: command[0], args: command.slice(1) });

async function play(episode) {
  const client = new Client({ name: "envfarm-client-tests", version: "1" }, { versionNegotiation: { mode: "auto" } });
  const transport = connect(episode);
  await client.connect(transport);
  const { tools } = await client.listTools();
  const results = [];
  for (const { tool, arguments: args } of episode.calls) {
    const result = await client.callTool({ name: tool, arguments: args });
    const { isError = false, structuredContent = null, content } = result;
    results.push({ is_error: isError, structured: structuredContent, text: content[0]?.text ?? null });
  }
  const protocol = client.getNegotiatedProtocolVersion() ?? null;
  await client.close();
  return { protocol, tools: tools.map((tool) => tool.name), results };
}

async function main() {
  const played = [];
  for (const episode of JSON.parse(readFileSync(0, "utf8"))) played.push(await play(episode));
  console.log(JSON.stringify(played));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
