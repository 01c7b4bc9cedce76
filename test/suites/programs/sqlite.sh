# A database with transactions, two writers, WAL and an integrity check.
sqlite3 -version | cut -d' ' -f1
sqlite3 a.db <<'SQL'
PRAGMA journal_mode=WAL;
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INT);
WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x<20000) INSERT INTO t SELECT x, 'name' || x, x % 97 FROM c;
CREATE INDEX by_n ON t(n);
SELECT count(*), sum(n) FROM t;
SELECT n, count(*) FROM t GROUP BY n ORDER BY n LIMIT 5;
PRAGMA wal_checkpoint(TRUNCATE);
SQL
for writer in 1 2; do
  (for i in $(seq 40); do
    sqlite3 -cmd '.timeout 20000' a.db "BEGIN IMMEDIATE; UPDATE t SET n = n + 1 WHERE id = $writer; COMMIT;" || echo "writer $writer failed"
  done) &
done
wait
sqlite3 a.db 'SELECT id, n FROM t WHERE id < 3; PRAGMA integrity_check; PRAGMA journal_mode=DELETE; VACUUM;'
sqlite3 a.db .dump | sqlite3 b.db && sqlite3 b.db 'SELECT count(*), sum(n) FROM t'
ls
