// Runs as the official Socket.IO client sees them. Prints one result for each case, as JSON.
// Usage: node socket_runs.mjs URL ANON_KEY CASES
// A case: {transports, namespace, token, content, wait, reconnect}; see the defaults below.
import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

const [url, apikey, cases] = process.argv.slice(2);

async function signUp() {
  const answer = await fetch(`${url}/auth/v1/signup`, {
    method: "POST",
    headers: { apikey },
    body: "{}",
  });
  return answer.json();
}

async function start(account, content) {
  const answer = await fetch(`${url}/functions/v1/initiate-prompt-run`, {
    method: "POST",
    headers: { apikey, Authorization: `Bearer ${account.access_token}` },
    body: JSON.stringify({
      run_id: randomUUID(),
      prompt_id: randomUUID(),
      prompt_meta: { model: "echo", messages: [{ role: "user", content }] },
      test_cases: [],
      created_by: account.user.id,
    }),
  });
  return answer.json();
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function play({
  transports = ["websocket"],
  namespace = "",
  token,
  content = "Hello there, how are you today?",
  wait = 5,
  reconnect = false,
}) {
  const account = await signUp();
  const seen = { connects: 0, connect_error: null, disconnects: [], events: [], start: null };
  const socket = io(url + namespace, {
    transports,
    auth: { token: token ?? account.access_token },
    forceNew: true,
    reconnection: reconnect,
    reconnectionDelay: 20,
    reconnectionDelayMax: 50,
  });
  socket.on("disconnect", (reason) => seen.disconnects.push(reason));
  const settled = new Promise((resolve) => {
    socket.on("connect", () => {
      seen.connects += 1;
      resolve(true);
    });
    socket.on("connect_error", (error) => {
      seen.connect_error = { message: error.message, data: error.data ?? null };
      resolve(false);
    });
  });
  const over = new Promise((resolve) => {
    socket.onAny((name, ...values) => {
      seen.events.push([name, ...values]);
      const status = values[0]?.status;
      if (name === "completion_finished" || (status && status !== "in_progress")) resolve();
    });
    if (!reconnect) socket.on("disconnect", resolve);
  });
  if (await settled) {
    seen.start = await start(account, content);
    await Promise.race([over, sleep(wait)]);
    seen.transport = socket.io.engine?.transport?.name;
  }
  socket.disconnect();
  return seen;
}

const results = [];
for (const one of JSON.parse(cases)) results.push(await play(one));
console.log(JSON.stringify(results));
process.exit(0);
