# Pipelines, here-documents, subshells, background jobs, traps, process substitution.
echo one two three | tr ' ' '\n' | sort -r | head -2 | cat -n
set -o pipefail
false | true; echo "pipefail $?"
set +o pipefail
printf '%s\n' a b c | while read -r x; do echo "got $x"; done
cat <<END
here-document $((6 * 7)) $(echo sub)
END
cat <<-'END'
	no $expansion
	END
cat <<<"here-string"
(cd / && pwd; x=inner; exit 3); echo "subshell status $? x=${x:-unset}"
{ sleep 0.1; echo background; } & pid=$!
wait $pid; echo "waited $?"
for i in 1 2 3 4 5; do (exit $i) & pids[$i]=$!; done
for i in 1 2 3 4 5; do wait ${pids[$i]}; echo "job $i: $?"; done
trap 'echo usr1' USR1
kill -USR1 $$
trap 'echo term; trap - TERM' TERM
kill -TERM $$
(trap 'echo exit trap' EXIT; exit 7); echo "exit $?"
(kill -9 $BASHPID) 2>/dev/null; echo "killed $?"
(kill -SEGV $BASHPID) 2>/dev/null; echo "segv $?"
diff <(printf '1\n2\n3\n') <(printf '1\n2\n4\n'); echo "diff $?"
paste <(seq 3) <(seq 4 6) <(seq 7 9)
tee >(wc -c >count) <<<"12345678" >/dev/null; until [ -s count ]; do sleep 0.05; done; cat count
exec 3>out3; echo "to three" >&3; exec 3>&-; cat out3
exec 4<<<"from four"; read -r line <&4; echo "$line"; exec 4<&-
mkfifo fifo; (echo through fifo >fifo) & cat fifo; wait
coproc CP { while read -r l; do echo "co:$l"; done; }
echo ping >&${CP[1]}; read -r reply <&${CP[0]}; echo "$reply"
eval "exec ${CP[1]}>&-"; wait $CP_PID 2>/dev/null; echo "coproc done"
set -m; sleep 100 & kill %1; wait %1 2>/dev/null; echo "kill %1: $?"; set +m
timeout 0.2 sleep 5; echo "timeout $?"
timeout -s KILL 0.2 sleep 5; echo "timeout kill $?"
f() { local i=$1; [ "$i" -gt 0 ] && { echo -n "$i "; f $((i - 1)); }; }; f 10; echo
declare -A map=([a]=1 [b]=2); for k in a b; do echo "$k=${map[$k]}"; done
mapfile -t lines < <(seq 5); echo "${#lines[@]} ${lines[4]}"
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
read -t 0.1 -r never < <(sleep 1); echo "read timeout $((  $? > 128 ))"
nosuchcommand_x 2>/dev/null; echo "missing $?"
echo data >notexec; ./notexec 2>/dev/null; echo "not executable $?"
ulimit -n; umask
yes | head -100000 | wc -l
echo $(seq 1000 | wc -l) $(echo nested $(echo deep))
select_test() { echo 2 | { select x in a b; do echo "chose $x"; break; done; }; } 2>/dev/null; select_test
time_out=$( { time -p true; } 2>&1 | wc -l); echo "time lines $time_out"
exit 42
