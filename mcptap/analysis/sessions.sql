-- One row a client session.
CREATE OR REPLACE TEMP VIEW sessions AS
SELECT
    f.path AS file,
    f.file AS file_number,
    f.server,
    l.session,
    any_value(l.rest ->> '$.era') AS era,
    any_value(l.rest ->> '$.transport') AS transport,
    any_value(l.rest ->> '$.client') AS client,
    min(moment(f.recorded_at, l.at)) AS time,
    min(l.at) AS "at"
FROM lines AS l
JOIN files AS f USING (file)
WHERE l.kind = 'session'
GROUP BY ALL;
