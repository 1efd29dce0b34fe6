// Latency over time, and its distribution. Dots that fall on the same pixel are drawn once.

const MARGIN = { left: 52, right: 12, top: 10, bottom: 22 };
const CHART_HEIGHT = 260;
const SMALLEST_MS = 0.001;

const charts = {
  onOpen: () => {},

  build() {
    byId("scatter").addEventListener("click", (event) => {
      const row = this.nearest(event.offsetX, event.offsetY);
      if (row) this.onOpen(row);
    });
    if (facts.against) byId("ecdf-hint").textContent += `; dashed: ${facts.against}`;
  },

  show(rows, range) {
    charts.timed = rows.filter((row) => row.ms !== null);
    charts.range = range;
    charts.times = sortedTimes(rows, "ms");
    charts.drawScatter(charts.times);
  },

  showDistribution(rows) {
    charts.drawDistribution(charts.times, sortedTimes(rows, "was"));
  },

  drawScatter(times) {
    const { context, width, height } = cleared(byId("scatter"), CHART_HEIGHT);
    this.place = null;
    if (!times.length) return;
    const [from, to] = this.range;
    const low = times[0] / 1.3;
    const high = times[times.length - 1] * 1.3;
    const x = (at) => MARGIN.left + ((at - from) / Math.max(to - from, 1e-9)) * (width - MARGIN.left - MARGIN.right);
    const y = (ms) => heightOf(Math.log(Math.max(ms, SMALLEST_MS) / low) / Math.log(high / low), height);
    axes(context, width, height, ticks(from, to).map((at) => [x(at), shortSeconds(at)]),
      decades(low, high).map((ms) => [y(ms), shortDuration(ms)]));
    const seen = new Uint8Array(width * height);
    const dots = [[], [], []];
    for (const row of this.timed) {
      const left = Math.round(x(row.at));
      const top = Math.round(y(row.ms));
      const pixel = top * width + left;
      if (seen[pixel] & (1 << row.failed)) continue;
      seen[pixel] |= 1 << row.failed;
      dots[row.failed].push(left, top);
    }
    ["ok", "warn", "bad"].forEach((name, failed) => {
      context.fillStyle = colour(name);
      context.globalAlpha = failed ? 1 : 0.7;
      const dotSize = this.timed.length > 2000 ? 3 : 6;
      for (let dot = 0; dot < dots[failed].length; dot += 2) {
        context.fillRect(dots[failed][dot] - dotSize / 2, dots[failed][dot + 1] - dotSize / 2, dotSize, dotSize);
      }
    });
    context.globalAlpha = 1;
    this.place = (row) => [x(row.at), y(row.ms)];
    byId("scatter").setAttribute("aria-label", `Latency over time: ${count(times.length)} requests, ` +
      `${duration(times[0])} to ${duration(times[times.length - 1])}`);
  },

  drawDistribution(times, before) {
    const { context, width, height } = cleared(byId("ecdf"), CHART_HEIGHT);
    const all = [times, before].filter((each) => each.length);
    if (!all.length) return;
    const low = Math.min(...all.map((each) => each[0])) / 1.3;
    const high = Math.max(...all.map((each) => each[each.length - 1])) * 1.3;
    const room = width - MARGIN.left - MARGIN.right;
    const x = (ms) => MARGIN.left + (Math.log(ms / low) / Math.log(high / low)) * room;
    const y = (share) => heightOf(share, height);
    axes(context, width, height, decades(low, high).map((ms) => [x(ms), shortDuration(ms)]),
      [0, 0.25, 0.5, 0.75, 0.9, 0.99].map((share) => [y(share), share === 0.99 ? "" : `${share * 100} %`]));
    const line = (sorted) => {
      context.beginPath();
      context.moveTo(MARGIN.left, y(0));
      const step = Math.max(1, Math.floor(sorted.length / (2 * room)));
      for (let place = 0; place < sorted.length; place += step) {
        context.lineTo(x(sorted[place]), y(place / sorted.length));
        context.lineTo(x(sorted[place]), y((place + 1) / sorted.length));
      }
      context.lineTo(x(sorted[sorted.length - 1]), y(1));
      context.stroke();
    };
    context.lineWidth = 2;
    if (before.length) {
      context.strokeStyle = colour("warn");
      context.setLineDash([5, 4]);
      line(before);
      context.setLineDash([]);
    }
    context.strokeStyle = colour("ok");
    if (times.length) line(times);
    const told = [0.5, 0.9, 0.99].map((share) => `p${share * 100} ${duration(percentile(times, share))}`);
    byId("ecdf").setAttribute("aria-label", `Distribution of latency: ${told.join(", ")}`);
  },

  nearest(left, top) {
    if (!this.place) return null;
    let best = null;
    let least = 12 ** 2;
    for (const row of this.timed) {
      const [x, y] = this.place(row);
      const distance = (x - left) ** 2 + (y - top) ** 2;
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  },
};

function sortedTimes(rows, name) {
  const timed = rows.filter((row) => row[name] !== null);
  return Float64Array.from(timed, (row) => Math.max(row[name], SMALLEST_MS)).sort();
}

function heightOf(share, height) {
  return height - MARGIN.bottom - share * (height - MARGIN.top - MARGIN.bottom);
}

function axes(context, width, height, below, beside) {
  context.strokeStyle = colour("line");
  context.fillStyle = colour("soft");
  context.lineWidth = 1;
  context.textAlign = "center";
  for (const [x, text] of below) {
    stroke(context, x, MARGIN.top, x, height - MARGIN.bottom);
    context.fillText(text, Math.min(x, width - 20), height - 7);
  }
  context.textAlign = "right";
  for (const [y, text] of beside) {
    stroke(context, MARGIN.left, y, width - MARGIN.right, y);
    context.fillText(text, MARGIN.left - 5, y + 4);
  }
}

function stroke(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
