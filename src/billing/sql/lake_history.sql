-- Every attempt to load a month, and every return to a state: parameters are the first and last state, export, period.
-- An attempt is (vendor, export, period, version, load_timestamp, attempt): each start sets the last two. What became of it
-- is in the rows that load_state was given in the states that are kept, and in load_state itself, which remembers the
-- last attempt of each version when states have expired. A state is an attempt's when its details name the same month
-- and version: those of one import name it, those of several have it among their months.
WITH images AS (
    SELECT snapshot_id, vendor, export_name, billing_period, version_id, load_timestamp, attempt, load_completed,
        completed_timestamp, row_count, file_count, total_cost, currency, source_uri, error_message, claimed_by, claim_expires,
        file_paths
    FROM ducklake_table_insertions(current_database(), 'billing_state', 'load_state', @FIRST@, @LAST@)
    UNION ALL
    SELECT NULL, vendor, export_name, billing_period, version_id, load_timestamp, attempt, load_completed,
        completed_timestamp, row_count, file_count, total_cost, currency, source_uri, error_message, claimed_by, claim_expires,
        file_paths
    FROM billing_state.load_state
), attempts AS (
    SELECT vendor, export_name, billing_period, version_id, load_timestamp, attempt,
        bool_or(load_completed) AS done,
        max(completed_timestamp) FILTER (load_completed) AS finished,
        max(error_message) AS error,
        max(claimed_by) FILTER (claimed_by <> 'hold') AS claimant,
        arg_max(claim_expires, coalesce(snapshot_id, 9223372036854775807)) AS claim_expires,
        max(row_count) FILTER (load_completed) AS rows,
        max(file_count) FILTER (load_completed) AS files,
        max(total_cost) FILTER (load_completed) AS cost,
        max(currency) FILTER (load_completed) AS currency,
        max(source_uri) AS source,
        max(file_paths) AS file_paths,
        min(snapshot_id) FILTER (load_completed) AS snapshot_id
    FROM images
    GROUP BY ALL
), states AS (
    SELECT snapshot_id, snapshot_time AT TIME ZONE 'UTC' AS time, author, commit_message AS message,
        CASE WHEN json_valid(commit_extra_info) THEN commit_extra_info::JSON END AS details
    FROM ducklake_snapshots(current_database())
), made AS (
    SELECT snapshot_id, author, unnest(CAST(coalesce(details -> 'months', json_array(details)) AS JSON[])) AS month
    FROM states WHERE details IS NOT NULL AND coalesce((details ->> 'action'), 'import') = 'import'
), events AS (
    SELECT a.load_timestamp AS time, 'import' AS action, a.export_name, a.billing_period, a.version_id,
        CASE WHEN a.done THEN 'completed' WHEN a.error IS NOT NULL THEN 'failed'
            WHEN a.claim_expires < @NOW@::TIMESTAMP OR EXISTS (FROM attempts AS later
                WHERE later.vendor = a.vendor AND later.export_name = a.export_name
                AND later.billing_period = a.billing_period
                AND (later.load_timestamp, coalesce(later.attempt, 0)) > (a.load_timestamp, coalesce(a.attempt, 0)))
            THEN 'rolled_back' ELSE 'started' END AS status,
        a.finished, coalesce(s.author, a.claimant) AS author, s.snapshot_id, a.rows,
        coalesce(a.files, json_array_length(a.file_paths)) AS files, a.cost, a.currency, a.source,
        CASE WHEN json_valid(a.file_paths) THEN CAST(a.file_paths::JSON AS VARCHAR[]) END AS file_paths, a.error
    FROM attempts AS a LEFT JOIN made AS s ON s.snapshot_id = a.snapshot_id AND (s.month ->> 'vendor') = a.vendor
        AND (s.month ->> 'export_name') = a.export_name AND (s.month ->> 'billing_period') = a.billing_period
        AND (s.month ->> 'version_id') = a.version_id
    UNION ALL
    SELECT s.time, 'rollback', (m.month ->> 'export_name'), (m.month ->> 'billing_period'), (m.month ->> 'version_id'),
        'completed', s.time, s.author, s.snapshot_id, CAST(m.month ->> 'rows' AS BIGINT), NULL, NULL, NULL,
        'state ' || ((s.details ->> 'to')), NULL, NULL
    FROM states AS s, LATERAL (SELECT unnest(CAST(s.details -> 'months' AS JSON[])) AS month) AS m
    WHERE (s.details ->> 'action') = 'rollback'
)
SELECT * FROM events
WHERE (@EXPORT@ IS NULL OR export_name = @EXPORT@) AND (@PERIOD@ IS NULL OR billing_period = @PERIOD@)
ORDER BY time, export_name, billing_period, version_id
