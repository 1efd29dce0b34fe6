// A page that goes on: rows come as they change, and what is pending shows its clock.

const live = {
  clock: 0, // the server's seconds, when
  heardAt: 0, // this page's clock was there
  onChange: () => {},
  places: new Map(),

  now() {
    return facts.live ? this.clock + (performance.now() - this.heardAt) / 1000 : Infinity;
  },

  start() {
    const told = byId("connection");
    told.hidden = false;
    told.textContent = "connecting …";
    const source = new EventSource("events");
    source.addEventListener("open", () => {
      told.textContent = "● live";
      told.classList.remove("lost");
    });
    source.addEventListener("error", () => {
      told.textContent = "○ the connection is lost; trying again";
      told.classList.add("lost");
    });
    source.addEventListener("reset", () => {
      store.rows = [];
      this.places.clear();
      facts.sessions = [];
    });
    source.addEventListener("rows", (event) => this.take(JSON.parse(event.data)));
    source.addEventListener("over", () => {
      source.close();
      told.textContent = "○ mcptap has ended";
      told.classList.add("lost");
    });
  },

  take({ now, rows, sessions, dropped, notices }) {
    this.clock = now;
    this.heardAt = performance.now();
    for (const cells of rows) {
      const row = asRow(cells);
      if (this.places.has(row.id)) store.rows[this.places.get(row.id)] = row;
      else {
        this.places.set(row.id, store.rows.length);
        store.rows.push(row);
      }
    }
    if (dropped && store.rows.length && store.rows[0].id < dropped) {
      store.rows = store.rows.filter((row) => row.id >= dropped);
      this.places = new Map(store.rows.map((row, place) => [row.id, place]));
    }
    facts.sessions.push(...sessions);
    if (notices) byId("notices").replaceChildren(...notices.map((text) => make("li", {}, text)));
    this.onChange();
  },
};

async function liveBody(row) {
  const answer = await fetch(`call?id=${row.id}`);
  if (!answer.ok) throw new Error(answer.status === 404 ? "mcptap no longer has it" : `status ${answer.status}`);
  return answer.text();
}
