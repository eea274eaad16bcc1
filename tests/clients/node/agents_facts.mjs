// @openai/agents: tools, a typed output, a handoff, a conversation of several turns.
// Usage: node agents_facts.mjs BASE_URL KEY API: chat or responses
import { Agent, MaxTurnsExceededError, tool } from "@openai/agents";
import { z } from "zod";
import { runnerFor } from "./agents.mjs";
import { base, fact, key, more, steer } from "./facts.mjs";

const runner = runnerFor(more[0] === "responses")({ base, key, retries: 0 });
const City = z.object({ city: z.string(), days: z.number().int() });
const asked = [];
const weather = tool({
  name: "get_weather",
  description: "The weather in a city.",
  parameters: City,
  execute: async (given) => {
    asked.push(given);
    return `Sunny for ${given.days} days in ${given.city}.`;
  },
});
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}</tool_call>';
const SCRIPT = steer([CALL, "I hear: {result}"]);
const reporter = new Agent({ name: "Reporter", instructions: "Say the weather.", model: "auto", tools: [weather] });

await fact("tools", async () => {
  const result = await runner.run(reporter, SCRIPT);
  return { final: result.finalOutput, asked: asked.splice(0), items: result.newItems.map((item) => item.type) };
});

await fact("tools, streamed", async () => {
  const result = await runner.run(reporter, SCRIPT, { stream: true });
  const names = [];
  for await (const event of result) if (event.type === "run_item_stream_event") names.push(event.name);
  await result.completed;
  const { requests, totalTokens } = result.state.usage;
  return { final: result.finalOutput, asked: asked.splice(0), names, requests, totalTokens };
});

await fact("output", async () => {
  const planner = new Agent({ name: "Planner", model: "auto", outputType: City });
  return (await runner.run(planner, steer('{"city": "Köln", "days": 3}'))).finalOutput;
});

await fact("handoff", async () => {
  const french = new Agent({ name: "French", handoffDescription: "Speaks French.", model: "auto" });
  const front = new Agent({ name: "Front", model: "auto", handoffs: [french] });
  const over = '<tool_call>{"name": "transfer_to_French", "arguments": {}}</tool_call>';
  const result = await runner.run(front, steer([over, "Bonjour"]));
  return { final: result.finalOutput, agent: result.lastAgent.name };
});

await fact("turns", async () => {
  const agent = new Agent({ name: "Echo", model: "echo" });
  const first = await runner.run(agent, "one");
  const second = await runner.run(agent, [...first.history, { role: "user", content: "two" }]);
  return { final: second.finalOutput, history: second.history.length };
});

await fact("turns, endless", async () => {
  try {
    return (await runner.run(reporter, steer(CALL), { maxTurns: 1 })).finalOutput;
  } catch (error) {
    return { endless: error instanceof MaxTurnsExceededError };
  }
});
