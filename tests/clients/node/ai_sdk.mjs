// The AI SDK (ai) over each of the providers that take a base URL.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

export const compatibleProvider = ({ base, key, fetch }) =>
  createOpenAICompatible({
    name: "langfast",
    baseURL: base,
    apiKey: key,
    fetch,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
export const openaiProvider = ({ base, key, fetch }) => createOpenAI({ baseURL: base, apiKey: key, fetch });
export const anthropicProvider = ({ base, key, fetch }) => createAnthropic({ baseURL: base, apiKey: key, fetch });

const counted = (usage) => [usage.inputTokens ?? null, usage.outputTokens ?? null];

const over = (named) => (settings) => {
  const options = { maxRetries: settings.retries };
  const byName = named(settings);
  return {
    async ask(model, prompt, abortSignal) {
      const answer = await generateText({ model: byName(model), prompt, abortSignal, ...options });
      return { text: answer.text, usage: counted(answer.usage), finish: answer.finishReason };
    },
    async stream(model, prompt, { signal, onText }) {
      const result = streamText({
        model: byName(model),
        prompt,
        abortSignal: signal,
        onError() {}, // printed to the console without it
        ...options,
      });
      const said = { text: "", usage: null, finish: null };
      for await (const part of result.fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type === "text-delta") {
          onText(part.text);
          said.text += part.text;
        }
        if (part.type === "finish") {
          said.finish = part.finishReason;
          said.usage = counted(part.totalUsage);
        }
      }
      return said;
    },
  };
};

export const compatible = over(compatibleProvider);
export const chat = over((settings) => openaiProvider(settings).chat);
export const responses = over((settings) => openaiProvider(settings).responses);
export const messages = over(anthropicProvider);
