-- How many of the five tables are as the last version made them: by a column that came last to each.
SELECT count(*) FROM information_schema.columns WHERE table_schema = 'billing_state'
    AND ((table_name = 'load_state' AND column_name = 'file_paths') OR (table_name = 'ledger' AND column_name = 'amortized')
    OR (table_name = 'column_names' AND column_name = 'column_name')
    OR (table_name = 'retention' AND column_name = 'keep_from')
    OR (table_name = 'schema_versions' AND column_name = 'created_at'))
