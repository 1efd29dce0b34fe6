// A client on npm's @modelcontextprotocol/sdk 1.x: uses a modern-only server through the command it is given,
// and prints what it got as one JSON object.
//
//     node handshake_sdk.mjs NODE_MODULES COMMAND [ARG]...
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, command, ...args] = process.argv.slice(2);
const found = createRequire(modules + "/");
const load = (name) => import(pathToFileURL(found.resolve("@modelcontextprotocol/sdk/" + name)).href);
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const types = await load("types.js");

const got = { asked: [], heard: [] };
const client = new Client({ name: "old", version: "1" }, { capabilities: { elicitation: {} } });
client.setRequestHandler(types.ElicitRequestSchema, async (request) => {
  got.asked.push(request.params.message);
  return { action: "accept", content: { name: "Ada" } };
});
let updated;
const update = new Promise((resolve) => (updated = resolve));
client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, (notification) => {
  got.heard.push(notification.params.uri);
  updated();
});
await client.connect(new StdioClientTransport({ command, args, stderr: "inherit", cwd: process.cwd() }));
got.opened = client.getServerVersion();
got.tools = (await client.listTools()).tools.map((tool) => tool.name);
const call = async (name, given, options) =>
  (await client.callTool({ name, arguments: given }, undefined, options)).content[0].text;
got.greet = await call("greet", {});
got.add = await call("add", { a: 1, b: 2 });
got.count = await call("count", { to: 2 }, { onprogress: () => {} });
await client.subscribeResource({ uri: "note://one" });
await call("change", {});
await update;
await client.unsubscribeResource({ uri: "note://one" });
got.note = (await client.readResource({ uri: "note://one" })).contents[0].text;
got.prompt = (await client.getPrompt({ name: "ask", arguments: { topic: "bridges" } })).messages[0].content.text;
got.absent = await client.readResource({ uri: "note://two" }).catch((error) => error.code);
await client.ping();
console.log(JSON.stringify(got));
await client.close();
