-- Ends runs, or lets their jobs wait. $1 ids, $2 claim numbers, $3 verdicts, $4 moments (snooze),
-- $5 pauses in seconds (retry), $6 errors, $7 results, $8 reasons to wait.
--
-- Fenced by primary key and claim number; the test of the state is written so that no partial
-- index can match it. What ends whatever the row says goes to history at once; the rest is locked
-- first, since a request to cancel may come in between.
with verdicts as (
    select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::float8[],
                         $6::jsonb[], $7::jsonb[], $8::jsonb[])
        as v (id, claim_no, verdict, until, pause, error, result, wait)
),
held as materialized (
    select j.id, v.until, v.pause, v.wait,
           case when v.error is not null
                    then jsonb_build_array(v.error || jsonb_build_object('at', now(), 'attempt', j.attempt + 1))
                when j.cancel_requested
                    then jsonb_build_array(jsonb_build_object('code', 'cancelled',
                             'message', 'cancelled on request', 'at', now(), 'attempt', j.attempt + 1))
                else '[]'::jsonb
           end as error,
           j.attempt + case when v.verdict = 'retry' then 1 else 0 end as attempt,
           case when j.cancel_requested then 'cancelled'
                when v.verdict = 'retry' and j.attempt + 1 >= j.max_attempts then 'dead'
           end as outcome
    from verdicts v join jobs j on j.id = v.id
    where v.verdict in ('retry', 'snooze') and j.claim_no = v.claim_no and (j.state = 'running') is not false
    for update of j
),
ended as (
    delete from jobs using verdicts v
    where jobs.id = v.id and jobs.claim_no = v.claim_no and (jobs.state = 'running') is not false
      and v.verdict in ('done', 'dead', 'cancelled')
    returning jobs.*, v.verdict as outcome, v.result,
              case when v.error is null then jobs.errors
                   else jobs.errors || (v.error || jsonb_build_object('at', now(), 'attempt', jobs.attempt + 1))
              end as all_errors,
              jobs.attempt + case when v.verdict = 'dead' then 1 else 0 end as attempts
),
given_up as (
    delete from jobs using held h where jobs.id = h.id and h.outcome is not null
    returning jobs.*, h.outcome, null::jsonb as result, jobs.errors || h.error as all_errors, h.attempt as attempts
),
kept as (
    insert into job_history (id, organization_id, actor, origin, queue, kind, args_version, args, outcome,
        priority, run_at, attempt, max_attempts, crashes, claim_no, worker, result, errors, retried_from,
        trace_context, created_at, started_at)
    select id, organization_id, actor, origin, queue, kind, args_version, args, outcome,
        priority, run_at, attempts, max_attempts, crashes, claim_no, worker, result, all_errors, retried_from,
        trace_context, created_at, started_at
    from (select * from ended union all select * from given_up) gone
),
waiting as (
    update jobs set
        state = 'scheduled', worker = null, attempt = h.attempt,
        run_at = coalesce(h.until, now() + make_interval(secs => h.pause)),
        errors = errors || h.error,
        wait_reason = h.wait, parked_by = h.wait ->> 'key', permits = '{}'
    from held h where jobs.id = h.id and h.outcome is null
)
select id as "id!", outcome from ended union all select id, outcome from held
