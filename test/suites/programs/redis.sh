# Redis over a unix socket: commands, persistence by a forked child, and redis-benchmark.
# timeout: 90
redis-server --port 0 --unixsocket "$PWD/s" --dir "$PWD" --save '' --appendonly no --daemonize no >server.log 2>&1 &
server=$!
for i in $(seq 100); do redis-cli -s s ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
cli() { redis-cli -s s "$@"; }
cli set a 1; cli incrby a 41; cli get a
cli rpush l a b c d; cli lrange l 0 -1
cli hset h x 1 y 2; cli hgetall h | sort
cli expire a 100; cli eval 'return redis.call("get", KEYS[1])' 1 a
seq 2000 | sed 's/.*/set key:& value:&/' | redis-cli -s s --pipe | tail -1
cli dbsize
cli bgsave; for i in $(seq 100); do [ "$(cli info persistence | grep -c rdb_bgsave_in_progress:0)" = 1 ] && break; sleep 0.1; done
cli info persistence | grep rdb_last_bgsave_status | tr -d '\r'
cli multi >/dev/null
for test in ping set get lpush; do
  redis-benchmark -s s -q -n 2000 -c 20 -t $test | tr '\r' '\n' | grep -o '^[A-Z_]*: [0-9.]* requests per second' | sed 's/[0-9.]* requests/N requests/' | sort -u
done
cli shutdown save
wait $server; echo "status $?"
ls | grep -v server.log
redis-check-rdb dump.rdb | grep -o 'RDB looks OK'
