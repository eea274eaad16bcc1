// @langchain/openai, over each API that it speaks.
import { webcrypto } from "node:crypto";
import { ChatOpenAI } from "@langchain/openai";

globalThis.crypto ??= webcrypto; // which Node 18 lacks and LangChain's tools want

export const modelFor =
  (useResponsesApi) =>
  ({ base, key, fetch, retries }) =>
  (model) =>
    new ChatOpenAI({
      model,
      apiKey: key,
      maxRetries: retries,
      useResponsesApi,
      configuration: { baseURL: base, fetch },
    });

const described = (message) => ({
  text: message.text,
  usage: message.usage_metadata && [message.usage_metadata.input_tokens, message.usage_metadata.output_tokens],
  finish: message.response_metadata.finish_reason ?? message.response_metadata.status ?? null,
});

const over = (named) => (settings) => {
  const byName = named(settings);
  return {
    ask: async (model, content, signal) => described(await byName(model).invoke(content, { signal })),
    async stream(model, content, { signal, onText }) {
      let whole;
      for await (const chunk of await byName(model).stream(content, { signal })) {
        if (chunk.text) onText(chunk.text);
        whole = whole ? whole.concat(chunk) : chunk;
      }
      return described(whole);
    },
  };
};

export const chat = over(modelFor(false));
export const responses = over(modelFor(true));
