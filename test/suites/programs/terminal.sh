# bash, dash, vim, less and top on terminals of tmux: keys go in, the screen is what is compared.
# timeout: 60
export TMUX_TMPDIR=$PWD HOME=$PWD TERM=xterm PS1='$ ' HISTFILE= ENV=
unset TMUX
t() { tmux -L suite -f /dev/null "$@"; }
screen() { t capture-pane -p -t "$1" | sed 's/ *$//' | sed '/^$/d'; }
# Waits until the screen of $1 matches $2.
see() { for i in $(seq 150); do screen "$1" | grep -q -- "$2" && return; sleep 0.1; done; echo "never saw $2 on $1:"; screen "$1"; }
keys() { local at=$1; shift; t send-keys -t "$at" "$@"; }

t new-session -d -s main -x 80 -y 24 'bash --norc --noprofile' || exit 98
see main '[$#]'
keys main 'stty size; tty | cut -c1-9' Enter; see main /dev/pts/
keys main 'sleep 100' Enter; sleep 0.5; keys main C-z; see main Stopped
keys main 'bg; jobs' Enter; see main Running
keys main 'kill %1; wait; echo waited' Enter; see main '^waited'
keys main 'cat' Enter; sleep 0.5; keys main 'typed' BSpace BSpace 'ist' Enter 'gone' C-u 'line' Enter; see main '^line'; see main '^typist'; keys main C-c; sleep 0.3
keys main 'echo status $?' Enter; see main '^status 130'
keys main 'trap "echo resized" WINCH; clear' Enter; sleep 0.5
t resize-window -t main -x 100 -y 30; see main resized
keys main 'clear; stty size' Enter; see main '30 100'
keys main 'sleep 0.3; echo hi"s"tory' Enter; see main '^history'; keys main 'clear' Enter; sleep 0.3
keys main Up Up Enter; see main '^history'
keys main C-r 'stty' Enter; see main '30 100'
keys main 'ls /usr/bin/env_' BSpace Tab Enter; see main '^/usr/bin/env$'
keys main 'echo held' C-s Enter; sleep 0.3; screen main | grep -c '^held'; keys main C-q; see main '^held'
echo "== dash"
t new-window -t main -n dash dash; see main:dash '[$#]'
keys main:dash 'set -m; sleep 50 & jobs; kill %1; sleep 0.3; echo done' Enter; see main:dash '^done'
keys main:dash 'exit' Enter; sleep 0.5; t list-windows -t main -F '#{window_name}'
echo "== vim"
t new-window -t main -n vim 'vim -u NONE -N -n text'; see main:vim '^~'
keys main:vim i 'first line' Enter 'second line' Escape; keys main:vim yyp 'ggO' 'zeroth' Escape ':%s/line/LINE/g' Enter; see main:vim 'first LINE'
screen main:vim | head -5
keys main:vim ':w' Enter; see main:vim written; keys main:vim ':q' Enter; cat text
t new-window -t main -n stop 'bash --norc --noprofile'; see main:stop '[$#]'
keys main:stop 'vim -u NONE -N text' Enter; see main:stop '^~'; keys main:stop C-z; see main:stop Stopped
keys main:stop 'fg' Enter; see main:stop '^~'; keys main:stop ':q' Enter; sleep 0.3
keys main:stop 'echo vim""ended' Enter; see main:stop vimended; keys main:stop C-d
echo "== less"
seq 1 500 >numbers
t new-window -t main -n less 'less numbers'; see main:less '^1$'
keys main:less Space; see main:less '^40$'; keys main:less '/33[0-9]' Enter; see main:less '^330$'; keys main:less G; see main:less '^500$'; screen main:less | tail -3
keys main:less q
echo "== top"
t new-window -t main -n top top; see main:top 'PID USER'; screen main:top | grep -o 'PID USER.*TIME+ COMMAND'
keys main:top 'M'; sleep 0.5; keys main:top q; sleep 0.5
echo "== panes"
t split-window -t main:0 'echo in a pane; sleep 100'; sleep 0.5; t list-panes -t main:0 -F '#{pane_width}x#{pane_height}'
t kill-server; sleep 0.3
pgrep -x sleep -s 0 | wc -l
