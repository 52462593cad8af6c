-- How many of the four tables are as the last version made them: by a column that came last to each.
SELECT count(*) FROM information_schema.columns WHERE table_schema = 'billing_state'
    AND ((table_name = 'load_state' AND column_name = 'attempt') OR (table_name = 'ledger' AND column_name = 'amortized')
    OR (table_name = 'column_names' AND column_name = 'column_name')
    OR (table_name = 'retention' AND column_name = 'keep_from'))
