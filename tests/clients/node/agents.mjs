// @openai/agents: an agent with a runner of its own, over each API that it speaks.
import { Agent, OpenAIProvider, Runner } from "@openai/agents";
import OpenAI from "openai";

export const runnerFor =
  (useResponses) =>
  ({ base, key, fetch, retries }) =>
    new Runner({
      modelProvider: new OpenAIProvider({
        openAIClient: new OpenAI({ baseURL: base, apiKey: key, fetch, maxRetries: retries }),
        useResponses,
      }),
      tracingDisabled: true, // traces go to OpenAI
    });

const described = (result) => {
  const { inputTokens, outputTokens } = result.state.usage;
  return { text: result.finalOutput ?? null, usage: [inputTokens, outputTokens], finish: null };
};

const over = (runner) => (settings) => {
  const runs = runner(settings);
  const agent = (model) => new Agent({ name: "Speaker", model });
  return {
    ask: async (model, input, signal) => described(await runs.run(agent(model), input, { signal })),
    async stream(model, input, { signal, onText }) {
      const result = await runs.run(agent(model), input, { signal, stream: true });
      for await (const piece of result.toTextStream()) onText(piece);
      await result.completed;
      return described(result);
    },
  };
};

export const chat = over(runnerFor(false));
export const responses = over(runnerFor(true));
