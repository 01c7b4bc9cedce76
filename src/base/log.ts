/** Logging: levels and a sink that boot injects. Formatting costs nothing when the level is off: ask `enabled` first on hot paths. */

export const LOG_ERROR = 0;
export const LOG_WARN = 1;
export const LOG_INFO = 2;
export const LOG_DEBUG = 3;

/** Where lines go: level, text without newline. */
export type LogSink = (level: number, text: string) => void;

const letters = "EWID";

/** See the header. */
export class Logger {
  level: number = LOG_WARN;
  sink: LogSink;

  constructor(sink: LogSink, level: number = LOG_WARN) {
    this.sink = sink;
    this.level = level;
  }

  enabled(level: number): boolean {
    return level <= this.level;
  }

  error(text: string): void {
    this.sink(LOG_ERROR, text);
  }

  warn(text: string): void {
    if (this.level >= LOG_WARN) this.sink(LOG_WARN, text);
  }

  info(text: string): void {
    if (this.level >= LOG_INFO) this.sink(LOG_INFO, text);
  }

  debug(text: string): void {
    if (this.level >= LOG_DEBUG) this.sink(LOG_DEBUG, text);
  }
}

/** A logger that drops everything (tests). */
export function nullLogger(): Logger {
  return new Logger(() => {}, -1);
}

/** The letter of a level, for line prefixes. */
export function levelLetter(level: number): string {
  return letters[level] ?? "?";
}
