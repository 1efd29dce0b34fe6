// The numbers of the requests that are shown. Where the page stands by itself, its tables are there already.

/** As the report computes it: interpolated linearly between two values. */
function percentile(sorted, share) {
  if (!sorted.length) return null;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

const summary = {
  onGroup: () => {},
  onSession: () => {},

  build() {
    byId("groups").addEventListener("click", (event) => {
      const row = event.target.closest("button")?.closest("tr");
      if (row) this.onGroup(row.cells[0].textContent, row.cells[1].textContent);
    });
    byId("sessions").addEventListener("click", (event) => {
      const row = event.target.closest("button")?.closest("tr");
      if (row) this.onSession(row.cells[0].textContent);
    });
    this.link();
  },

  /** Make what names a row of the tables something to press. */
  link() {
    for (const cell of document.querySelectorAll("#groups tbody td:first-child, #sessions tbody td:first-child")) {
      const button = make("button", { type: "button", className: "link" }, cell.textContent);
      const of = cell.nextElementSibling?.textContent;
      button.setAttribute("aria-label", `Show ${cell.closest("table").id === "groups" ? "" : "session "}${cell.textContent} ${of}`.trim());
      cell.replaceChildren(button);
    }
  },

  /** Count again, for a page that goes on. */
  update(rows, sessions) {
    const groups = new Map();
    for (const row of rows) {
      const key = JSON.stringify([row.method, row.target]);
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(row);
    }
    const whole = total(rows) || 1;
    const sorted = [...groups.values()].sort((one, other) => total(other) - total(one));
    fillTable("groups", sorted.slice(0, 500).map((group) => groupCells(group, whole)), 2);
    fillTable("sessions", sessions.slice(0, 200).map((session) => sessionCells(session, rows)), 3);
    this.link();
    const times = timesOf(rows, "ms");
    const proxied = timesOf(rows, "proxy_ms");
    const cards = {
      requests: count(rows.length),
      failed: count(rows.filter((row) => row.failed === 2).length),
      sessions: count(sessions.length),
      p50: duration(percentile(times, 0.5)),
      p90: duration(percentile(times, 0.9)),
      p99: duration(percentile(times, 0.99)),
      max: duration(percentile(times, 1)),
      "proxy p50": duration(percentile(proxied, 0.5)),
    };
    for (const [name, text] of Object.entries(cards)) {
      const card = document.querySelector(`[data-card="${name}"]`);
      card.textContent = text;
      if (name === "failed") card.parentNode.classList.toggle("bad", text !== "0");
    }
  },
};

function total(rows) {
  return rows.reduce((sum, row) => sum + (row.ms ?? 0), 0);
}

function timesOf(rows, name) {
  return Float64Array.from(rows.filter((row) => row[name] !== null), (row) => row[name]).sort();
}

function groupCells(group, whole) {
  const times = timesOf(group, "ms");
  return [
    group[0].method,
    group[0].target,
    count(group.length),
    count(group.filter((row) => row.failed === 2).length),
    ...[0.5, 0.9, 0.99, 1].map((share) => duration(percentile(times, share))),
    duration(percentile(timesOf(group, "proxy_ms"), 0.5)),
    size(group.reduce((sum, row) => sum + row.size, 0)),
    `${((100 * total(group)) / whole).toFixed(1)} %`,
  ];
}

function sessionCells([number, at, client, speaks], rows) {
  const own = rows.filter((row) => row.session === number);
  const until = own.reduce((latest, row) => Math.max(latest, row.end), at);
  return [
    String(number),
    client,
    speaks ?? "",
    seconds(at),
    count(own.length),
    count(own.filter((row) => row.failed === 2).length),
    own.length ? duration((until - at) * 1000) : NO_NUMBER,
  ];
}

function fillTable(name, rows, names) {
  const body = document.querySelector(`[data-rows="${name}"]`);
  body.replaceChildren(
    ...rows.map((cells) =>
      make("tr", {}, ...cells.map((cell, place) => make("td", { className: place < names ? "" : "n" }, cell))),
    ),
  );
}
