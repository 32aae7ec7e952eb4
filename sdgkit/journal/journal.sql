-- The tables of a run's journal.

CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, session INTEGER, stage TEXT, model TEXT, ordinal INTEGER, attempt INTEGER, messages TEXT,
    sampling TEXT, text TEXT, reasoning TEXT, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    seconds REAL) WITHOUT ROWID;

-- How many of them there are. They change together, so nobody has to go through all replies to know.
CREATE TABLE IF NOT EXISTS reply_counts (
    stage TEXT PRIMARY KEY, number INTEGER, prompt_tokens INTEGER, completion_tokens INTEGER) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS editions (id TEXT PRIMARY KEY, config TEXT) WITHOUT ROWID;

-- A sample's stage is empty.
CREATE TABLE IF NOT EXISTS rows (
    edition TEXT, place TEXT, id TEXT, unit INTEGER, stage TEXT, reason TEXT, message TEXT, reply TEXT, columns TEXT,
    trail TEXT, PRIMARY KEY (edition, place)) WITHOUT ROWID;

-- A session begins with the rows of its unfinished units.
CREATE INDEX IF NOT EXISTS rows_by_unit ON rows (edition, unit);

CREATE TABLE IF NOT EXISTS finished (
    edition TEXT, unit INTEGER, counts TEXT, PRIMARY KEY (edition, unit)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, edition TEXT, process INTEGER, host TEXT, begun REAL, seen REAL, state TEXT,
    reused INTEGER DEFAULT 0, retries INTEGER DEFAULT 0, refused INTEGER DEFAULT 0, snapshot TEXT DEFAULT 'null');

CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY, content TEXT, id TEXT, verdict TEXT, reason TEXT, edits TEXT, made REAL);

CREATE TABLE IF NOT EXISTS exports (path TEXT PRIMARY KEY, format TEXT) WITHOUT ROWID;

-- Whose rows the files in the folder show: an edition, or the copy of one (its id and a tilde). One line.
CREATE TABLE IF NOT EXISTS shown (number INTEGER PRIMARY KEY, edition TEXT);

-- Of all sessions together: for whoever looks into this file with another program.
CREATE VIEW IF NOT EXISTS totals AS
SELECT sessions, recorded + refused AS requests, retries, reused, prompt_tokens, completion_tokens, wall_s
FROM
    (SELECT COUNT(*) AS recorded, COALESCE(SUM(prompt_tokens), 0) AS prompt_tokens,
        COALESCE(SUM(completion_tokens), 0) AS completion_tokens FROM replies),
    (SELECT COUNT(*) AS sessions, COALESCE(SUM(retries), 0) AS retries, COALESCE(SUM(reused), 0) AS reused,
        COALESCE(SUM(refused), 0) AS refused, ROUND(COALESCE(SUM(MAX(seen - begun, 0)), 0), 3) AS wall_s FROM sessions);
