// The calls: their rows at once, their bodies when they are asked for.

const facts = JSON.parse(byId("facts").textContent);
const KEPT_CHUNKS = 6;

async function unpacked(id) {
  const stream = new Blob([bytesOf(byId(id).textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place += 1) bytes[place] = binary.charCodeAt(place);
  return bytes;
}

/** A row as an object, from the values of one. */
function asRow(cells) {
  const row = {};
  for (let place = 0; place < facts.columns.length; place += 1) row[facts.columns[place]] = cells[place];
  // A recording may hold numbers that no clock gives, and no drawing can be made of.
  if (!Number.isFinite(row.at)) row.at = 0;
  for (const name of ["ms", "proxy_ms", "was"]) if (!Number.isFinite(row[name])) row[name] = null;
  row.took = (row.ms ?? 0) + (row.proxy_ms ?? 0);
  row.end = row.at + row.took / 1000;
  row.words = `${row.method} ${row.target} ${row.outcome} ${row.note} ${row.seq}`.toLowerCase();
  return row;
}

const store = {
  rows: [],
  chunks: new Map(),

  async load() {
    if (facts.live) return;
    const text = await unpacked("rows");
    for (const block of text.split("\n")) {
      if (block) for (const cells of JSON.parse(block)) this.rows.push(asRow(cells));
      await breathe();
    }
  },

  /** The lines of a chunk: the bodies of the rows from its first one on. */
  async lines(chunk) {
    if (!this.chunks.has(chunk)) {
      if (this.chunks.size >= KEPT_CHUNKS) this.chunks.delete(this.chunks.keys().next().value);
      this.chunks.set(chunk, unpacked(`bodies-${chunk}`).then((text) => text.split("\n")));
    }
    return this.chunks.get(chunk);
  },

  /** The bodies of a row as the text of an object: `call`, and with another recording `against`. */
  async body(row) {
    if (facts.live) return liveBody(row);
    let chunk = facts.firsts.findLastIndex((first) => first <= row.id);
    return (await this.lines(chunk))[row.id - facts.firsts[chunk]];
  },
};
