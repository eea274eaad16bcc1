// The AI SDK: tools in several steps, objects, and how it tells what went wrong.
// Usage: node ai_sdk_facts.mjs BASE_URL KEY PROVIDER: as exported by ai_sdk.mjs, or with .chat or .responses.
import { generateObject, generateText, isStepCount, NoObjectGeneratedError, Output, streamText, tool } from "ai";
import { z } from "zod";
import * as providers from "./ai_sdk.mjs";
import { base, described, fact, key, more, steer } from "./facts.mjs";

const [name, api] = more[0].split(".");
const provider = providers[name]({ base, key });
const auto = (api ? provider[api] : provider)("auto");

const City = z.object({ city: z.string(), days: z.number().int() });
const asked = [];
const tools = {
  get_weather: tool({
    description: "The weather in a city.",
    inputSchema: City,
    execute: async (given) => {
      asked.push(given);
      return `Sunny for ${given.days} days in ${given.city}.`;
    },
  }),
};
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}</tool_call>';
const SCRIPT = steer([CALL, CALL.replace("Köln", "Bonn"), "I hear: {result}"]);
const several = { model: auto, prompt: SCRIPT, tools, stopWhen: isStepCount(5), maxRetries: 0 };
const FAILING = steer("One, two, three, and the line is dead", { chunks: 6, interval: 0.05, fault: "fail", at: 3 });

const steps = (all) => all.map((step) => [step.finishReason, step.toolCalls.length, step.toolResults.length]);
const totals = (usage) => [usage.inputTokens, usage.outputTokens, usage.totalTokens];

await fact("steps", async () => {
  const { text, steps: all, totalUsage } = await generateText(several);
  return { text, steps: steps(all), asked: asked.splice(0), usage: totals(totalUsage) };
});

await fact("steps, streamed", async () => {
  const result = streamText(several);
  const types = new Set();
  for await (const part of result.fullStream) types.add(part.type);
  return {
    text: await result.text,
    steps: steps(await result.steps),
    asked: asked.splice(0),
    types: [...types],
    usage: totals(await result.totalUsage),
  };
});

await fact("a tool must be called", async () => {
  const { toolCalls } = await generateText({
    model: auto,
    prompt: "What a day",
    tools: { get_weather: { ...tools.get_weather, execute: undefined } },
    toolChoice: { type: "tool", toolName: "get_weather" },
    maxRetries: 0,
  });
  return toolCalls.map((call) => [call.toolName, call.input]);
});

await fact("output", async () => {
  const { output } = await generateText({
    model: auto,
    prompt: steer('{"city": "Köln", "days": 3}'),
    output: Output.object({ schema: City }),
    maxRetries: 0,
  });
  return output;
});

await fact("output, streamed", async () => {
  const result = streamText({
    model: auto,
    prompt: steer('{"city": "Köln", "days": 3}', { chunks: 8 }),
    output: Output.object({ schema: City }),
    maxRetries: 0,
  });
  const partial = [];
  for await (const one of result.partialOutputStream) partial.push(one);
  return { output: await result.output, partial };
});

await fact("choice", async () => {
  const { output } = await generateText({
    model: auto,
    prompt: "Sun or rain?",
    output: Output.choice({ options: ["sun", "rain"] }),
    maxRetries: 0,
  });
  return output;
});

globalThis.AI_SDK_LOG_WARNINGS = false; // it has a newer name, and is what most programs call
await fact("generateObject", async () => {
  const { object } = await generateObject({ model: auto, prompt: "Where?", schema: City, maxRetries: 0 });
  return object;
});

await fact("no object", async () => {
  try {
    const { output } = await generateText({
      model: auto,
      prompt: steer(["I will not."]),
      output: Output.object({ schema: City }),
      maxRetries: 0,
    });
    return output;
  } catch (error) {
    return { ...described(error), none: NoObjectGeneratedError.isInstance(error) };
  }
});

/** What somebody sees who reads the text alone. */
async function readAlone(settings) {
  const seen = { text: "", heard: [], thrown: null };
  const result = streamText({
    model: auto,
    maxRetries: 0,
    ...settings,
    onError: ({ error }) => void seen.heard.push(described(error)),
  });
  try {
    for await (const piece of result.textStream) seen.text += piece;
  } catch (error) {
    seen.thrown = described(error);
  }
  const settled = async (promise) => promise.then(String, (error) => described(error).name);
  return { ...seen, finish: await settled(result.finishReason), whole: await settled(result.text) };
}

await fact("failed in the middle, text alone", () => readAlone({ prompt: FAILING }));
await fact("never began, text alone", () =>
  readAlone({ model: (api ? provider[api] : provider)("gpt-99"), prompt: "hi" }),
);

await fact("left", async () => {
  const controller = new AbortController();
  const seen = { aborted: 0, parts: [] };
  const result = streamText({
    model: auto,
    prompt: steer("word ".repeat(100), { chunks: 100, interval: 0.05 }),
    abortSignal: controller.signal,
    onAbort: () => void (seen.aborted += 1),
    maxRetries: 0,
  });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") controller.abort();
    else seen.parts.push(part.type);
  }
  return seen;
});
