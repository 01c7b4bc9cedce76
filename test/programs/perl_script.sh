# perl: fork, pipes, signals, files, regular expressions.
cat >t.pl <<'END'
use strict; use warnings; use POSIX; use File::Find; use IO::Select; use Time::HiRes qw(sleep time); use List::Util qw(sum);
my %h; $h{$_ % 7} += $_ for 1 .. 100000; print join(",", map { "$_=$h{$_}" } sort keys %h), "\n";
pipe(my $r, my $w); my $pid = fork; if (!$pid) { close $r; print $w "child says hello\n"; exit 3 } close $w; print <$r>; waitpid($pid, 0); print $? >> 8, "\n";
my $out = `echo from backticks; exit 5`; print $out, $? >> 8, "\n";
open(my $p, "-|", "seq 5") or die; my @l = <$p>; close $p; print sum(@l), "\n";
open($p, "|-", "sort -r") or die; print $p "$_\n" for 1 .. 3; close $p;
local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; sleep 3; print "woke\n";
local $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0; }; my @kids = map { my $k = fork; exit 0 unless $k; $k } 1 .. 5; sleep 0.3; print scalar(@kids), "\n";
open(my $f, ">", "perl.out"); print $f "x" x 1000000; close $f; print -s "perl.out", "\n"; unlink "perl.out"; print -e "perl.out" ? "there" : "gone", "\n";
my $text = join " ", map { "word$_" } 1 .. 20000; my $n = () = $text =~ /word\d*7\b/g; print "$n\n";
print join(" ", sort { $a <=> $b } map { $_ * $_ % 1009 } 1 .. 20), "\n"; printf "%.10f %s\n", 4 * atan2(1, 1), strftime("%Y-%m-%d", gmtime 0);
eval { die { code => 42 } }; print $@->{code}, "\n"; kill 'TERM', $$ if 0; exec "sh", "-c", "echo exec; exit 9";
END
perl t.pl; echo "status $?"
perl -e 'kill "KILL", $$'; echo "status $?"
perl -MSocket -e 'socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!; syswrite $a, "hello"; sysread $b, my $x, 10; print "$x\n"'
