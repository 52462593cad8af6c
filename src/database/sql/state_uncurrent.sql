-- The other versions of a period stop being the current one.
UPDATE billing_state.load_state SET current_version = false
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id <> $4 AND current_version
