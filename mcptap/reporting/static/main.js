// Puts the parts together.

const THEMES = ["system", "light", "dark"];
let searching = 0;
let shown = { found: [], range: [0, 1] };

function rangeOf(rows) {
  const asked = query.read();
  let from = Infinity;
  let to = -Infinity;
  for (const row of rows) {
    if (row.mark === "gone") continue;
    from = Math.min(from, row.at);
    to = Math.max(to, row.outcome === "pending" ? live.now() : row.end);
  }
  if (from > to) [from, to] = [0, 1];
  return [asked.from ?? from, asked.to ?? to];
}

/** Show what is asked for: the list at once, the drawings after it unless something else is asked for first. */
function refresh() {
  const found = query.run(store.rows);
  const range = rangeOf(found);
  shown = { found, range };
  grid.show(found, range);
  const failed = found.filter((row) => row.failed === 2 && row.mark !== "gone").length;
  const own = (rows) => rows.filter((row) => row.mark !== "gone").length;
  const gone = found.length - own(found);
  byId("found").textContent =
    `${count(own(found))} of ${count(own(store.rows))} requests, ${count(failed)} failed` +
    (gone ? `, and ${count(gone)} gone` : "") +
    (query.order === "failed" ? ", failed first" : "");
  redraw();
}

async function redraw() {
  const { found, range } = shown;
  for (const draw of [timeline.show, charts.show, charts.showDistribution]) {
    await breathe();
    if (shown.found !== found) return;
    draw(found, range);
  }
}

function fillSelect(id, options) {
  const select = byId(id);
  const chosen = select.value;
  const wanted = options.map(([value, text]) => `${value}\n${text}`).join("\n");
  if (select.dataset.filled === wanted) return;
  select.dataset.filled = wanted;
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  select.value = options.some(([value]) => value === chosen) ? chosen : "";
}

function fillFilters() {
  const values = (name) => [...new Set(store.rows.map((row) => row[name]))].sort();
  const named = (name) => values(name).map((value) => [value, value]);
  fillSelect("outcome", [["", "all"], ["failed", "failed"], ...named("outcome")]);
  fillSelect("method", [["", "all"], ...named("method")]);
  const sessions = facts.sessions.map(([number, , client]) => [String(number), `${number} ${client}`.trim()]);
  fillSelect("session", [["", "all"], ...sessions]);
  fillSelect("mark", [["", "all"], ...MARKS.map((mark) => [mark, mark])]);
}

async function search() {
  const turn = (searching += 1);
  query.inBodies = null;
  const text = byId("text").value.trim();
  refresh();
  if (!byId("in-bodies").checked || !text || facts.live) return;
  let drawn = performance.now();
  await query.searchBodies(text, () => turn !== searching, (share) => {
    if (performance.now() - drawn > 500 || share === 1) {
      refresh();
      drawn = performance.now();
      if (share < 1) byId("found").textContent += ` … searched ${Math.floor(100 * share)} %`;
    }
  });
}

function setUpFilters() {
  let typing = null;
  const typed = () => {
    typing = null;
    search();
  };
  byId("filters").addEventListener("input", (event) => {
    clearTimeout(typing);
    if (event.target.id === "method") query.target = null;
    typing = setTimeout(typed, event.target.type === "search" ? 120 : 0);
  });
  byId("text").addEventListener("keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== "ArrowDown") || event.isComposing) return;
    event.preventDefault();
    clearTimeout(typing);
    if (typing !== null) typed();
    byId("grid").focus();
    grid.choose(0);
    if (event.key === "Enter" && grid.rows.length) grid.onOpen();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => {
    query.target = null;
    query.order = "failed";
    query.down = false;
    setTimeout(search);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(event.target.tagName) && !byId("call").open) {
      event.preventDefault();
      byId("text").focus();
    }
  });
}

function setUpTheme() {
  const button = byId("theme");
  let theme = "system";
  try {
    theme = localStorage.getItem("mcptap-theme") ?? theme;
  } catch {
    // A page of a file may have no storage: then it forgets.
  }
  const apply = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  apply();
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem("mcptap-theme", theme);
    } catch {
      // As above.
    }
    apply();
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function connect() {
  grid.onOpen = () => call.open(grid.rows[grid.chosen]);
  grid.onSort = (name) => {
    const numeric = ["ms", "was", "events", "outcome"].includes(name);
    query.down = query.order === name ? !query.down : numeric;
    query.order = name;
    refresh();
  };
  charts.onOpen = (row) => {
    grid.choose(grid.rows.indexOf(row));
    call.open(row);
  };
  timeline.onRange = (from, to) => {
    byId("from").value = from ?? "";
    byId("to").value = to ?? "";
    search();
  };
  summary.onGroup = (method, target) => {
    byId("filters").reset();
    setTimeout(() => {
      byId("method").value = method;
      query.target = target;
      search();
      byId("calls").scrollIntoView();
      byId("grid").focus({ preventScroll: true });
    });
  };
  summary.onSession = (number) => {
    byId("filters").reset();
    setTimeout(() => {
      byId("session").value = number;
      query.order = "at";
      search();
      byId("calls").scrollIntoView();
      byId("grid").focus({ preventScroll: true });
    });
  };
}

function goOn() {
  let waiting;
  let counted = 0;
  let opened = false;
  live.onChange = () => {
    waiting ??= setTimeout(() => {
      waiting = undefined;
      fillFilters();
      refresh();
      if (performance.now() - counted > 1000 || store.rows.length < 1000) {
        summary.update(store.rows, facts.sessions);
        counted = performance.now();
      }
      opened ||= openNamed();
      const shown = call.row && store.rows[live.places.get(call.row.id)];
      if (shown && shown !== call.row) call.open(shown);
    }, 50);
  };
  setInterval(() => {
    if (store.rows.some((row) => row.outcome === "pending")) {
      grid.range = rangeOf(grid.rows);
      grid.soon();
    }
  }, 100);
  live.start();
}

/** Open the request that the address names; whether nothing is left to be waited for. */
function openNamed() {
  const named = /^#(seq|gone)=(\d+)$/.exec(location.hash);
  const is = (row) => row.seq === Number(named[2]) && (row.mark === "gone") === (named[1] === "gone");
  const row = named && store.rows.find(is);
  byId("missing").hidden = !named || Boolean(row);
  byId("missing").textContent = named && !row ? `There is no request ${named[2]} here.` : "";
  if (!row) return !named;
  if (row.id === call.row?.id) return true;
  const place = grid.rows.findIndex((shown) => shown.id === row.id);
  if (place >= 0) grid.choose(place);
  call.open(row);
  return true;
}

/** Show what needs the script, or what is there in its place. */
function withScript(works) {
  for (const scripted of document.querySelectorAll(".scripted")) scripted.hidden = !works;
  byId("without-script").hidden = works;
}

async function start() {
  withScript(true);
  if (facts.against) byId("mark-label").hidden = false;
  if (facts.live) byId("in-bodies-label").hidden = true;
  for (const each of [grid, call, charts, timeline, summary]) each.build();
  connect();
  setUpFilters();
  await store.load();
  fillFilters();
  setUpTheme();
  await breathe();
  refresh();
  window.addEventListener("resize", redraw);
  window.addEventListener("hashchange", openNamed);
  if (facts.live) goOn();
  else openNamed();
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  withScript(false);
  byId("notices").append(make("li", {}, `This browser can't show the list (${error.message}): a newer one can.`));
});
