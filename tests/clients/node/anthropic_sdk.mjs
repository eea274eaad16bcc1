// @anthropic-ai/sdk. Its base URL is the gateway's own: it adds /v1 itself.
import Anthropic from "@anthropic-ai/sdk";

export const connect = ({ base, key, fetch, retries }) =>
  new Anthropic({ baseURL: new URL("/", base).href, apiKey: key, fetch, maxRetries: retries });
const asked = (model, content) => ({ model, max_tokens: 1000, messages: [{ role: "user", content }] });
const described = (message) => ({
  text: message.content.map((block) => block.text ?? "").join(""),
  usage: [message.usage.input_tokens, message.usage.output_tokens],
  finish: message.stop_reason,
});

export function messages(settings) {
  const client = connect(settings);
  return {
    ask: async (model, content, signal) => described(await client.messages.create(asked(model, content), { signal })),
    async stream(model, content, { signal, onText }) {
      const stream = client.messages.stream(asked(model, content), { signal });
      stream.on("text", onText);
      return described(await stream.finalMessage());
    },
  };
}
