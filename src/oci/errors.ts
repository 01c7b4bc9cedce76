/**
 * Errors of the command line: one clear line for the user and a documented exit status.
 */

/** tsvisor itself could not do what was asked (bad bundle, no permission, no platform). */
export const EXIT_FAILURE = 128;
/** The command line is wrong: an unknown flag or command, a missing argument. */
export const EXIT_USAGE = 2;
/** The command was found but cannot be executed. */
export const EXIT_NOT_EXECUTABLE = 126;
/** The command was not found. */
export const EXIT_NOT_FOUND = 127;

/** Thrown by commands; main prints `tsvisor: MESSAGE` and exits with `status`. */
export class CliError extends Error {
  readonly status: number;
  constructor(message: string, status: number = EXIT_FAILURE) {
    super(message);
    this.name = "CliError";
    this.status = status;
  }
}
