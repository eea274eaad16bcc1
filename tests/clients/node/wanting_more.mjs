// What wants more than loopback, and makes nothing of being refused. Usage: node wanting_more.mjs - - HOW
import dgram from "node:dgram";
import dns from "node:dns";
import { lookup } from "node:dns/promises";
import net from "node:net";
import { more } from "./facts.mjs";

const HOWS = {
  fetch: () => fetch("http://telemetry.example/"),
  "fetch an address": () => fetch("http://192.0.2.1/"),
  connect: () => new Promise((_, fail) => net.connect(80, "192.0.2.1").on("error", fail)),
  "look up": () => new Promise((_, fail) => dns.lookup("telemetry.example", fail)),
  "look up by promise": () => lookup("telemetry.example"),
  resolve: () => dns.promises.resolve4("telemetry.example"),
  "send a datagram": async () => dgram.createSocket("udp4").send("hi", 53, "192.0.2.1"),
};

await HOWS[more[0]]().catch(() => {});
