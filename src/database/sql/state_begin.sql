-- The row of a version that is begun for the first time; parameters as state_restart.sql has them.
INSERT INTO billing_state.load_state (vendor, export_name, billing_period, version_id, data_format_version,
    current_version, load_timestamp, load_completed, source_uri, tool_version, claimed_by, claim_expires, attempt, file_paths)
VALUES ($1, $2, $3, $4, $5, false, $6::TIMESTAMP, false, $7, $8, $9, $6::TIMESTAMP + INTERVAL '1 hour', 1, $10)
