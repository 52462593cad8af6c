-- The tables finops keeps beside the bills. load_state's first eleven columns are those of databases made by the earlier tool;
-- an old table gains the others, so every statement here can run again. New tables have them from the start: a lake keeps its
-- small changes in the catalog, which goes wrong with tables that were altered (DuckLake 1.5.5).
CREATE TABLE IF NOT EXISTS billing_state.load_state (
    vendor VARCHAR NOT NULL,
    export_name VARCHAR NOT NULL,
    billing_period VARCHAR NOT NULL,
    version_id VARCHAR NOT NULL,
    data_format_version VARCHAR NOT NULL,
    current_version BOOLEAN DEFAULT false,
    load_timestamp TIMESTAMP NOT NULL,
    load_completed BOOLEAN NOT NULL DEFAULT false,
    row_count BIGINT,
    file_count INTEGER,
    error_message VARCHAR,
    completed_timestamp TIMESTAMP,
    bytes_read BIGINT,
    total_cost DECIMAL(38,18),
    currency VARCHAR,
    source_uri VARCHAR,
    table_name VARCHAR,
    schema_hash VARCHAR,
    tool_version VARCHAR,
    claimed_by VARCHAR,
    claim_expires TIMESTAMP,
    attempt INTEGER,
    payer_account_id VARCHAR,
    file_paths VARCHAR,
    PRIMARY KEY (vendor, export_name, billing_period, version_id)
);
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS completed_timestamp TIMESTAMP;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS bytes_read BIGINT;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS total_cost DECIMAL(38,18);
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS currency VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS source_uri VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS table_name VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS schema_hash VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS tool_version VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS claimed_by VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS claim_expires TIMESTAMP;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS attempt INTEGER;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS payer_account_id VARCHAR;
ALTER TABLE billing_state.load_state ADD COLUMN IF NOT EXISTS file_paths VARCHAR;
CREATE TABLE IF NOT EXISTS billing_state.ledger (
    vendor VARCHAR NOT NULL,
    export_name VARCHAR NOT NULL,
    billing_period VARCHAR NOT NULL,
    version_id VARCHAR NOT NULL,
    account_id VARCHAR,
    service VARCHAR,
    line_item_type VARCHAR,
    currency VARCHAR,
    row_count BIGINT NOT NULL,
    unblended DECIMAL(38,18),
    net DECIMAL(38,18),
    amortized DECIMAL(38,18)
);
CREATE TABLE IF NOT EXISTS billing_state.column_names (
    vendor VARCHAR NOT NULL,
    export_name VARCHAR NOT NULL,
    header VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    PRIMARY KEY (vendor, export_name, header)
);
CREATE TABLE IF NOT EXISTS billing_state.retention (
    vendor VARCHAR NOT NULL,
    export_name VARCHAR NOT NULL,
    keep_from VARCHAR NOT NULL,
    PRIMARY KEY (vendor, export_name)
);
CREATE TABLE IF NOT EXISTS billing_state.schema_versions (
    version_id VARCHAR NOT NULL,
    schema_hash VARCHAR NOT NULL,
    column_mappings JSON,
    created_at TIMESTAMP NOT NULL
);
