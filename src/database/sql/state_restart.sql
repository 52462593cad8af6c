-- The row of a version that was begun before, begun again: vendor, export, period, version, format, now, source, tool, claimant,
-- files. Where tables have no keys (state_start.sql needs one); 0 rows: it was not begun, see state_begin.sql.
UPDATE billing_state.load_state SET
    data_format_version = $5,
    load_timestamp = $6::TIMESTAMP,
    load_completed = false,
    error_message = NULL,
    source_uri = $7,
    tool_version = $8,
    claimed_by = $9,
    claim_expires = $6::TIMESTAMP + INTERVAL '1 hour',
    file_paths = $10,
    attempt = coalesce(attempt, 0) + 1
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id = $4
