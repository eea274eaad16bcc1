// What a program says of a client: one line of JSON for each fact, read by tests/clients/node/program.py.
// Usage of every program: node PROGRAM.mjs BASE_URL KEY [more]
import { performance } from "node:perf_hooks";

export const [base, key, ...more] = process.argv.slice(2);
export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
export const now = () => performance.now() / 1000;

/** A message that tells the emulator what to say. */
export const steer = (text, reply = {}) => JSON.stringify({ text, ...reply });

/** What was thrown, in words that Python can look at; the clients name the same things differently. */
export function described(error) {
  const inner = error?.lastError ?? error?.cause ?? {};
  return {
    name: error?.constructor?.name ?? typeof error,
    message: String(error?.message ?? error),
    status: error?.status ?? error?.statusCode ?? inner.status ?? inner.statusCode ?? null,
    code: error?.code ?? error?.error?.code ?? inner.code ?? null,
    param: error?.param ?? null,
  };
}

/** Say what became of `action`: its value, or what it threw. */
export async function fact(name, action) {
  let line;
  try {
    line = { fact: name, value: (await action()) ?? null };
  } catch (error) {
    line = { fact: name, thrown: described(error) };
  }
  console.log(JSON.stringify(line));
}

/** A fetch that notes what each attempt was answered with, and when. */
export function noting(attempts) {
  return async (input, options) => {
    const attempt = { at: now() };
    attempts.push(attempt);
    const answer = await fetch(input, options);
    attempt.status = answer.status;
    attempt.retryAfter = answer.headers.get("retry-after");
    attempt.answered = now();
    return answer;
  };
}

export async function runsInFlight() {
  const url = new URL("/metrics", base);
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
  return Number(/^langfast_runs_in_flight (\S+)$/m.exec(await answer.text())[1]);
}

/** Seconds until no run is in flight any more; null if that takes too long. */
export async function secondsUntilFree(patience = 10) {
  const began = now();
  while (await runsInFlight()) {
    if (now() - began > patience) return null;
    await sleep(0.02);
  }
  return now() - began;
}
