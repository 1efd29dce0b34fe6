// Numbers for people, and elements whose text is never markup.

const NO_NUMBER = "–";
const EXPONENT = 1e15; // more digits than anybody reads

function duration(ms) {
  if (ms === null || ms === undefined) return NO_NUMBER;
  if (Math.abs(ms) >= EXPONENT) return `${(ms / 1000).toExponential(1)} s`;
  if (ms < 1) return `${ms.toFixed(3)} ms`;
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function seconds(at) {
  return Math.abs(at) >= EXPONENT ? `${at.toExponential(1)} s` : `${at.toFixed(3)} s`;
}

function count(number) {
  return number.toLocaleString("en-US");
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1000000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1000000).toFixed(1)} MB`;
}

function byId(id) {
  return document.getElementById(id);
}

/** An element with properties and children; a string is text. */
function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** What the other tasks of the browser need between two pieces of work. */
function breathe() {
  return new Promise((resolve) => setTimeout(resolve));
}
