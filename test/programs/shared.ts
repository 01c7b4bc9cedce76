/** Directories of the host that host and sandbox both change: each sees what the other does, at once. */
import type { Fault } from "./faults.ts";

/**
 * A sandbox with the host's directory `data` on /data runs `inside` (bash) while the host runs `outside`. Both say where they are and
 * wait for each other by files: `tell NAME` makes one, `await NAME` waits for it.
 */
function together(inside: string, outside: string): string {
  const common = (at: string): string =>
    `tell() { : >${at}/.$1; }\nawait() { for ((i = 0; i < 400; i++)); do [[ -e ${at}/.$1 ]] && return; sleep 0.05; done; echo "no $1"; exit 9; }`;
  return `mkdir data
cat >inside <<'SCRIPT'
${common("/data")}
${inside}
SCRIPT
"$tsvisor" do --platform=$platform --volume "$PWD/data:/data" -- bash inside >out 2>err </dev/null & sandbox=$!
${common("data")}
${outside}
wait $sandbox; status=$?`;
}

/** Prints the inotify events of its arguments, but for names with a dot in front, until "end" appears or a watch ends. */
const watcher = `
my %names = (2 => "MODIFY", 4 => "ATTRIB", 0x40 => "MOVED_FROM", 0x80 => "MOVED_TO", 0x100 => "CREATE", 0x200 => "DELETE",
  0x400 => "DELETE_SELF", 0x800 => "MOVE_SELF", 0x8000 => "IGNORED", 0x40000000 => "ISDIR");
$| = 1;
my $fd = syscall(294, 0);
my %paths;
for my $path (@ARGV) { my $p = "$path\\0"; $paths{syscall(254, $fd, $p, 0xfc6)} = $path }
open my $in, "<&=", $fd or die;
open my $ready, ">", "/data/.watching";
my (%cookies, $count, $buffer);
for (;;) {
  sysread $in, $buffer, 65536 or die;
  while (length $buffer) {
    my ($wd, $mask, $cookie, $length) = unpack "iIII", $buffer;
    my $name = substr $buffer, 16, $length;
    $name =~ s/\\0.*//s;
    $buffer = substr $buffer, 16 + $length;
    exit if $name eq "end" || $mask & 0x8000;
    next if $name =~ /^\\./;
    my $what = join " ", map { $names{$_} } grep { $mask & $_ } sort { $a <=> $b } keys %names;
    $cookies{$cookie} //= ++$count if $cookie;
    print "$paths{$wd}: $what", $name eq "" ? "" : " $name", $cookie ? " #$cookies{$cookie}" : "", "\\n";
  }
}`;

/** {@link together} with a watcher of `paths` in the sandbox, which has begun when `outside` starts. */
function watched(paths: string, outside: string, before = "", inside = ""): string {
  return together(
    `cat >/tmp/watch.pl <<'PERL'${watcher}\nPERL\nawait prepared\nperl /tmp/watch.pl ${paths} & watcher=$!\n${inside}\nwait $watcher`,
    `${before}\ntell prepared; await watching\n${outside}`,
  );
}

export const shared: readonly Fault[] = [
  {
    name: "changes on the host are seen inside",
    body: together(
      `await one; cat /data/file; stat -c %s /data/file; ls /data
ls /data/late 2>/dev/null || echo missing; tell asked
await two; cat /data/file; stat -c '%s %a' /data/file; ls /data/late /data; tell listed
await three; cat /data/file; ls /data/dir; [[ -e /data/late ]] || echo gone
exec 3</data/file; tell open
await four; cat <&3; cat /data/file
tell end; await five; readlink /data/link; ls /data/renamed`,
      `echo first >data/file; tell one; await asked
echo and more >>data/file; chmod 640 data/file; : >data/late; tell two; await listed
mkdir data/dir; : >data/dir/in; echo third >data/new; mv data/new data/file; rm data/late; tell three
await open; echo fourth >data/new; mv data/new data/file; tell four
await end; ln -s target data/link; mv data/dir data/renamed; tell five`,
    ),
    status: [0],
    stdout:
      "first\n6\nfile\nmissing\nfirst\nand more\n15 640\n/data/late\n\n/data:\nfile\nlate\nthird\nin\ngone\nthird\nfourth\ntarget\nin\n",
    stderr: null,
  },
  {
    name: "changes inside are seen on the host",
    body: together(
      `echo first >/data/file; tell one; await seen; echo more >>/data/file; mv /data/file /data/moved; mkdir /data/dir; ln /data/moved /data/dir/twin; tell two`,
      `{ await one; cat data/file; tell seen; await two; cat data/moved; ls data; stat -c %h data/dir/twin; } >host 2>&1`,
    ).replace(/$/, "; cat host >>out"),
    status: [0],
    stdout: "first\nfirst\nmore\ndir\nmoved\n2\n",
    stderr: null,
  },
  {
    name: "inotify inside hears of the host's changes",
    body: watched(
      "/data /data/dir",
      `: >data/new; echo x >>data/new; chmod 600 data/new; mv data/new data/moved; mkdir data/sub
mv data/moved data/dir/here; rm data/dir/here; rmdir data/sub; rmdir data/dir`,
      "mkdir data/dir",
    ),
    status: [0],
    stdout: [
      "/data: CREATE new",
      "/data: MODIFY new",
      "/data: ATTRIB new",
      "/data: MOVED_FROM new #1",
      "/data: MOVED_TO moved #1",
      "/data: CREATE ISDIR sub",
      "/data: MOVED_FROM moved #2",
      "/data/dir: MOVED_TO here #2",
      "/data/dir: DELETE here",
      "/data: DELETE ISDIR sub",
      "/data: DELETE ISDIR dir",
      "/data/dir: DELETE_SELF",
      "",
    ].join("\n"),
    stderr: null,
  },
  {
    name: "inotify on a file hears of the host's changes",
    body: watched(
      "/data/file",
      `echo more >>data/file; chmod 600 data/file; mv data/file data/moved; rm data/moved`,
      ": >data/file",
    ),
    status: [0],
    stdout:
      "/data/file: MODIFY\n/data/file: ATTRIB\n/data/file: MOVE_SELF\n/data/file: ATTRIB\n/data/file: DELETE_SELF\n",
    stderr: null,
  },
  {
    name: "inotify tells a guest's own changes once",
    body: watched(
      "/data",
      "tell go; await done; : >data/end",
      "",
      "await go; echo x >/data/own; chmod 600 /data/own; mv /data/own /data/mine; mkdir /data/dir; rmdir /data/dir; rm /data/mine; tell done",
    ),
    status: [0],
    stdout: [
      "/data: CREATE own",
      "/data: MODIFY own",
      "/data: ATTRIB own",
      "/data: MOVED_FROM own #1",
      "/data: MOVED_TO mine #1",
      "/data: CREATE ISDIR dir",
      "/data: DELETE ISDIR dir",
      "/data: DELETE mine",
      "",
    ].join("\n"),
    stderr: null,
  },
];
