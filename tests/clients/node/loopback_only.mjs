// Loaded before a client (node --import): what would leave this machine is refused and told at the end.
// A client may swallow the refusal, as it does for its telemetry, so the exit code says it as well. Only
// hosts in EXPECTED_REFUSALS do not count: some programs ask for their newest version and cannot be told not to.
import dgram from "node:dgram";
import dns from "node:dns";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);
const EXPECTED = (process.env.EXPECTED_REFUSALS ?? "").split(",");
const refused = new Set();

function refusal(host) {
  if (!EXPECTED.includes(host)) refused.add(host);
  return new Error(`only loopback may be reached, not ${host}`);
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const [options] = Array.isArray(given[0]) ? given[0] : given;
  const host = typeof options === "object" ? options.host : given[1];
  const local = options?.path || !host || typeof host !== "string" || LOOPBACK.has(host);
  if (local) return connect.apply(this, given);
  process.nextTick(() => this.destroy(refusal(host)));
  return this;
};

const send = dgram.Socket.prototype.send;
dgram.Socket.prototype.send = function (...given) {
  const host = given.findLast((one) => typeof one === "string") ?? "localhost";
  if (LOOPBACK.has(host)) return send.apply(this, given);
  throw refusal(host);
};

// A lookup by hand; most are made by connect, above. Of the two kinds one calls back, the other promises.
const asks = (home) => Object.keys(home).filter((name) => /^(lookup|resolve)/.test(name) && home[name] instanceof Function);
for (const name of asks(dns)) {
  const ask = dns[name];
  dns[name] = (host, ...rest) => {
    if (LOOPBACK.has(host)) return ask(host, ...rest);
    return process.nextTick(rest.at(-1), refusal(host));
  };
}
for (const name of asks(dns.promises)) {
  const ask = dns.promises[name];
  dns.promises[name] = async (host, ...rest) => {
    if (LOOPBACK.has(host)) return ask(host, ...rest);
    throw refusal(host);
  };
}
syncBuiltinESMExports(); // for those who import the functions by name

process.on("exit", () => {
  if (!refused.size) return;
  fs.writeSync(2, `refused to reach: ${[...refused].join(", ")}\n`); // a client may have taken the console
  process.exitCode = 97;
});
