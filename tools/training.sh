# What guests do most, for the training runs of tools/build.ts: programs that start and end, files, pipes. Nothing of it is looked at;
# what a system has not got fails quickly.
exec >/dev/null 2>&1
export LC_ALL=C
dir=$(mktemp -d) && cd "$dir" || exit 1
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
	cp -r /usr/share/perl* /usr/include/linux tree || cp -r /etc tree
	find tree
	ls -lR tree
	tar cf tree.tar tree
	mkdir copy
	tar xf tree.tar -C copy
	grep -r main copy
	rm -rf tree tree.tar copy
	perl -e 'for (1 .. 20) { pipe(A, B); syswrite(B, "x"); sysread(A, $x, 1); close A; close B; } system("true");'
	round=$((round + 1))
done
