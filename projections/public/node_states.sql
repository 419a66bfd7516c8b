CREATE VIEW node_states AS
SELECT host, kind, t_from, t_to, since AS t_drained, reason, ended
FROM node_history
