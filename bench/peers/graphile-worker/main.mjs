// The client: puts jobs in, starts the worker, and tells what was measured.

import { runMigrations } from "graphile-worker";
import pg from "pg";
import {
  jobs, latencies, monotonic, payload, phase, postgres, scenario, sleep, startWorker, tell,
  timeOfDay, usage, versionOf,
} from "../lib.mjs";

const settings = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};
const version = `${versionOf("graphile-worker", import.meta.url)} (Node ${process.versions.node})`;
const worker = new URL("worker.mjs", import.meta.url);
const client = new pg.Client({ connectionString: postgres });

/** Enqueues in bulk, as the page on performance does. */
async function load(runAt) {
  const SIZE = 5000;
  for (let made = 0; made < jobs; made += SIZE) {
    await client.query(
      `select 1 from graphile_worker.add_jobs(array(
         select row('bench', $1::json, null, $2::timestamptz, null, null, null, null)::graphile_worker.job_spec
         from generate_series(1, $3::int)))`,
      [JSON.stringify(payload), runAt ?? null, Math.min(SIZE, jobs - made)],
    );
  }
  await client.query("vacuum analyze graphile_worker._private_jobs");
}

async function untilEmpty() {
  for (;;) {
    const { rows } = await client.query(
      "select exists (select from graphile_worker._private_jobs) as more",
    );
    if (!rows[0].more) return;
    await sleep(1);
  }
}

async function drain() {
  await load();
  await phase("loaded");
  const under = startWorker(worker, { worker: settings });
  const { began } = await under.hear("handled");
  await untilEmpty();
  const seconds = (monotonic() - began) / 1000;
  const { cpu, peak_mib } = usage(under.pid);
  await phase("done");
  await under.stop();
  tell("graphile-worker", version,
    { seconds, rate: jobs / seconds, worker_cpu_us: (cpu * 1e6) / jobs, peak_mib }, settings);
}

async function pickup() {
  const tuned = { ...settings, localQueue: { size: 500 } };
  const under = startWorker(worker, { worker: tuned, starts: true });
  await under.hear("ready");
  await sleep(1500);
  await phase("loaded");
  const committed = new Map();
  for (let made = 0; made < jobs; made += 1) {
    const { rows } = await client.query("select id from graphile_worker.add_job('bench', $1::json)", [
      JSON.stringify(payload),
    ]);
    committed.set(rows[0].id, monotonic());
    await sleep(10 + Math.random() * 20);
  }
  const { starts } = await under.hear("handled");
  await phase("done");
  await under.stop();
  const waits = starts.map(([id, at]) => at - committed.get(id));
  tell("graphile-worker", version, latencies(waits), tuned);
}

async function burst() {
  // Due jobs are found by polling alone.
  const tuned = { ...settings, pollInterval: 50 };
  const due = Math.ceil(timeOfDay() / 1000) * 1000 + 5000;
  await load(new Date(due));
  const under = startWorker(worker, { worker: tuned, startsOfDay: true });
  await under.hear("ready");
  if (timeOfDay() > due - 1000) throw new Error("the jobs were not in place in time");
  await phase("loaded");
  const { startsOfDay } = await under.hear("handled");
  await untilEmpty();
  const seconds = (timeOfDay() - due) / 1000;
  await phase("done");
  await under.stop();
  const late = startsOfDay.map((at) => at - due);
  if (late.some((ms) => ms < -1)) throw new Error("a job ran early");
  tell("graphile-worker", version, { ...latencies(late), seconds, rate: jobs / seconds }, tuned);
}

await runMigrations({ connectionString: postgres });
await client.connect();
await { drain, pickup, burst }[scenario]();
await client.end();
process.exit(0);
