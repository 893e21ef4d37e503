// What the peers that run on Node share: their arguments, the agreement with bin/bench, figures.
//
//   run --jobs N --postgres URL --redis URL drain|pickup|burst
//
// prints one line of JSON. With BENCH_PHASES set, a run says {"phase":"loaded"} when its jobs are
// in place and {"phase":"done"} when they are done, and each time waits for a line on its standard
// input, so that whoever started it can look at the servers' CPU in between.

import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const known = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: "string", default: "20000" },
    postgres: { type: "string" },
    redis: { type: "string" },
  },
});
export const jobs = Number(known.values.jobs);
export const postgres = known.values.postgres;
export const redis = known.values.redis;
export const scenario = known.positionals[0];

// The same 200 bytes of JSON for everybody.
const empty = { title: "bench", versions: [{ platform: "TWITTER", text: "" }] };
export const payload = structuredClone(empty);
payload.versions[0].text = "x".repeat(200 - JSON.stringify(empty).length);

/** Milliseconds of the clock that all processes of this machine share and nobody sets. */
export const monotonic = () => Number(process.hrtime.bigint()) / 1e6;
/** The time of day, in milliseconds with a fraction. */
export const timeOfDay = () => performance.timeOrigin + performance.now();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const stdin = process.env.BENCH_PHASES && process.send === undefined
  ? createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  : undefined;

/** Tells a phase, and waits until the other side has taken note. */
export async function phase(name) {
  if (!stdin) return;
  console.log(JSON.stringify({ phase: name }));
  await stdin.next();
}

/** A process of its own that runs jobs, started from `file` and spoken to by messages. */
export function startWorker(file, options) {
  const child = fork(file, process.argv.slice(2), { stdio: ["ignore", 2, 2, "ipc"] });
  const heard = [];
  const ears = [];
  child.on("message", (message) => {
    const ear = ears.findIndex((one) => one.type === message.type);
    if (ear >= 0) ears.splice(ear, 1)[0].resolve(message);
    else heard.push(message);
  });
  child.on("exit", (code) => {
    for (const ear of ears) ear.reject(new Error(`the worker ended with ${code}`));
  });
  child.send({ type: "start", ...options });
  return {
    pid: child.pid,
    send: (message) => child.send(message),
    hear: (type) => {
      const index = heard.findIndex((one) => one.type === type);
      if (index >= 0) return Promise.resolve(heard.splice(index, 1)[0]);
      return new Promise((resolve, reject) => ears.push({ type, resolve, reject }));
    },
    stop: () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.send({ type: "stop" });
      return ended;
    },
  };
}

/** CPU seconds and peak memory (MiB) of a process. */
export function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/, "").trim().split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpu: (Number(stat[11]) + Number(stat[12])) / 100,
    peak_mib: Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024,
  };
}

/** The value below which so many percent lie. */
export function percentile(values, percent) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

export const latencies = (values) => ({
  p50_ms: percentile(values, 50),
  p99_ms: percentile(values, 99),
  max_ms: percentile(values, 100),
});

/** The one line. */
export function tell(peer, version, figures, settings) {
  console.log(JSON.stringify({ peer, version, scenario, jobs, ...figures, settings }));
}

/** The version that is installed. */
export function versionOf(name, from) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, from))).version;
}
