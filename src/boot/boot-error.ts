/** A failure before the first program runs: one line for the user and the exit status (see oci/errors.ts). */
export class BootError extends Error {
  readonly status: number;
  constructor(message: string, status: number = 128) {
    super(message);
    this.name = "BootError";
    this.status = status;
  }
}
