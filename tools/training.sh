# What guests do most, for the training runs of tools/build.ts: programs that start and end, files, pipes. Nothing of it is looked at;
# what a system has not got fails quickly. Standard output is a pipe of the host. /training/bin and /training/data are directories of
# the host, the first one read-only.
exec 3>&1 >/dev/null 2>&1
export LC_ALL=C

# Runs COMMAND... N times.
repeat() {
	n=$1
	shift
	while [ "$n" -gt 0 ]; do
		"$@"
		n=$((n - 1))
	done
}
subshell() { (:); }
pipeline() { echo "$n" | cat | wc -c; }

processes() {
	repeat 100 /bin/true
	repeat 100 /training/bin/true
	repeat 100 subshell
	repeat 60 pipeline
	bash -c 'for i in {1..60}; do (:); /bin/true; done; trap : USR1; kill -USR1 $$'
	perl -e 'for (1 .. 40) { system("/bin/true"); `:`; wait if fork or exit; }'
}

# Two processes that wait for each other: pipes, then a pair of sockets.
exchange() {
	perl -e '
		use Socket;
		for my $kind (0, 1) {
			if ($kind) { socketpair(A, D, AF_UNIX, SOCK_STREAM, PF_UNSPEC); open(C, "<&", \*A); open(B, "<&", \*D); }
			else { pipe(C, D); pipe(B, A); }
			if (fork) { for (1 .. 1500) { syswrite(A, "x"); sysread(C, $x, 1); } close A; close C; wait; }
			else { for (1 .. 1500) { sysread(B, $x, 1); syswrite(D, "x"); } exit; }
		}
		for (1 .. 20) { pipe(A, B); syswrite(B, "x"); sysread(A, $x, 1); close A; close B; }'
}

# In the directory $1.
files() {
	cd "$1" || return
	cp -a /usr/include/linux tree || cp -r /etc tree
	find tree
	ls -lR tree
	tar cf tree.tar tree
	mkdir copy
	tar xf tree.tar -C copy
	grep -r main copy
	# Small files that come and go, at more speed than commands have.
	perl -e 'for (1 .. 20) {
		mkdir "dir";
		for (1 .. 300) {
			open F, ">dir/$_"; syswrite F, "text"; close F;
			utime 1, 1, "dir/$_"; chmod 0600, "dir/$_";
			rename "dir/$_", "dir/_$_"; stat "dir/_$_"; stat "dir/$_";
			open F, "dir/_$_"; sysread F, $x, 10; close F;
		}
		opendir D, "dir"; @names = readdir D; closedir D;
		unlink "dir/$_" for @names;
		rmdir "dir";
	}'
	git init -q repository && (
		cd repository || exit
		for i in 1 2 3; do
			echo $i >file
			git add file
			git -c user.name=a -c user.email=a@b commit -qm $i
			git status
		done
	)
	rm -rf tree tree.tar copy repository
}

# What larger programs do: threads, signals, mappings, shared libraries, many kinds of calls.
programs() {
	cd "$1" || return
	sleep 10 &
	sleep 0.01
	kill $!
	wait
	timeout 0.02 sleep 1
	seq 500 | sort -n | sed s/1/2/ | awk '{ n += $1 } END { print n }' | tee sum
	ln sum hard
	ln -s sum soft
	cat soft
	mkfifo fifo
	cat fifo &
	echo x >fifo
	wait
	dd if=/dev/zero of=big bs=1M count=8
	dd if=big of=copy bs=4k
	truncate -s 100 big
	ps ax
	cat /proc/self/status /proc/self/maps /proc/cpuinfo /proc/mounts
	perl -e '$SIG{USR1} = sub { $n++ }; kill "USR1", $$ for 1 .. 100; select undef, undef, undef, 0.001; $x = "y" x 4000000;'
	python3 -c '
import json, subprocess, threading, mmap, os, tempfile
threads = [threading.Thread(target=lambda: [os.umask(18) for i in range(300)]) for i in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
subprocess.run(["true"])
m = mmap.mmap(-1, 1 << 20)
m[5] = 1
m.close()
f = tempfile.TemporaryFile()
f.write(b"x" * 100000)
f.flush()
os.pread(f.fileno(), 10, 5)
f.truncate(7)'
	echo 'int main(void) { return 0; }' >a.c && cc a.c && ./a.out
	sqlite3 db 'create table t (a); insert into t values (1); select * from t; insert into t select a + 1 from t;'
	rm -f sum hard soft fifo big copy a.c a.out db
}

# In a directory of the overlay, on tmpfs, and in one of the host.
everything() {
	processes
	exchange
	find /usr/lib /usr/share
	programs "$dir"
	files "$dir"
	programs /dev/shm
	files /dev/shm
	repeat 2 files /training/data
}

dir=$(mktemp -d) || exit 1
everything
everything >&3
