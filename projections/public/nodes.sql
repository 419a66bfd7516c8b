CREATE VIEW nodes AS
SELECT host, rank, up, torpid, excluded, drained AS t_drained, reason, unknown
FROM node
WHERE rank IS NOT NULL
