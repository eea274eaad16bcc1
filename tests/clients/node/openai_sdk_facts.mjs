// openai: what it offers above a plain call, over chat completions.
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { base, fact, key, steer } from "./facts.mjs";

const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];

const City = z.object({ city: z.string(), days: z.number().int() });
const asked = [];
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: z.toJSONSchema(City),
    parse: (text) => City.parse(JSON.parse(text)),
    function: (given) => {
      asked.push(given);
      return `Sunny for ${given.days} days in ${given.city}.`;
    },
  },
};
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}</tool_call>';
const SCRIPT = steer([CALL, "I hear: {result}"]);

await fact("runTools", async () => {
  const runner = client.chat.completions.runTools({ model: "auto", messages: user(SCRIPT), tools: [weather] });
  return {
    final: await runner.finalContent(),
    roles: runner.messages.map((message) => message.role),
    asked: asked.splice(0),
    usage: await runner.totalUsage(),
  };
});

await fact("runTools, streamed", async () => {
  const stream = client.chat.completions.runTools({
    model: "auto",
    stream: true,
    messages: user(SCRIPT),
    tools: [weather],
  });
  const pieces = [];
  stream.on("content", (piece) => pieces.push(piece));
  return { final: await stream.finalContent(), pieces, asked: asked.splice(0) };
});

await fact("calls side by side", async () => {
  const both = CALL + CALL.replace("Köln", "Bonn");
  const answer = await client.chat.completions.create({
    model: "auto",
    messages: user(steer(both)),
    tools: [weather].map(({ type, function: { name, parameters } }) => ({ type, function: { name, parameters } })),
  });
  const [choice] = answer.choices;
  return {
    finish: choice.finish_reason,
    content: choice.message.content,
    calls: choice.message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
    ids: new Set(choice.message.tool_calls.map((call) => call.id)).size,
  };
});

await fact("parse", async () => {
  const answer = await client.chat.completions.parse({
    model: "auto",
    messages: user("Where, and how long?"),
    response_format: zodResponseFormat(City, "trip"),
  });
  return answer.choices[0].message.parsed;
});

await fact("parse, tool", async () => {
  const answer = await client.chat.completions.parse({
    model: "auto",
    messages: user(steer(CALL)),
    tools: [zodFunction({ name: "get_weather", parameters: City })],
  });
  return answer.choices[0].message.tool_calls[0].function.parsed_arguments;
});

await fact("parse, streamed", async () => {
  const stream = client.chat.completions.stream({
    model: "auto",
    messages: user(steer('{"city": "Köln", "days": 3}')),
    response_format: zodResponseFormat(City, "trip"),
  });
  return (await stream.finalChatCompletion()).choices[0].message.parsed;
});

await fact("events", async () => {
  const stream = client.chat.completions.stream({
    model: "auto",
    messages: user(steer(CALL)),
    tools: [zodFunction({ name: "get_weather", parameters: City })],
  });
  const done = [];
  stream.on("tool_calls.function.arguments.done", ({ name, parsed_arguments }) => done.push([name, parsed_arguments]));
  const answer = await stream.finalChatCompletion();
  return { done, finish: answer.choices[0].finish_reason };
});

await fact("cut short", () =>
  client.chat.completions.parse({
    model: "auto",
    messages: user(steer('{"city": "Kö', { finish_reason: "length" })),
    response_format: zodResponseFormat(City, "trip"),
  }),
);

await fact("raw", async () => {
  const { data, response, request_id } = await client.chat.completions
    .create({ model: "echo", messages: user("hi") })
    .withResponse();
  return { id: request_id, header: response.headers.get("x-request-id"), text: data.choices[0].message.content };
});

await fact("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  return { ids, one: (await client.models.retrieve("echo")).id };
});

await fact("too slow", () =>
  client.chat.completions.create({ model: "slow", messages: user("hi") }, { timeout: 300 }),
);
