-- Whether a version is loaded and current.
SELECT count(*) FROM billing_state.load_state
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id = $4 AND load_completed AND current_version
