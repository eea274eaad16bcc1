// openai over Responses: typed output, tools, conversations that the gateway keeps.
import OpenAI from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { base, fact, key, steer } from "./facts.mjs";

const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const City = z.object({ city: z.string(), days: z.number().int() });
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}</tool_call>';
const tools = [zodResponsesFunction({ name: "get_weather", parameters: City })];
const text = { format: zodTextFormat(City, "trip") };

await fact("tool", async () => {
  const called = await client.responses.parse({ model: "auto", input: steer([CALL, "I hear: {result}"]), tools });
  const [call] = called.output;
  const final = await client.responses.create({
    model: "auto",
    previous_response_id: called.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "Sunny." }],
    tools,
  });
  return { type: call.type, given: call.parsed_arguments, final: final.output_text };
});

await fact("tool, by hand", async () => {
  const input = [{ role: "user", content: steer([CALL, "I hear: {result}"]) }];
  const called = await client.responses.create({ model: "auto", input, tools, store: false });
  input.push(...called.output);
  input.push({ type: "function_call_output", call_id: called.output[0].call_id, output: "Sunny." });
  return (await client.responses.create({ model: "auto", input, tools, store: false })).output_text;
});

await fact("parse", async () => {
  const answer = await client.responses.parse({ model: "auto", input: steer('{"city": "Köln", "days": 3}'), text });
  return answer.output_parsed;
});

await fact("events", async () => {
  const stream = client.responses.stream({ model: "auto", input: steer("Hello there", { chunks: 2 }) });
  const types = [];
  const numbers = [];
  for await (const event of stream) {
    types.push(event.type);
    numbers.push(event.sequence_number);
  }
  return { types, numbers, text: (await stream.finalResponse()).output_text };
});

await fact("refused", async () => {
  const answer = await client.responses.create({ model: "auto", input: steer(["I will not."]), text });
  return answer.output[0].content[0];
});

await fact("conversation", async () => {
  const first = await client.responses.create({ model: "echo", input: "one", instructions: "Be short." });
  const second = await client.responses.create({ model: "echo", input: "two", previous_response_id: first.id });
  const items = [];
  for await (const item of client.responses.inputItems.list(first.id)) items.push(item.content[0].text);
  return {
    text: second.output_text,
    before: second.previous_response_id === first.id,
    more: second.usage.input_tokens > 8,
    again: (await client.responses.retrieve(first.id)).output_text,
    items,
  };
});

await fact("deleted", async () => {
  const { id } = await client.responses.create({ model: "echo", input: "one" });
  await client.responses.delete(id);
  return client.responses.retrieve(id);
});

await fact("counted", async () => {
  const { input_tokens } = await client.responses.inputTokens.count({ model: "echo", input: "Hello there" });
  const answer = await client.responses.create({ model: "echo", input: "Hello there" });
  return { counted: input_tokens, used: answer.usage.input_tokens };
});

await fact("hosted tool", () =>
  client.responses.create({ model: "auto", input: "hi", tools: [{ type: "web_search" }] }),
);
