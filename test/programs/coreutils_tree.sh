# coreutils, findutils, grep, sed, awk, tar, gzip, xz over a tree of 10,000 files.
mkdir tree
for d in $(seq 0 99); do mkdir tree/d$d; done
for d in $(seq 0 99); do
  for f in $(seq 0 99); do echo "file $f of directory $d, value $((d * f % 97))" >tree/d$d/f$f.txt; done
done
find tree -type f | wc -l
find tree -name 'f1*.txt' | sort | md5sum
find tree -type f -size -2 -newer /etc/passwd | wc -l
find tree -type f -print0 | xargs -0 cat | sort | md5sum
find tree -name 'f7.txt' -exec cat {} + | sort | head -3
grep -rl 'value 42' tree | sort | md5sum
grep -rc 'value' tree | awk -F: '{ n += $2 } END { print n }'
grep -rhE 'value (1|2)$' tree | wc -l
sed -i 's/value/VALUE/' tree/d5/*.txt; cat tree/d5/*.txt | md5sum
awk '{ sum += $NF } END { print sum, NR }' tree/*/*.txt
awk -F'[ ,]' '{ count[$5]++ } END { for (k in count) n++; print n }' tree/*/*.txt
tar cf tree.tar --sort=name --mtime=@0 --owner=0 --group=0 tree; md5sum <tree.tar; tar tf tree.tar | wc -l
gzip -n -k tree.tar; gzip -dc tree.tar.gz | md5sum; xz -k -1 tree.tar; xz -dc tree.tar.xz | md5sum
mkdir untar; tar xf tree.tar.gz -C untar; diff -r tree untar/tree && echo same
tar xf tree.tar.xz -C untar && diff -rq tree untar/tree && echo same
cp -r tree copy; diff -rq tree copy && echo copied
cp -a tree archive; mv archive moved; ls moved | wc -l; rm -rf copy
ln tree/d0/f0.txt hard; stat -c %h hard; ln -s tree/d0 soft; ls soft | wc -l; readlink soft; realpath --relative-to=. soft/f1.txt
ls -lR tree | awk '{ print $1, $5 }' | sort | uniq -c | sort -n | tail -3
du -a tree | wc -l
chmod -R go-r tree/d1; stat -c %a tree/d1/f1.txt; touch -d @1000000000 tree/d1/f1.txt; stat -c %Y tree/d1/f1.txt
rm -r tree/d9; find tree -type f | wc -l
dd if=/dev/zero of=big bs=1M count=64 2>/dev/null; md5sum <big; truncate -s 1000 big; stat -c %s big
split -l 100 -d <(seq 1000) part; ls part* | wc -l; cat part* | md5sum
seq 100000 | sort -R | sort -n | md5sum; seq 100000 | shuf | sort -n --parallel=2 | tail -1
comm -12 <(seq 1 10 | sort) <(seq 5 15 | sort) | tr '\n' ' '; echo
join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n'); cut -d, -f2 <<<"a,b,c"; head -c 5 <<<1234567; echo; tail -c 4 <<<1234567
base64 <<<hello | base64 -d; od -An -tx1 <<<hi; expr 6 \* 7; factor 1234567890; nl <<<x; fold -w 3 <<<abcdefg; basename /a/b.c .c; dirname /a/b
mkdir -p a/b/c && rmdir -p a/b/c && ls -d a 2>/dev/null; echo "gone $?"
date -u -d @1700000000 +%FT%T; env -i A=1 env; [ "$(nice -n 5 nice)" -ge 5 ] && echo niced; id -u; printf '%s\n' *.tar*; test -e nothing; echo $?
rm -rf tree moved untar; ls | sort | tr '\n' ' '; echo
