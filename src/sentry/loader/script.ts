/** The first line of a script: execve(2) "Interpreter scripts", binfmt_script of Linux. */
import { ENOEXEC } from "../../abi/errno.ts";

/** Bytes of a file that are looked at (BINPRM_BUF_SIZE). */
export const HEAD_SIZE = 256;

/** `#!INTERPRETER [ARGUMENT]`. */
export interface ScriptLine {
  readonly interpreter: string;
  /** All of the rest of the line, or null. */
  readonly argument: string | null;
}

/** Whether the file is a script. */
export function isScript(head: Uint8Array): boolean {
  return head[0] === 0x23 && head[1] === 0x21;
}

/**
 * Parses the first line in `head` (HEAD_SIZE bytes, zero-filled behind the end of the file). -ENOEXEC: no interpreter,
 * or one that may have been cut off.
 */
export function parseScript(head: Uint8Array): ScriptLine | number {
  let text = "";
  for (let i = 2; i < HEAD_SIZE; i++) text += String.fromCharCode(head[i]!);
  // The search for the end of the line stops at a NUL, as Linux's does.
  const nul = text.indexOf("\0");
  let eol = text.indexOf("\n");
  if (nul >= 0 && eol > nul) eol = -1;
  let line = text;
  if (eol >= 0) line = text.slice(0, eol);
  else {
    // No end of line: the last byte is taken for the end, and the interpreter's path must be seen to end before it.
    line = text.slice(0, HEAD_SIZE - 3);
    if (!/^[ \t]*[^ \t]+?[ \t\0]/.test(text) && !/^[ \t]*\0/.test(text)) return -ENOEXEC;
  }
  line = line.replace(/[ \t]+$/, "").replace(/^[ \t]+/, "");
  const end = line.search(/[ \t\0]/);
  const interpreter = end < 0 ? line : line.slice(0, end);
  if (line === "") return -ENOEXEC;
  let argument: string | null = null;
  if (end >= 0 && line[end] !== "\0") argument = cString(line.slice(end).replace(/^[ \t]+/, ""));
  return { interpreter, argument };
}

/** Up to the first NUL. */
function cString(s: string): string {
  const i = s.indexOf("\0");
  return i < 0 ? s : s.slice(0, i);
}
