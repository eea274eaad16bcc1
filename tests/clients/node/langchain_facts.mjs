// @langchain/openai: tools, structured output in each of its methods, several prompts at once.
// Usage: node langchain_facts.mjs BASE_URL KEY API: chat or responses
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { z } from "zod";
import { base, fact, key, more, steer } from "./facts.mjs";
import { modelFor } from "./langchain.mjs";

const auto = modelFor(more[0] === "responses")({ base, key, retries: 0 })("auto");
const City = z.object({ city: z.string(), days: z.number().int() });
const weather = tool(({ city, days }) => `Sunny for ${days} days in ${city}.`, {
  name: "get_weather",
  description: "The weather in a city.",
  schema: City,
});
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}</tool_call>';

await fact("tools", async () => {
  const messages = [new HumanMessage(steer([CALL, "I hear: {result}"]))];
  const able = auto.bindTools([weather]);
  const call = await able.invoke(messages);
  messages.push(call);
  for (const one of call.tool_calls) messages.push(await weather.invoke(one));
  const final = await able.invoke(messages);
  return {
    calls: call.tool_calls.map(({ name, args }) => [name, args]),
    answered: messages.at(-1) instanceof ToolMessage,
    final: final.text,
  };
});

await fact("tools, streamed", async () => {
  let whole;
  for await (const chunk of await auto.bindTools([weather]).stream(steer(CALL))) {
    whole = whole ? whole.concat(chunk) : chunk;
  }
  return whole.tool_calls.map(({ name, args }) => [name, args]);
});

for (const method of ["jsonSchema", "functionCalling"]) {
  await fact(method, () => auto.withStructuredOutput(City, { name: "trip", method }).invoke("Where, and how long?"));
}

await fact("batch", async () => {
  const answers = await auto.batch(["a", "b", "c"].map((text) => steer(text)));
  return answers.map((answer) => answer.text);
});
