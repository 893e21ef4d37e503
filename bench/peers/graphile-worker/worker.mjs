// The process under measurement: graphile-worker, tuned as its page on performance says.

import { run, Logger } from "graphile-worker";
import { EventEmitter } from "node:events";
import { jobs, monotonic, postgres, timeOfDay } from "../lib.mjs";

const silent = new Logger(() => () => {});
let runner;

async function start(options) {
  const events = new EventEmitter();
  let began;
  events.on("localQueue:setMode", ({ newMode }) => {
    if (newMode === "POLLING") began ??= monotonic();
  });
  const starts = options.starts ? [] : undefined;
  const startsOfDay = options.startsOfDay ? [] : undefined;
  let handled = 0;
  const task = (_payload, { job }) => {
    if (starts) starts.push([job.id, monotonic()]);
    if (startsOfDay) startsOfDay.push(timeOfDay());
    if (++handled === jobs) {
      process.send({ type: "handled", began, starts, startsOfDay });
    }
  };
  runner = await run({
    logger: silent,
    taskList: { bench: task },
    noHandleSignals: true,
    events,
    preset: { worker: { connectionString: postgres, ...options.worker } },
  });
  process.send({ type: "ready" });
}

// Whoever started it is gone.
process.on("disconnect", () => process.exit(1));
process.on("message", async (message) => {
  if (message.type === "start") await start(message);
  if (message.type === "stop") {
    await runner.stop();
    process.exit(0);
  }
});
