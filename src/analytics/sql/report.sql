-- Follows "WITH lines …, chosen AS …": costs by currency and key, of the months asked for and of those before.
SELECT coalesce(currency, '') AS currency, key, sum(cost) FILTER (WHERE NOT before) AS cost, sum(cost) FILTER (WHERE before) AS previous,
    count(*) FILTER (WHERE NOT before) AS lines
FROM chosen
GROUP BY 1, 2
ORDER BY 1, 2 NULLS LAST
