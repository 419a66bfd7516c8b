CREATE VIEW purges AS
SELECT notice.seq AS seq, jobid, time AS timestamp, stream
FROM purged JOIN notice ON notice.seq = purged.seq JOIN job ON job.key = purged.job
