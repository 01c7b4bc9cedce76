/**
 * How somebody outside asks a sandbox what it is doing: a signal to the Sentry's process, which writes its report to the memory file that
 * its configuration came in. The asker opens that through /proc/PID/fd, which takes root on the host.
 *
 * The file holds "report N\n", the text, and "end N\n"; N counts up with each report, so that a reader knows when the one it asked for is
 * whole.
 */

/** SIGUSR2. */
export const REPORT_SIGNAL = 12;
/** The Sentry's descriptor of the file. */
export const REPORT_FD = 65;
/** Longest report, bytes. */
export const REPORT_MAX: number = 1 << 20;

/** The file's contents. */
export function encodeReport(number: number, lines: readonly string[]): Uint8Array {
  let text = lines.join("\n");
  if (text.length > REPORT_MAX - 100) text = `${text.slice(0, REPORT_MAX - 100)}\n...`;
  return Buffer.from(`report ${number}\n${text}\nend ${number}\n`, "latin1");
}

/** A report that is whole; undefined: there is none (yet). The Sentry wrote it, who is not to be trusted with a terminal. */
export function decodeReport(bytes: Uint8Array): { readonly number: number; readonly text: string } | undefined {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const head = /^report (\d{1,9})\n/.exec(all);
  if (head === null || !all.endsWith(`\nend ${head[1]!}\n`)) return undefined;
  const body = all.slice(head[0].length, all.length - head[1]!.length - "\nend \n".length);
  return { number: Number(head[1]), text: printable(body) };
}

/** Text without anything that a terminal would act on. */
export function printable(text: string): string {
  return text.replace(/[^\n\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
