-- Which column of the files became which of the table: version, hash of the schema, JSON, now.
INSERT INTO billing_state.schema_versions (version_id, schema_hash, column_mappings, created_at)
SELECT CAST($1 AS VARCHAR), CAST($2 AS VARCHAR), CAST($3 AS JSON), CAST($4 AS TIMESTAMP)
WHERE NOT EXISTS (SELECT 1 FROM billing_state.schema_versions WHERE version_id = CAST($1 AS VARCHAR)
    AND schema_hash = CAST($2 AS VARCHAR))
