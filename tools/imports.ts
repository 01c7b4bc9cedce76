/** Finds the imports of a TypeScript source without a parser: a scanner that knows comments, strings and templates. */

/** One import or re-export. */
export interface ImportRef {
  /** The module specifier, or undefined when it is not a plain string (`import(name)`). */
  readonly specifier: string | undefined;
  /** Line number from 1. */
  readonly line: number;
}

interface Token {
  readonly kind: "word" | "string" | "punct" | "value";
  readonly text: string;
  readonly line: number;
}

/** Words after which a slash starts a regular expression. */
const beforeRegExp = new Set(["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do"]);

function isRegExpStart(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === "punct") return !")]}".includes(previous.text);
  return previous.kind === "word" && beforeRegExp.has(previous.text);
}

/** Cuts a source into words, strings, punctuation and other values; comments and white space are dropped. */
function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each template literal that is open around us: how many braces are open in its `${`. */
  const templates: number[] = [];
  let line = 1;
  let i = 0;

  /** Skips the text of a template up to its end or its next `${`. */
  const skipTemplate = (): void => {
    while (i < source.length) {
      const c = source[i]!;
      if (c === "\n") line++;
      if (c === "\\") i++;
      else if (c === "`") {
        i++;
        return;
      } else if (c === "$" && source[i + 1] === "{") {
        i += 2;
        templates.push(0);
        return;
      }
      i++;
    }
  };

  while (i < source.length) {
    const c = source[i]!;
    const start = i;
    const startLine = line;
    if (c === "\n") {
      line++;
      i++;
    } else if (c <= " ") {
      i++;
    } else if (source.startsWith("//", i)) {
      const end = source.indexOf("\n", i);
      i = end < 0 ? source.length : end;
    } else if (source.startsWith("/*", i)) {
      const end = source.indexOf("*/", i + 2);
      const stop = end < 0 ? source.length : end + 2;
      for (; i < stop; i++) if (source[i] === "\n") line++;
    } else if (c === '"' || c === "'") {
      i++;
      while (i < source.length && source[i] !== c && source[i] !== "\n") i += source[i] === "\\" ? 2 : 1;
      tokens.push({ kind: "string", text: source.slice(start + 1, i), line: startLine });
      i++;
    } else if (c === "`") {
      i++;
      skipTemplate();
      tokens.push({ kind: "value", text: "`", line: startLine });
    } else if (/[\w$]/.test(c)) {
      while (i < source.length && /[\w$]/.test(source[i]!)) i++;
      tokens.push({ kind: "word", text: source.slice(start, i), line: startLine });
    } else if (c === "/" && isRegExpStart(tokens.at(-1))) {
      i++;
      let isInClass = false;
      while (i < source.length && source[i] !== "\n" && (isInClass || source[i] !== "/")) {
        if (source[i] === "\\") i++;
        else if (source[i] === "[") isInClass = true;
        else if (source[i] === "]") isInClass = false;
        i++;
      }
      i++;
      tokens.push({ kind: "value", text: "/", line: startLine });
    } else {
      i++;
      const depth = templates.length - 1;
      if (c === "{" && depth >= 0) templates[depth]!++;
      if (c === "}" && depth >= 0) {
        if (templates[depth] === 0) {
          templates.pop();
          skipTemplate();
          tokens.push({ kind: "value", text: "`", line: startLine });
          continue;
        }
        templates[depth]!--;
      }
      tokens.push({ kind: "punct", text: c, line: startLine });
    }
  }
  return tokens;
}

/** Every import, type-only import, re-export, dynamic import and `import()` type of a source, in order. */
export function findImports(source: string): ImportRef[] {
  const refs: ImportRef[] = [];
  const tokens = tokenize(source);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind !== "word" || (token.text !== "import" && token.text !== "export")) continue;
    const previous = tokens[i - 1];
    // A property or a key of that name.
    if (previous?.kind === "punct" && previous.text === ".") continue;
    const next = tokens[i + 1];
    if (next === undefined || (next.kind === "punct" && (next.text === "." || next.text === ":"))) continue;
    if (token.text === "import" && next.kind === "string") {
      refs.push({ specifier: next.text, line: token.line });
    } else if (token.text === "import" && next.kind === "punct" && next.text === "(") {
      const argument = tokens[i + 2];
      refs.push({ specifier: argument?.kind === "string" ? argument.text : undefined, line: token.line });
    } else if (token.text === "import" || isExportList(tokens, i + 1)) {
      // `from` right before a string ends the clause; nothing else can stand between.
      for (let j = i + 1; j < tokens.length; j++) {
        const word = tokens[j]!;
        if (word.kind === "punct" && (word.text === ";" || word.text === "=")) break;
        const following = tokens[j + 1];
        if (word.kind === "word" && word.text === "from" && following?.kind === "string") {
          refs.push({ specifier: following.text, line: token.line });
          break;
        }
        if (word.kind === "punct" && word.text === "}" && !(following?.kind === "word" && following.text === "from"))
          break;
      }
    }
  }
  return refs;
}

/** Whether the words after `export` are a list or a star: `{`, `*`, `type {`, `type *`. */
function isExportList(tokens: readonly Token[], at: number): boolean {
  const start = tokens[at]?.text === "type" ? at + 1 : at;
  const token = tokens[start];
  return token?.kind === "punct" && (token.text === "{" || token.text === "*");
}
