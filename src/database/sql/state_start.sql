-- Inserts or restarts the row of one version: vendor, export, period, version, format, now, source, tool, claimant, files.
INSERT INTO billing_state.load_state AS s (vendor, export_name, billing_period, version_id, data_format_version,
    current_version, load_timestamp, load_completed, source_uri, tool_version, claimed_by, claim_expires, attempt, file_paths)
VALUES ($1, $2, $3, $4, $5, false, $6::TIMESTAMP, false, $7, $8, $9, $6::TIMESTAMP + INTERVAL '1 hour', 1, $10)
ON CONFLICT (vendor, export_name, billing_period, version_id) DO UPDATE SET
    data_format_version = excluded.data_format_version,
    load_timestamp = excluded.load_timestamp,
    load_completed = false,
    error_message = NULL,
    source_uri = excluded.source_uri,
    tool_version = excluded.tool_version,
    claimed_by = excluded.claimed_by,
    claim_expires = excluded.claim_expires,
    file_paths = excluded.file_paths,
    attempt = coalesce(s.attempt, 0) + 1
