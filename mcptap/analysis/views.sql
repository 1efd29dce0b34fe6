-- One row an event: what happened inside an interaction, in its order.
CREATE OR REPLACE TEMP VIEW events AS
WITH happened AS (
    SELECT r.file, r.session, r.seq, r.at, r.method, r.target, r.events, unnest(generate_series(1, len(r.events))) AS number
    FROM requests AS r
)
SELECT
    f.path AS file,
    f.server,
    h.session,
    h.seq,
    h.method AS request,
    h.target,
    h.number,
    moment(f.recorded_at, h.at + h.events[number].at_ms / 1e3) AS time,
    h.at,
    h.events[number].at_ms AS at_ms,
    h.events[number].source AS source,
    h.events[number].method AS method,
    h.events[number].asked AS asked,
    h.events[number].failed AS failed,
    h.events[number].ms AS ms
FROM happened AS h
JOIN files AS f ON f.file = h.file;

-- One row a message: a notification or a server request outside any interaction.
CREATE OR REPLACE TEMP VIEW messages AS
SELECT
    f.path AS file,
    f.server,
    l.session,
    moment(f.recorded_at, l.at) AS time,
    l.at,
    l.rest ->> '$.source' AS source,
    l.method,
    (l.rest ->> '$.asked')::BOOLEAN AS asked,
    (l.rest ->> '$.failed')::BOOLEAN AS failed,
    l.ms
FROM lines AS l
JOIN files AS f USING (file)
WHERE l.kind = 'message';

-- One row a request of the server to the client, inside an interaction or outside of any.
CREATE OR REPLACE TEMP VIEW server_requests AS
SELECT file, server, session, seq, time, method, request, target, ms, failed
FROM events WHERE asked AND source = 'server'
UNION ALL
SELECT file, server, session, NULL, time, method, NULL, NULL, ms, failed
FROM messages WHERE asked AND source = 'server';

-- One row a gap: lines that could not be written.
CREATE OR REPLACE TEMP VIEW gaps AS
SELECT
    f.path AS file,
    f.server,
    moment(f.recorded_at, l.at) AS time,
    l.at,
    (l.rest ->> '$.lost')::BIGINT AS lost,
    l.rest ->> '$.why' AS why
FROM lines AS l
JOIN files AS f USING (file)
WHERE l.kind = 'gap';

-- One row a multi-round-trip request: one logical call that the client repeated with what the server
-- asked for (specification 2026-07-28, "Multi Round-Trip Requests"). A hop is the latest unfinished
-- request before the retry that gave the same requestState; without one, the same request of the session.
CREATE OR REPLACE TEMP VIEW chains AS
WITH RECURSIVE asking AS (
    SELECT * FROM requests WHERE outcome = 'input_required'
), retries AS (
    SELECT * FROM requests WHERE retry
), links AS (
    SELECT r.file, r.seq, max(a.seq) AS previous
    FROM retries AS r
    JOIN asking AS a
        ON a.file = r.file AND a.seq < r.seq AND a.method = r.method AND a.target IS NOT DISTINCT FROM r.target
        AND a.state_out IS NOT DISTINCT FROM r.state_in
        AND (r.state_in IS NOT NULL OR (a.session = r.session AND a.about = r.about))
    GROUP BY r.file, r.seq
), hops AS (
    SELECT a.file, a.seq AS chain, a.seq, 1 AS hop
    FROM asking AS a ANTI JOIN links AS l ON l.file = a.file AND l.seq = a.seq
    UNION ALL
    SELECT h.file, h.chain, l.seq, h.hop + 1
    FROM hops AS h JOIN links AS l ON l.file = h.file AND l.previous = h.seq
), timed AS (
    SELECT
        h.file, h.chain, h.hop, r.session, r.method, r.target, r.seq, r.at, r.ms, r.proxy_ms, r.outcome,
        1000 * (r.at - lag(r.at) OVER w) - lag(coalesce(r.ms, 0) + coalesce(r.proxy_ms, 0)) OVER w AS waited_ms
    FROM hops AS h JOIN requests AS r ON r.file = h.file AND r.seq = h.seq
    WINDOW w AS (PARTITION BY h.file, h.chain ORDER BY h.hop)
)
SELECT
    any_value(f.path) AS file,
    any_value(f.server) AS server,
    any_value(t.session) AS session,
    t.chain AS seq,
    moment(any_value(f.recorded_at), min(t.at)) AS time,
    any_value(t.method) AS method,
    any_value(t.target) AS target,
    count(*) AS hops,
    sum(t.ms) AS ms,
    sum(t.waited_ms) AS client_ms,
    last(t.outcome ORDER BY t.hop)::VARCHAR AS outcome,
    list({'seq': t.seq, 'at': t.at, 'ms': t.ms, 'waited_ms': t.waited_ms, 'outcome': t.outcome::VARCHAR} ORDER BY t.hop) AS each_hop
FROM timed AS t
JOIN files AS f USING (file)
GROUP BY t.file, t.chain;
