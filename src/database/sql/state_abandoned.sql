-- Versions of a month that were begun and not ended, and by whom; to be asked by who has the month's lock.
SELECT version_id, claimed_by FROM billing_state.load_state
WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND NOT load_completed AND error_message IS NULL
    AND claimed_by IS NOT NULL
ORDER BY version_id
