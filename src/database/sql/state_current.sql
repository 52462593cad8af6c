-- The current version of each period of a vendor, of one export when $2 is given.
SELECT export_name, billing_period, version_id, data_format_version, row_count, file_count, table_name, source_uri,
    load_completed, total_cost, currency
FROM billing_state.load_state
WHERE vendor = $1 AND ($2 IS NULL OR export_name = $2) AND current_version
ORDER BY export_name, billing_period
