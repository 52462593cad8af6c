-- Columns of the tables of an export's current months: vendor, export, schema, base of the tables' names.
SELECT c.relname, min(s.billing_period) AS period, a.attname, format_type(a.atttypid, a.atttypmod)
FROM billing_state.load_state s
JOIN pg_catalog.pg_class c ON c.relname = coalesce(s.table_name, $4 || '_' || replace(s.billing_period, '-', '_'))
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $3
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE s.vendor = $1 AND s.export_name = $2 AND s.current_version
GROUP BY c.relname, a.attname, a.atttypid, a.atttypmod, a.attnum
ORDER BY period, c.relname, a.attnum
