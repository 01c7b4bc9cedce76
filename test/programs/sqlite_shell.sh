# The sqlite3 shell: transactions, WAL, recursive queries, two processes on one file.
sqlite3 t.db 'create table t(a integer primary key, b text, c real); with recursive n(x) as (select 1 union all select x+1 from n where x < 20000) insert into t select x, hex(x*7919), x/3.0 from n; create index i on t(b); select count(*), sum(a), round(avg(c), 3) from t; pragma integrity_check;'
sqlite3 t.db 'pragma journal_mode=wal; update t set c = c + 1 where a % 3 = 0; select count(*) from t where b like "%A%"; pragma wal_checkpoint(truncate);'
for i in 1 2 3 4; do sqlite3 -cmd '.timeout 20000' t.db "begin immediate; insert into t(b) values('p$i'); commit;" >/dev/null & done; wait; sqlite3 t.db "select count(*) from t where b like 'p%';"
sqlite3 t.db "delete from t where b like 'p%'"; sqlite3 t.db .dump | md5sum; sqlite3 t.db vacuum; sqlite3 :memory: 'select 6*7;'; sqlite3 t.db 'select nosuch;' 2>/dev/null; echo "status $?"; ls | tr '\n' ' '; echo
sqlite3 -json t.db "select a, b from t where a < 4;"
