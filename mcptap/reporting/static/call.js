// One request whole: what was asked, what happened in between and when, what was answered.

const call = {
  row: null,

  build() {
    this.dialog = byId("call");
    byId("close").addEventListener("click", () => this.dialog.close());
    byId("previous").addEventListener("click", () => this.step(-1));
    byId("next").addEventListener("click", () => this.step(1));
    byId("copy").addEventListener("click", () => this.copy());
    this.dialog.addEventListener("close", () => {
      this.row = null;
      history.replaceState(null, "", location.pathname + location.search);
      byId("grid").focus();
    });
    this.dialog.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "j") this.step(1);
      if (event.key === "k") this.step(-1);
    });
  },

  step(by) {
    grid.choose(grid.chosen + by);
    this.open(grid.rows[grid.chosen]);
  },

  async open(row) {
    this.row = row;
    byId("call-title").textContent = `${row.method} ${row.target}`.trim();
    this.tell(row);
    if (!this.dialog.open) this.dialog.showModal();
    history.replaceState(null, "", `#${row.mark === "gone" ? "gone" : "seq"}=${row.seq}`);
    let text;
    try {
      text = await store.body(row);
    } catch (error) {
      byId("call-body").replaceChildren(make("p", { className: "bad" }, `It can't be read: ${error.message}`));
      return;
    }
    if (this.row?.id !== row.id) return; // another one was opened meanwhile
    this.text = text;
    this.show(members(text));
  },

  tell(row) {
    const told = [
      `seq ${row.seq}`,
      row.session ? `session ${row.session}` : "only in the other recording",
      `at ${seconds(row.at)}`,
      `upstream ${duration(row.ms)}`,
      `proxy ${duration(row.proxy_ms)}`,
      row.outcome,
    ];
    if (row.was !== null) told.push(`before ${duration(row.was)}`);
    if (row.mark) told.push(row.mark);
    byId("call-facts").textContent = told.join(" · ");
  },

  show(body) {
    const shown = members(body.call ?? body.against);
    const events = shown.events ? elements(shown.events).map(members) : [];
    const parts = [part("Request", shown.params ?? null)];
    if (events.length) parts.push(eventsPart(events));
    if (shown.error) parts.push(part("Error", shown.error, "bad"));
    else if (shown.result) parts.push(part("Answer", shown.result));
    else parts.push(part(shown.outcome ? `No answer: ${JSON.parse(shown.outcome)}` : "No answer yet", null));
    if (body.call && body.against) parts.push(differencesPart(body));
    byId("call-body").className = events.length ? "sides events" : "sides";
    byId("call-body").replaceChildren(...parts);
  },

  async copy() {
    const body = members(this.text ?? "{}");
    try {
      await navigator.clipboard.writeText(body.call ?? body.against ?? "");
      byId("copy").textContent = "Copied";
    } catch {
      byId("copy").textContent = "Not allowed here";
    }
    setTimeout(() => {
      byId("copy").textContent = "Copy as JSON";
    }, 1500);
  },
};

function json(label, text, className = "") {
  const shown = make("pre", { tabIndex: 0, className, role: "group", "aria-label": label });
  if (text === null) shown.textContent = "(nothing)";
  else {
    const { made, left } = pretty(text);
    shown.append(made);
    if (left) {
      const more = make("button", { type: "button" }, `Show the other ${size(left)}`);
      more.addEventListener("click", () => shown.replaceChildren(pretty(text, Infinity).made));
      shown.append("\n…\n", more);
    }
  }
  return shown;
}

function part(title, text, className = "") {
  return make("section", { className: "side" }, make("h3", { className }, title), json(title, text));
}

function eventsPart(events) {
  const items = events.map((event) => {
    const from = JSON.parse(event.from);
    const answered = event.result ?? event.error;
    const line = [
      make("time", {}, `+${duration(Number(event.at_ms))}`),
      ` from the ${from}: `,
      make("b", {}, JSON.parse(event.method)),
    ];
    if (event.ms) line.push(answered ? `, answered after ${duration(Number(event.ms))}` : ", never answered");
    const bodies = [];
    if (event.params) bodies.push(json("Event params", event.params, "short"));
    if (answered) bodies.push(json(event.error ? "Error of the client" : "Answer of the client", answered, "short"));
    return make("li", { className: from }, make("div", {}, ...line), ...bodies);
  });
  const list = make("ol", { className: "events", tabIndex: 0, "aria-label": "Events" }, ...items);
  return make("section", { className: "side" }, make("h3", {}, `In between: ${events.length}`), list);
}

function differencesPart(body) {
  const differences = elements(body.differences).map(members);
  const against = members(body.against);
  const was = against.result ?? against.error ?? null;
  const made = make("section", { className: "wide" }, make("h3", {}, `Against ${facts.against}`));
  if (differences.length) {
    const cells = (name) => make("th", { scope: "col" }, name);
    const rows = differences.map((each) =>
      make(
        "tr",
        {},
        make("td", {}, JSON.parse(each.path)),
        make("td", {}, each.recorded ?? "(absent)"),
        make("td", {}, each.live ?? "(absent)"),
      ),
    );
    const head = make("thead", {}, make("tr", {}, cells("field"), cells("before"), cells("now")));
    made.append(make("table", {}, head, make("tbody", {}, ...rows)));
  } else made.append(make("p", {}, "The answers are the same."));
  made.append(make("h3", {}, "The answer before"), json("The answer before", was, "short"));
  return made;
}
