// @anthropic-ai/sdk: tools, typed output, what it counts and lists.
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { connect } from "./anthropic_sdk.mjs";
import { base, fact, key, steer } from "./facts.mjs";

const client = connect({ base, key, retries: 0 });
const user = (content) => [{ role: "user", content }];
const asked = (content, more = {}) => ({ model: "auto", max_tokens: 500, messages: user(content), ...more });

const City = z.object({ city: z.string(), days: z.number().int() });
const called = [];
const weather = betaZodTool({
  name: "get_weather",
  description: "The weather in a city.",
  inputSchema: City,
  run: async (given) => {
    called.push(given);
    return `Sunny for ${given.days} days in ${given.city}.`;
  },
});
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}</tool_call>';
const tools = [{ name: "get_weather", description: "The weather.", input_schema: z.toJSONSchema(City) }];

await fact("tool runner", async () => {
  const script = steer([CALL, "I hear: {result}"]);
  const final = await client.beta.messages.toolRunner(asked(script, { tools: [weather] }));
  return { text: final.content[0].text, called: called.splice(0), stop: final.stop_reason };
});

await fact("tool runner, streamed", async () => {
  const script = steer([CALL, "I hear: {result}"]);
  const runner = client.beta.messages.toolRunner(asked(script, { tools: [weather], stream: true }));
  const stops = [];
  let text = "";
  for await (const stream of runner) {
    stream.on("text", (piece) => (text += piece));
    stops.push((await stream.finalMessage()).stop_reason);
  }
  return { text, called: called.splice(0), stops };
});

await fact("call, streamed", async () => {
  const stream = client.messages.stream(asked(steer(CALL), { tools }));
  const types = [];
  let json = "";
  stream.on("streamEvent", (event) => types.push(event.type));
  stream.on("inputJson", (piece) => (json += piece));
  const message = await stream.finalMessage();
  return { types, json, block: message.content[0], stop: message.stop_reason };
});

await fact("parse", async () => {
  const script = steer('{"city": "Köln", "days": 3}');
  const message = await client.messages.parse(asked(script, { output_config: { format: zodOutputFormat(City) } }));
  return message.parsed_output;
});

await fact("system and stop", async () => {
  const message = await client.messages.create(
    asked(steer("one two STOP three"), { system: "Be short.", stop_sequences: ["STOP"] }),
  );
  return { text: message.content[0].text, stop: message.stop_reason, sequence: message.stop_sequence };
});

await fact("counted", async () => {
  const { input_tokens } = await client.messages.countTokens({ model: "auto", messages: user("Hello there") });
  const message = await client.messages.create(asked("Hello there"));
  return { counted: input_tokens, used: message.usage.input_tokens };
});

await fact("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  return ids;
});

await fact("bearer", async () => {
  const other = client.withOptions({ apiKey: null, authToken: key });
  return (await other.messages.create(asked(steer("by token")))).content[0].text;
});
