// openai, as its own readme uses it.
import OpenAI from "openai";

const connect = ({ base, key, fetch, retries }) =>
  new OpenAI({ baseURL: base, apiKey: key, fetch, maxRetries: retries });
const user = (content) => [{ role: "user", content }];
const counted = (usage) => usage && [usage.prompt_tokens, usage.completion_tokens];

export function chat(settings) {
  const client = connect(settings);
  return {
    async ask(model, content, signal) {
      const answer = await client.chat.completions.create({ model, messages: user(content) }, { signal });
      const [choice] = answer.choices;
      return { text: choice.message.content, usage: counted(answer.usage), finish: choice.finish_reason };
    },
    async stream(model, content, { signal, onText }) {
      const said = { text: "", usage: null, finish: null };
      const chunks = await client.chat.completions.create(
        { model, messages: user(content), stream: true, stream_options: { include_usage: true } },
        { signal },
      );
      for await (const chunk of chunks) {
        const piece = chunk.choices[0]?.delta.content;
        if (piece) onText(piece);
        said.text += piece ?? "";
        said.finish ??= chunk.choices[0]?.finish_reason ?? null;
        said.usage ??= counted(chunk.usage);
      }
      return said;
    },
  };
}

/** The helper that accumulates: `client.chat.completions.stream`. */
export function chatStreamHelper(settings) {
  const client = connect(settings);
  return {
    ...chat(settings),
    async stream(model, content, { signal, onText }) {
      const stream = client.chat.completions.stream(
        { model, messages: user(content), stream_options: { include_usage: true } },
        { signal },
      );
      stream.on("content", onText);
      const answer = await stream.finalChatCompletion();
      const [choice] = answer.choices;
      return { text: choice.message.content, usage: counted(answer.usage), finish: choice.finish_reason };
    },
  };
}

const tokens = (usage) => usage && [usage.input_tokens, usage.output_tokens];

export function responses(settings) {
  const client = connect(settings);
  return {
    async ask(model, input, signal) {
      const answer = await client.responses.create({ model, input }, { signal });
      return { text: answer.output_text, usage: tokens(answer.usage), finish: answer.status };
    },
    async stream(model, input, { signal, onText }) {
      const stream = client.responses.stream({ model, input }, { signal });
      stream.on("response.output_text.delta", ({ delta }) => onText(delta));
      const answer = await stream.finalResponse();
      return { text: answer.output_text, usage: tokens(answer.usage), finish: answer.status };
    },
  };
}
