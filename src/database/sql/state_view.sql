-- The load state in the words of the domain; an attempt that nobody works on any more left nothing behind. The two words in
-- capitals are put in by state.c: the time in UTC, and the state of the database that a load made, where states are kept.
CREATE OR REPLACE VIEW billing_state.load_states AS
SELECT s.version_id, s.payer_account_id AS account_id, s.export_name, s.billing_period, s.load_timestamp AS load_start_time,
    s.completed_timestamp AS load_end_time,
    CASE WHEN s.load_completed THEN 'completed' WHEN s.error_message IS NOT NULL THEN 'failed'
        WHEN s.claim_expires > NOW_UTC THEN 'started' ELSE 'rolled_back' END AS status,
    s.row_count AS record_count, s.file_paths, SNAPSHOT_OF_LOAD AS snapshot_id, s.error_message AS error
FROM billing_state.load_state AS s
