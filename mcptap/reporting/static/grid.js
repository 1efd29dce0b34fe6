// The list of requests: only the rows that can be seen are elements, however many there are.

const ROW_HEIGHT = 28;
const SPARE_ROWS = 4;
const LEAST_ROWS = 5;
const MOST_ROWS = 19;
const GRID_COLUMNS = [
  { name: "seq", title: "seq", number: true, text: (row) => String(row.seq) },
  { name: "session", title: "session", number: true, text: (row) => (row.session ? String(row.session) : "") },
  { name: "at", title: "at", number: true, text: (row) => seconds(row.at) },
  { name: "method", title: "method", text: (row) => row.method },
  { name: "target", title: "of", text: (row) => row.target },
  { name: "ms", title: "took", number: true, className: "took", text: (row) => clockOf(row) },
  { name: "was", title: "before", number: true, marked: true, text: (row) => duration(row.was) },
  { name: "outcome", title: "outcome", className: "outcome", text: (row) => row.outcome },
  { name: "events", title: "events", number: true, text: (row) => (row.events ? String(row.events) : "") },
  { name: "mark", title: "against", marked: true, className: "mark", text: (row) => row.mark },
];

function clockOf(row) {
  return row.outcome === "pending" ? duration(Math.max(0, (live.now() - row.at) * 1000)) : duration(row.ms);
}

const grid = {
  rows: [],
  chosen: -1,
  pool: [],
  onOpen: () => {},
  onSort: () => {},

  build() {
    this.columns = GRID_COLUMNS.filter((column) => !column.marked || facts.against);
    this.element = byId("grid");
    this.element.classList.toggle("marked", Boolean(facts.against));
    this.headings = this.columns.map((column) => {
      const button = make("button", { type: "button" }, column.title);
      button.addEventListener("click", () => this.onSort(column.name));
      return make("div", { role: "columnheader", className: column.number ? "n" : "" }, button);
    });
    const strip = make("div", { role: "columnheader" }, "when");
    const head = make("div", { role: "row", className: "row", "aria-rowindex": "1" }, ...this.headings, strip);
    this.body = make("div", { role: "rowgroup", className: "body" });
    this.element.append(make("div", { role: "rowgroup", className: "head" }, head), this.body);
    this.element.setAttribute("aria-colcount", String(this.columns.length + 1));
    this.element.addEventListener("scroll", () => this.soon(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    this.body.addEventListener("click", (event) => {
      const clicked = event.target.closest(".row");
      if (clicked) {
        this.choose(Number(clicked.dataset.place));
        this.onOpen();
      }
    });
    new ResizeObserver(() => this.soon()).observe(this.element);
  },

  show(rows, range) {
    const current = this.rows[this.chosen];
    this.rows = rows;
    this.range = range;
    this.chosen = current ? rows.findIndex((row) => row.id === current.id) : -1;
    if (this.chosen < 0 && rows.length) this.chosen = 0;
    this.element.setAttribute("aria-rowcount", String(rows.length + 1));
    this.body.style.height = `${rows.length * ROW_HEIGHT}px`;
    const room = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, rows.length)) + 1;
    this.element.style.height = `min(70vh, ${room * ROW_HEIGHT + 18}px)`;
    this.columns.forEach((column, place) => {
      const sorted = query.order === column.name;
      const direction = query.down ? "descending" : "ascending";
      this.headings[place].setAttribute("aria-sort", sorted ? direction : "none");
      const arrow = query.down ? " ↓" : " ↑";
      this.headings[place].firstChild.textContent = column.title + (sorted ? arrow : "");
    });
    this.soon();
  },

  soon() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  },

  draw() {
    const above = Math.max(0, Math.floor(this.element.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const number = Math.ceil(this.element.clientHeight / ROW_HEIGHT) + 2 * SPARE_ROWS;
    const below = Math.min(this.rows.length, above + number);
    while (this.pool.length < number) this.pool.push(this.newRow());
    const shown = [];
    for (let place = above; place < below; place += 1) {
      const element = this.pool[place % this.pool.length];
      this.fill(element, place);
      shown.push(element);
    }
    if (!this.rows.length) {
      const cell = make("div", { role: "gridcell" }, store.rows.length ? "No request is like that." : "There is no request.");
      shown.push(make("div", { role: "row", className: "none" }, cell));
    }
    if (shown.length !== this.body.children.length || shown.some((each) => each.parentNode !== this.body)) {
      this.body.replaceChildren(...shown);
    }
    const chosen = this.chosen >= above && this.chosen < below;
    if (chosen) this.element.setAttribute("aria-activedescendant", `row-${this.chosen}`);
    else this.element.removeAttribute("aria-activedescendant");
  },

  newRow() {
    const cells = this.columns.map((column) => {
      const className = `${column.number ? "n" : ""} ${column.className ?? ""}`.trim();
      return make("div", { role: "gridcell", className });
    });
    const strip = make("div", { role: "gridcell", className: "strip" }, make("i"));
    return make("div", { role: "row" }, ...cells, strip);
  },

  fill(element, place) {
    const row = this.rows[place];
    const pending = row.outcome === "pending";
    element.id = `row-${place}`;
    element.dataset.place = place;
    element.setAttribute("aria-rowindex", String(place + 2));
    element.setAttribute("aria-selected", String(place === this.chosen));
    element.className = `row failed-${row.failed}${pending ? " pending" : ""}${row.mark ? ` mark-${row.mark}` : ""}`;
    element.classList.toggle("chosen", place === this.chosen);
    element.style.top = `${place * ROW_HEIGHT}px`;
    this.columns.forEach((column, cell) => {
      const text = column.text(row);
      if (element.children[cell].textContent !== text) element.children[cell].textContent = text;
    });
    element.children[this.columns.length - (facts.against ? 3 : 2)].title = row.note;
    const bar = element.lastChild.firstChild;
    const [from, to] = this.range;
    const width = Math.max(to - from, 1e-9);
    const end = pending ? live.now() : row.end;
    bar.hidden = row.mark === "gone";
    bar.style.left = `min(${(100 * (row.at - from)) / width}%, calc(100% - 2px))`;
    bar.style.width = `${(100 * (end - row.at)) / width}%`;
  },

  choose(place) {
    if (!this.rows.length) return;
    this.chosen = Math.max(0, Math.min(this.rows.length - 1, place));
    const head = ROW_HEIGHT;
    const top = this.chosen * ROW_HEIGHT;
    const room = this.element.clientHeight - head - ROW_HEIGHT;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top > this.element.scrollTop + room) this.element.scrollTop = top - room;
    this.draw();
  },

  onKey(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_HEIGHT) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.target !== this.element) return;
    if (event.key in steps) {
      event.preventDefault();
      this.choose(this.chosen + steps[event.key]);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (this.rows[this.chosen]) this.onOpen();
    }
  },
};
