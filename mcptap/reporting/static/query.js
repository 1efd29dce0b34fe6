// Which rows are shown, and in which order.

const ORDERS = {
  failed: (one, other) => other.failed - one.failed || one.at - other.at || one.seq - other.seq,
  seq: (one, other) => one.seq - other.seq,
  session: (one, other) => one.session - other.session || one.at - other.at,
  at: (one, other) => one.at - other.at || one.seq - other.seq,
  method: (one, other) => compare(one.method, other.method) || one.at - other.at,
  target: (one, other) => compare(one.target, other.target) || one.at - other.at,
  ms: (one, other) => (one.ms ?? -1) - (other.ms ?? -1),
  was: (one, other) => (one.was ?? -1) - (other.was ?? -1),
  outcome: (one, other) => one.failed - other.failed || compare(one.outcome, other.outcome),
  events: (one, other) => one.events - other.events,
  mark: (one, other) => MARKS.indexOf(one.mark) - MARKS.indexOf(other.mark),
};
const MARKS = ["changed", "gone", "new", "same"];

function compare(one, other) {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

const query = {
  order: "failed",
  down: false,
  inBodies: null, // the ids of the rows whose bodies have the text, while that is asked for
  session: "",

  read() {
    const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
    return {
      text: byId("text").value.trim().toLowerCase(),
      outcome: byId("outcome").value,
      method: byId("method").value,
      session: byId("session").value,
      mark: byId("mark").value,
      from: number("from"),
      to: number("to"),
      least: number("least"),
      target: this.target ?? null,
    };
  },

  /** The rows that are asked for, sorted. */
  run(rows) {
    const asked = this.read();
    const words = asked.text.split(/\s+/).filter(Boolean);
    const found = rows.filter((row) => {
      if (asked.outcome === "failed" ? row.failed !== 2 : asked.outcome && row.outcome !== asked.outcome) return false;
      if (asked.method && row.method !== asked.method) return false;
      if (asked.target !== null && row.target !== asked.target) return false;
      if (asked.session && row.session !== Number(asked.session)) return false;
      if (asked.mark && row.mark !== asked.mark) return false;
      if (asked.from !== null && row.end < asked.from) return false;
      if (asked.to !== null && row.at > asked.to) return false;
      if (asked.least !== null && !(row.ms >= asked.least)) return false;
      return words.every((word) => row.words.includes(word)) || (this.inBodies?.has(row.id) ?? false);
    });
    const order = ORDERS[this.order];
    return found.sort(this.down ? (one, other) => order(other, one) : order);
  },

  /** Look for the text in all bodies, a chunk at a time; gives up as soon as `isStale` says so. */
  async searchBodies(text, isStale, report) {
    const needle = text.toLowerCase();
    const written = JSON.stringify(text).slice(1, -1).toLowerCase();
    this.inBodies = new Set();
    for (let chunk = 0; chunk < facts.firsts.length; chunk += 1) {
      const lines = (await unpacked(`bodies-${chunk}`)).split("\n");
      if (isStale()) return;
      lines.forEach((line, place) => {
        const lower = line.toLowerCase();
        if (lower.includes(needle) || lower.includes(written)) this.inBodies.add(facts.firsts[chunk] + place);
      });
      report((chunk + 1) / facts.firsts.length);
      await breathe();
    }
  },
};
