-- Columns of the tables of an export's current months: vendor, export, schema, base of the tables' names.
SELECT c.table_name, min(s.billing_period) AS period, c.column_name, c.data_type
FROM billing_state.load_state s
JOIN duckdb_columns() c ON c.database_name = current_database() AND c.schema_name = $3
    AND c.table_name = coalesce(s.table_name, $4 || '_' || replace(s.billing_period, '-', '_'))
WHERE s.vendor = $1 AND s.export_name = $2 AND s.current_version
GROUP BY c.table_name, c.column_name, c.data_type, c.column_index
ORDER BY period, c.table_name, c.column_index
