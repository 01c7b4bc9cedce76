# What guests do most, for the training runs of tools/build.ts: programs that start and end, files, pipes. Nothing of it is looked at;
# what a system has not got fails quickly. Argument: a directory of the host.
exec >/dev/null 2>&1
export LC_ALL=C
dir=$(mktemp -d) && cd "$dir" || exit 1
# Copies of files where we are.
trees() {
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
	rm -rf tree tree.tar copy
}
round=0
while [ $round -lt 3 ]; do
	i=0
	while [ $i -lt 150 ]; do
		/bin/true
		i=$((i + 1))
	done
	i=0
	while [ $i -lt 100 ]; do
		(:)
		i=$((i + 1))
	done
	i=0
	while [ $i -lt 60 ]; do
		echo $i | cat | wc -c
		i=$((i + 1))
	done
	find /usr/lib /usr/share
	trees
	(cd "$1" && trees && trees)
	perl -e 'for (1 .. 20) { pipe(A, B); syswrite(B, "x"); sysread(A, $x, 1); close A; close B; } system("true");'
	round=$((round + 1))
done
