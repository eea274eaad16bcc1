// What everybody does first with a client, the same for all of them.
// Usage: node first_steps.mjs BASE_URL KEY MODULE NAME CUT_URL: the export of that name in that module makes a
// client; what comes from the last URL ends in the middle of a stream, without a word.
//
// make({base, key, fetch, retries}) gives
//   ask(model, content, signal) => {text, usage: [prompt, completion], finish}
//   stream(model, content, {signal, onText}) => the same, after onText of each piece of text
import { base, described, fact, key, more, noting, now, runsInFlight, secondsUntilFree, sleep, steer } from "./facts.mjs";

const [module, name, cut] = more;
const make = (await import(module))[name];
const client = make({ base, key, retries: 0 });

const TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```";

const finding = (answer) => answer.then(() => null, described);

await fact("whole", () => client.ask("echo", TEXT));
await fact("cut short", () => client.ask("echo", steer("Ein Satz. ", { finish_reason: "length" })));

/** A text that takes a second. */
const streamed = fact("streamed", async () => {
  const times = [];
  const pieces = [];
  const said = await client.stream("echo", steer(TEXT, { chunks: 10, interval: 0.1 }), {
    onText(piece) {
      times.push(now());
      pieces.push(piece);
    },
  });
  return { ...said, pieces, seconds: now() - times[0] };
});

const retried = fact("retried", async () => {
  const attempts = [];
  const patient = make({ base, key, retries: 3, fetch: noting(attempts) });
  return { ...(await patient.ask("flaky-429", `third time lucky, ${name}`)), attempts };
});

const notRetried = fact("not retried", async () => {
  const attempts = [];
  const patient = make({ base, key, retries: 3, fetch: noting(attempts) });
  return { thrown: await finding(patient.ask("error-400", "never")), attempts };
});

const FAILING = steer("One, two, three, and the line is dead", { chunks: 6, interval: 0.05, fault: "fail", at: 3 });

const mistaken = (settings) => make({ base, key, retries: 0, ...settings });

async function untilItBreaks(broken, content) {
  const seen = { text: "", thrown: null, ended: null };
  const ended = broken.stream("echo", content, { onText: (piece) => (seen.text += piece) });
  seen.thrown = await finding(ended.then((said) => (seen.ended = said)));
  return seen;
}

const failed = fact("failed in the middle", () => untilItBreaks(client, FAILING));
const LONG = steer("word ".repeat(400), { chunks: 200 });
const lost = fact("cut in the middle", () => untilItBreaks(mistaken({ base: cut }), LONG));

await Promise.all([
  streamed,
  retried,
  notRetried,
  failed,
  lost,
  fact("failed, unstreamed", () => client.ask("echo", FAILING)),
  fact("wrong key", () => mistaken({ key: "wrong" }).ask("echo", "hi")),
  fact("wrong key, streamed", () => mistaken({ key: "wrong" }).stream("echo", "hi", { onText() {} })),
  fact("unknown model", () => client.ask("gpt-99", "hi")),
]);

/** What came before the caller left, how the client told it, and how long the place was held. */
async function leaving(use) {
  const controller = new AbortController();
  const seen = { text: "", inFlight: 0, thrown: null, ended: null };
  const leave = async () => {
    seen.inFlight = await runsInFlight();
    controller.abort();
  };
  seen.thrown = await finding(use(controller.signal, leave, seen).then((said) => (seen.ended = said)));
  seen.seconds = await secondsUntilFree();
  return seen;
}

await fact("left the stream", () =>
  leaving((signal, leave, seen) =>
    client.stream("echo", steer("word ".repeat(400), { chunks: 400, interval: 0.05 }), {
      signal,
      onText(piece) {
        if (!seen.text) leave();
        seen.text += piece;
      },
    }),
  ),
);

await fact("left before the answer", () =>
  leaving((signal, leave) => {
    sleep(0.5).then(leave);
    return client.ask("slow", "hi", signal);
  }),
);
