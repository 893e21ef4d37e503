-- Claims that cost less: an organization's running jobs are counted by the worker that runs them,
-- and requests to cancel have an index of their own, so that nobody passes over finished jobs.

set local lock_timeout = '5s';

drop index jobs_running;
drop function lane_room(text, uuid, bigint);

create index jobs_cancel_requested on jobs (worker) where cancel_requested;
