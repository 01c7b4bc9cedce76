/**
 * Programs on a real terminal, driven through tmux: an interactive shell with line editing, Ctrl-C, Ctrl-Z and job control,
 * the window's size and its changes, the exit status, and the outer terminal as it was before; and programs that take the
 * whole screen, an inner tmux among them.
 */
import { existsSync } from "node:fs";
import type { Fault } from "./faults.ts";

// Prompts and echoes show the commands too, so each expected text is written differently in the command that prints it.
const helpers = `
export TMUX_TMPDIR=$PWD LC_ALL=C.UTF-8
t() { tmux -L tsvisor -f /dev/null "$@"; }
shows() { for i in $(seq 200); do t capture-pane -p | grep -q -- "$1" && return 0; sleep 0.05; done; echo "never shown: $1"; t capture-pane -p; return 1; }
type_line() { t send-keys "$1" Enter; }
ended() { for i in $(seq 200); do [ "$(t display-message -p '#{pane_current_command}')" = bash ] && return 0; sleep 0.05; done; return 1; }
start() {
  t new-session -d -x 80 -y 24 'stty -g >before; exec bash --norc --noprofile' || return
  shows 'bash-' || return
  type_line "'$tsvisor' do --platform=$platform -- env PS1='in% ' bash --norc --noprofile" && shows '^in%'
}
finish() {
  exchange >>out 2>>err; status=$?
  t kill-server; wait
  for i in $(seq 100); do [ -S tmux-0/tsvisor ] || break; sleep 0.05; done
  rm -rf tmux-* before after
}`;

const session = `${helpers}
exchange() {
  start || return
  type_line 'tty; echo a""b' && shows '^/dev/pts/0' && shows '^ab' || return
  t send-keys 'echo wXY' BSpace BSpace 'ord""s' Enter && shows '^words' || return
  type_line 'stty size' && shows '^24 80' || return
  type_line 'sleep 1000' && sleep 0.5 && t send-keys C-c && type_line 'echo code""=$?' && shows '^code=130' || return
  type_line 'sleep 1001' && sleep 0.5 && t send-keys C-z && shows 'Stopped' || return
  type_line 'kill %1; wait; echo go""ne' && shows '^gone' || return
  type_line 'cat' && sleep 0.5 && t send-keys 'echoed by cat' Enter C-d && type_line 'echo e""of' && shows '^eof' || return
  t resize-window -x 100 -y 30 && sleep 0.3 && type_line 'stty size' && shows '^30 100' || return
  type_line 'exit 7' && ended || return
  type_line 'echo status""=$?; stty -g >after; cmp before after && echo sa""me' || return
  shows '^status=7' && shows '^same'
}
finish`;

const wholeScreen = `${helpers}
exchange() {
  start || return
  type_line 'unset TMUX; vi -u NONE -N text' && shows '^~' || return
  t send-keys i 'one line' Enter 'another' Escape && shows '^another' && t send-keys C-z && shows Stopped || return
  type_line 'clear; fg' && shows '^another' && type_line ':wq' && sleep 0.5 && type_line 'clear; cat text' && shows '^one line' || return
  type_line 'clear; seq 500 | less' && shows '^:' && t send-keys G && shows '^500' && t send-keys '?^330' Enter && shows '^330' || return
  t send-keys q && sleep 0.5 && type_line 'clear; top' && shows 'PID USER' && t send-keys q && sleep 0.5 && type_line 'clear; echo af""ter' && shows '^after' || return
  type_line 'tmux -L inner -f /dev/null new-session "echo in""ner; stty size; sleep 1000"' && shows '^inner' && shows '^23 80' || return
  t resize-window -x 100 -y 30 && sleep 0.5 && t send-keys C-c && shows 'exited' || return
  sleep 0.5; type_line 'clear; exit 7' && ended && type_line 'echo status""=$?; stty -g >after; cmp before after && echo sa""me' || return
  shows '^status=7' && shows '^same'
}
finish`;

const whole = ["tmux", "vi", "less", "top"].every((name) => existsSync(`/usr/bin/${name}`));

/** Only what the machine has programs for. */
export const terminalCases: readonly Fault[] = [
  ...(existsSync("/usr/bin/tmux")
    ? [{ name: "an interactive shell", body: session, status: [0], stderr: null, timeout: 60 }]
    : []),
  ...(whole ? [{ name: "the whole screen", body: wholeScreen, status: [0], stderr: null, timeout: 60 }] : []),
];
