-- What state_start does, where tables have no keys: vendor, export, period, version, format, now, source, tool, claimant, files.
MERGE INTO billing_state.load_state AS s
USING (SELECT $1::VARCHAR AS vendor, $2::VARCHAR AS export_name, $3::VARCHAR AS billing_period, $4::VARCHAR AS version_id,
    $5::VARCHAR AS data_format_version, $6::TIMESTAMP AS load_timestamp, $7::VARCHAR AS source_uri,
    $8::VARCHAR AS tool_version, $9::VARCHAR AS claimed_by,
    $10::VARCHAR AS file_paths) AS n
ON s.vendor = n.vendor AND s.export_name = n.export_name AND s.billing_period = n.billing_period
    AND s.version_id = n.version_id
WHEN MATCHED THEN UPDATE SET
    data_format_version = n.data_format_version,
    load_timestamp = n.load_timestamp,
    load_completed = false,
    error_message = NULL,
    source_uri = n.source_uri,
    tool_version = n.tool_version,
    claimed_by = n.claimed_by,
    claim_expires = n.load_timestamp + INTERVAL '1 hour',
    file_paths = n.file_paths,
    attempt = coalesce(s.attempt, 0) + 1
WHEN NOT MATCHED THEN INSERT (vendor, export_name, billing_period, version_id, data_format_version,
    current_version, load_timestamp, load_completed, source_uri, tool_version, claimed_by, claim_expires, attempt,
    file_paths)
VALUES (n.vendor, n.export_name, n.billing_period, n.version_id, n.data_format_version, false, n.load_timestamp, false,
    n.source_uri, n.tool_version, n.claimed_by, n.load_timestamp + INTERVAL '1 hour', 1,
    n.file_paths)
