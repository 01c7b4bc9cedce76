import { NAME_MAX } from "../wire/constants.ts";

/** Whether a name from a server may be shown: one component, not too long. */
export function isName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.length > NAME_MAX) return false;
  return !name.includes("/") && !name.includes("\0");
}
