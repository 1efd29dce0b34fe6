// JSON as text: every number keeps its own spelling, which JSON.parse would change (1.0, 20 digits).

const MOST_CHARACTERS = 200_000;
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The members of an object, by name, each as the text that it is. */
function members(text) {
  const found = {};
  let depth = 0;
  let name = null;
  let start = 0;
  for (const match of text.matchAll(TOKENS)) {
    const token = match[0];
    if (depth === 1 && (token === "," || token === "}")) {
      if (name !== null) found[name] = text.slice(start, match.index);
      name = null;
    } else if (depth === 1 && name === null && token[0] === '"') {
      name = JSON.parse(token);
    } else if (depth === 1 && token === ":") {
      start = match.index + 1;
    }
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
  }
  return found;
}

/** The elements of an array, each as the text that it is. */
function elements(text) {
  const found = [];
  let depth = 0;
  let start = 1;
  for (const match of text.matchAll(TOKENS)) {
    const token = match[0];
    if (depth === 1 && (token === "," || token === "]")) {
      const element = text.slice(start, match.index);
      if (element) found.push(element);
      start = match.index + 1;
    }
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
  }
  return found;
}

/** JSON over several lines, in colours; the first part of it where it is long. */
function pretty(text, most = MOST_CHARACTERS) {
  const made = document.createDocumentFragment();
  let plain = "";
  let depth = 0;
  let written = 0;
  const coloured = (token, kind) => {
    made.append(plain, make("span", { className: kind }, token));
    plain = "";
  };
  const matches = text.matchAll(TOKENS);
  let before = "";
  for (let step = matches.next(); !step.done; step = matches.next()) {
    const token = step.value[0];
    const end = step.value.index + token.length;
    if (written > most) {
      made.append(plain);
      return { made, left: text.length - step.value.index };
    }
    written += token.length;
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    const empty = closes && (before === "{" || before === "[");
    if ((closes && !empty) || (!closes && (before === "{" || before === "[" || before === ","))) {
      plain += `\n${"  ".repeat(Math.min(depth, 60))}`;
    }
    if (opens) depth += 1;
    if (token === ":") plain += ": ";
    else if (token[0] === '"') {
      const shown = token.length > most ? `${token.slice(0, most)}…` : token;
      coloured(shown, text[end] === ":" ? "j-k" : "j-s");
    } else if (opens || closes || token === ",") plain += token;
    else coloured(token, "j-n");
    before = token;
  }
  made.append(plain);
  return { made, left: 0 };
}
