// The sessions over time, a lane each: where something ran, and where it failed. Dragging asks for a stretch.

const LANES_HEIGHT = 150;
const AXIS_HEIGHT = 18;
const HIGHEST_LANE = 22;

const timeline = {
  onRange: () => {},

  build() {
    const canvas = byId("lanes");
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      start = event.offsetX;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (start === null || !this.range) return;
      this.draw();
      const { context } = this;
      context.globalAlpha = 0.2;
      context.fillStyle = colour("accent");
      context.fillRect(Math.min(start, event.offsetX), 0, Math.abs(event.offsetX - start), this.height);
      context.globalAlpha = 1;
    });
    canvas.addEventListener("pointerup", (event) => {
      const [left, right] = [start, event.offsetX].sort((one, other) => one - other);
      start = null;
      if (!this.range) return;
      if (right - left > 3) this.onRange(this.timeAt(left), this.timeAt(right));
      else this.onRange(null, null);
    });
  },

  show(rows, range) {
    timeline.rows = rows.filter((row) => row.mark !== "gone");
    timeline.range = range;
    timeline.draw();
  },

  timeAt(x) {
    const [from, to] = this.range;
    return Number((from + (Math.max(0, Math.min(x, this.width)) / this.width) * (to - from)).toFixed(3));
  },

  draw() {
    const lanes = new Map();
    for (const session of [...new Set(this.rows.map((row) => row.session))].sort((one, other) => one - other)) {
      lanes.set(session, lanes.size);
    }
    const room = Math.min(LANES_HEIGHT, Math.max(lanes.size, 1) * HIGHEST_LANE);
    const { context, width, height } = cleared(byId("lanes"), room + AXIS_HEIGHT);
    Object.assign(this, { context, width, height });
    const [from, to] = this.range;
    const scale = width / Math.max(to - from, 1e-9);
    const lines = Math.min(lanes.size, Math.floor(room / 2)) || 1;
    const laneHeight = room / lines;
    const state = new Uint8Array(lines * width); // of each pixel of a lane: 0 nothing, 1 ran, 2 ended early, 3 failed
    for (const row of this.rows) {
      const end = row.outcome === "pending" ? live.now() : row.end;
      const lane = Math.floor((lanes.get(row.session) * lines) / lanes.size) * width;
      const first = Math.max(0, Math.min(width - 1, Math.floor((row.at - from) * scale)));
      const last = Math.min(width - 1, Math.floor((end - from) * scale));
      for (let x = first; x <= Math.max(first, last); x += 1) {
        state[lane + x] = Math.max(state[lane + x], row.failed + 1);
      }
    }
    this.paint(state, lines, laneHeight);
    context.fillStyle = colour("soft");
    for (const tick of ticks(from, to, 10)) {
      const x = (tick - from) * scale;
      context.textAlign = x < 30 ? "left" : x > width - 30 ? "right" : "center";
      context.fillText(shortSeconds(tick), x, height - 5);
    }
    byId("lanes").setAttribute("aria-label", `${count(lanes.size)} sessions from ${seconds(from)} to ${seconds(to)}`);
  },

  paint(state, lines, laneHeight) {
    const colours = [null, colour("ok"), colour("warn"), colour("bad")];
    const gap = laneHeight > 6 ? 3 : laneHeight > 3 ? 1 : 0;
    for (let lane = 0; lane < lines; lane += 1) {
      let x = 0;
      while (x < this.width) {
        const kind = state[lane * this.width + x];
        const first = x;
        while (x < this.width && state[lane * this.width + x] === kind) x += 1;
        if (!kind) continue;
        this.context.fillStyle = colours[kind];
        this.context.fillRect(first, lane * laneHeight + gap, x - first, laneHeight - 2 * gap || 1);
      }
    }
  },
};
