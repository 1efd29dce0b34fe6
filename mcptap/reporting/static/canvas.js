// Drawing: a canvas in the page's colours, sharp on every screen.

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A canvas ready to be drawn on: its context in CSS pixels, its width and height. */
function cleared(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "11px system-ui, sans-serif";
  return { context, width, height };
}

/** A few round numbers between two. */
function ticks(from, to, most = 8) {
  const rough = (to - from) / most;
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  const first = Math.ceil(from / step) * step;
  for (let tick = first; tick <= to && found.length <= 2 * most; tick += step) found.push(tick);
  return found;
}

/** The powers of ten from one number to another, as far as they are on a log scale; a few where they are many. */
function decades(from, to) {
  const found = [];
  const step = Math.max(1, Math.ceil(Math.log10(to / from) / 12));
  for (let power = Math.ceil(Math.log10(from)); power <= Math.log10(to); power += step) found.push(10 ** power);
  return found;
}

function shortDuration(ms) {
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(6))} s`;
  return `${Number(ms.toPrecision(2))} ms`;
}

function shortSeconds(at) {
  return `${Number(at.toPrecision(6))} s`;
}
