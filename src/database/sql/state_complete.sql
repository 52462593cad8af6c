-- One version becomes complete and current, with what was published.
UPDATE billing_state.load_state SET
    current_version = true,
    load_completed = true,
    error_message = NULL,
    completed_timestamp = $5::TIMESTAMP,
    row_count = $6::BIGINT,
    file_count = $7::INTEGER,
    bytes_read = $8::BIGINT,
    total_cost = $9::DECIMAL(38,18),
    currency = $10,
    table_name = $11,
    schema_hash = $12,
    payer_account_id = $13,
    claimed_by = NULL,
    claim_expires = NULL
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id = $4
