// The process under measurement: pg-boss with large batches, woken by NOTIFY.

import { PgBoss } from "pg-boss";
import { jobs, monotonic, postgres, timeOfDay } from "../lib.mjs";

let boss;

async function start(options) {
  boss = new PgBoss({ connectionString: postgres, migrate: false, ...options.boss });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  const starts = options.starts ? [] : undefined;
  const startsOfDay = options.startsOfDay ? [] : undefined;
  let handled = 0;
  const began = monotonic();
  await boss.work("bench", options.work, async (batch) => {
    for (const job of batch) {
      if (starts) starts.push([job.id, monotonic()]);
      if (startsOfDay) startsOfDay.push(timeOfDay());
    }
    handled += batch.length;
    if (handled === jobs) process.send({ type: "handled", began, starts, startsOfDay });
  });
  process.send({ type: "ready" });
}

// Whoever started it is gone.
process.on("disconnect", () => process.exit(1));
process.on("message", async (message) => {
  if (message.type === "start") await start(message);
  if (message.type === "stop") {
    await boss.stop({ graceful: false });
    process.exit(0);
  }
});
