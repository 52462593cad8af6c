-- The attempt failed: its reason stays, the claim goes, data and current version are untouched.
UPDATE billing_state.load_state SET error_message = $5, claimed_by = NULL, claim_expires = NULL
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id = $4
