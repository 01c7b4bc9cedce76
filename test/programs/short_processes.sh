# 2,000 short processes in a loop.
n=0; for i in $(seq 2000); do /bin/true && n=$((n + 1)); done; echo $n
n=0; for i in $(seq 300); do x=$(echo $i); n=$((n + x)); done; echo $n
seq 200 | xargs -n 1 -P 4 /bin/echo | sort -n | md5sum
