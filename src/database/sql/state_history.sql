-- All versions of a period ever attempted, newest first.
SELECT version_id, current_version, load_completed, load_timestamp, completed_timestamp, row_count, total_cost, currency,
    error_message
FROM billing_state.load_state
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3
ORDER BY load_timestamp DESC, version_id DESC
