# Package tools, keys, checksums, awk-heavy scripts, busybox.
dpkg -l | tail -n +6 | md5sum; dpkg -L bash | sort | md5sum; dpkg-query -W -f '${Package}\n' | wc -l
apt-cache policy bash 2>/dev/null | head -3
ssh-keygen -q -t ed25519 -N '' -f key -C test && ssh-keygen -y -f key | cut -d' ' -f1; ssh-keygen -q -t rsa -b 2048 -N '' -f rsa && stat -c '%a %n' rsa key
openssl rand -hex 8 | wc -c; echo hello | openssl dgst -sha256; openssl genrsa 2048 2>/dev/null | openssl rsa -check -noout 2>&1 | head -1; head -c 1000000 /dev/zero | openssl enc -aes-128-cbc -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000 | md5sum
awk 'BEGIN { for (i = 0; i < 300000; i++) { h[i % 1000] = h[i % 1000] + i; s = s substr("abcdef", i % 6 + 1, 1); if (length(s) > 100) s = "" } n = asorti_(h); print n, length(s) } function asorti_(a, k, c) { for (k in a) c += a[k]; return c }'
awk '{ n[$1 % 13]++ } END { for (i = 0; i < 13; i++) printf "%d ", n[i]; print "" }' <(seq 200000)
awk 'BEGIN { while (("seq 5" | getline x) > 0) s += x; print s; print "to sort" | "sort"; close("sort"); system("echo system") ; "date -u -d @0 +%s" | getline d; print d }'
busybox sh -c 'for i in 1 2 3; do echo $i; done | busybox tac; busybox uname -s; busybox seq 3 | busybox wc -l; busybox printf "%d\n" 5'
busybox find /etc -maxdepth 1 -name 'passwd*' | sort; busybox vi --help 2>&1 | head -0; file /bin/ls 2>/dev/null | cut -c1-20
bc <<<'scale=30; 4*a(1)' -l 2>/dev/null; dc -e '2 100 ^ p' 2>/dev/null; m4 <<<'define(x, 42)x' 2>/dev/null; script -qc 'echo in a pty; tty >/dev/null && echo tty' /dev/null | tr -d '\r'
ldd /bin/bash | awk '{ print $1 }' | sort; /lib64/ld-linux-x86-64.so.2 /bin/echo via ld.so; getconf PAGE_SIZE; locale 2>/dev/null | head -1; getent passwd root; hostname | wc -l; nproc | wc -l
cpio -o 2>/dev/null < <(echo key) | cpio -t 2>/dev/null; zip -q z.zip key && unzip -l z.zip | tail -1 | awk '{ print $2 }'; bzip2 -k rsa && bzip2 -dc rsa.bz2 | cmp - rsa && echo bz; zstd -q rsa 2>/dev/null && zstd -dc rsa.zst | cmp - rsa && echo zst
flock lock -c 'echo flocked'; setsid -w sh -c 'echo session'; nohup true 2>/dev/null; echo $?; (ulimit -c 0; ulimit -s 256; bash -c 'ulimit -s'); stdbuf -oL echo line; tty; mktemp -u XXXX | wc -c; sh -c 'kill -INT $$'; echo $?; env sh -c 'exec 2>&-; echo closed'; who | wc -l
