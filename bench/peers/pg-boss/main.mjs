// The client: puts jobs in, starts the worker, and tells what was measured.

import pg from "pg";
import { PgBoss } from "pg-boss";
import {
  jobs, latencies, monotonic, payload, phase, postgres, scenario, sleep, startWorker, tell,
  timeOfDay, usage, versionOf,
} from "../lib.mjs";

const settings = {
  boss: { max: 10, useListenNotify: true },
  work: {
    batchSize: 2000, localConcurrency: 2, burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5,
  },
};
const version = `${versionOf("pg-boss", import.meta.url)} (Node ${process.versions.node})`;
const worker = new URL("worker.mjs", import.meta.url);
const client = new pg.Client({ connectionString: postgres });
const boss = new PgBoss({ connectionString: postgres, max: 4, useListenNotify: true, supervise: false, schedule: false });
boss.on("error", (error) => console.error(error));

async function load(startAfter) {
  const SIZE = 5000;
  for (let made = 0; made < jobs; made += SIZE) {
    const count = Math.min(SIZE, jobs - made);
    await boss.insert("bench", Array.from({ length: count }, () => ({ data: payload, startAfter })));
  }
  await client.query("vacuum analyze");
}

async function untilDone() {
  for (;;) {
    const { rows } = await client.query(
      "select exists (select from pgboss.job where name = 'bench' and state < 'completed') as more",
    );
    if (!rows[0].more) break;
    await sleep(1);
  }
}

async function check() {
  const { rows } = await client.query(
    "select count(*)::int as done from pgboss.job where name = 'bench' and state = 'completed'",
  );
  if (rows[0].done !== jobs) throw new Error(`${rows[0].done} of ${jobs} jobs are completed`);
}

async function drain() {
  await load();
  await phase("loaded");
  const under = startWorker(worker, settings);
  const { began } = await under.hear("handled");
  await untilDone();
  const seconds = (monotonic() - began) / 1000;
  const { cpu, peak_mib } = usage(under.pid);
  await phase("done");
  await check();
  await under.stop();
  tell("pg-boss", version,
    { seconds, rate: jobs / seconds, worker_cpu_us: (cpu * 1e6) / jobs, peak_mib }, settings);
}

async function pickup() {
  const under = startWorker(worker, { ...settings, starts: true });
  await under.hear("ready");
  await sleep(1500);
  await phase("loaded");
  const committed = new Map();
  for (let made = 0; made < jobs; made += 1) {
    const id = await boss.send("bench", payload);
    committed.set(id, monotonic());
    await sleep(10 + Math.random() * 20);
  }
  const { starts } = await under.hear("handled");
  await phase("done");
  await under.stop();
  tell("pg-boss", version, latencies(starts.map(([id, at]) => at - committed.get(id))), settings);
}

async function burst() {
  const due = Math.ceil(timeOfDay() / 1000) * 1000 + 6000;
  await load(new Date(due));
  const under = startWorker(worker, { ...settings, startsOfDay: true });
  await under.hear("ready");
  if (timeOfDay() > due - 1000) throw new Error("the jobs were not in place in time");
  await phase("loaded");
  const { startsOfDay } = await under.hear("handled");
  await untilDone();
  const seconds = (timeOfDay() - due) / 1000;
  await phase("done");
  await check();
  await under.stop();
  const late = startsOfDay.map((at) => at - due);
  if (late.some((ms) => ms < -1)) throw new Error("a job ran early");
  tell("pg-boss", version, { ...latencies(late), seconds, rate: jobs / seconds }, settings);
}

await client.connect();
await boss.start();
await boss.createQueue("bench", { notify: true });
await { drain, pickup, burst }[scenario]();
await boss.stop({ graceful: false });
await client.end();
process.exit(0);
