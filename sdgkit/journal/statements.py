"""The SQL statements of a journal; its tables are in `journal.sql`."""

SELECT_REPLY = """
    SELECT text, finish_reason, reasoning, prompt_tokens, completion_tokens, seconds, session
    FROM replies WHERE key=:key
"""

SELECT_MESSAGES = "SELECT messages FROM replies WHERE key=:key"

INSERT_REPLY = """
    INSERT OR IGNORE INTO replies (
        key, session, stage, model, ordinal, attempt, messages, sampling,
        text, reasoning, finish_reason, prompt_tokens, completion_tokens, seconds
    ) VALUES (
        :key, :session, :stage, :model, :ordinal, :attempt, :messages, :sampling,
        :text, :reasoning, :finish_reason, :prompt_tokens, :completion_tokens, :seconds
    )
"""

SELECT_NEWEST_EDITION = """
    SELECT id, config FROM editions
    WHERE id=(SELECT edition FROM sessions ORDER BY id DESC LIMIT 1)
"""

SELECT_CONFIGS = "SELECT config FROM editions"

INSERT_EDITION = "INSERT OR IGNORE INTO editions (id, config) VALUES (:id, :config)"

DELETE_UNFINISHED_ROWS = """
    DELETE FROM rows WHERE edition=:edition
    AND unit NOT IN (SELECT unit FROM finished WHERE edition=:edition)
"""

COPY_ROWS = """
    INSERT OR REPLACE INTO rows (
        edition, place, id, unit, stage, reason, message, reply, columns, trail
    )
    SELECT :copy, place, id, unit, stage, reason, message, reply, columns, trail
    FROM rows WHERE edition=:edition
"""

SELECT_UNFINISHED_ROW = """
    SELECT 1 FROM rows WHERE edition=:edition
    AND unit NOT IN (SELECT unit FROM finished WHERE edition=:edition) LIMIT 1
"""

INSERT_SHOWN = "INSERT OR REPLACE INTO shown (number, edition) VALUES (1, :shown)"

INSERT_SESSION = """
    INSERT OR REPLACE INTO sessions (edition, state, process, host, begun, seen)
    VALUES (:edition, 'running', :process, :host, :begun, :seen)
"""

UPDATE_SESSION = """
    UPDATE sessions SET seen=:seen, state=:state, snapshot=:snapshot,
        reused=:reused, retries=:retries, refused=:refused
    WHERE id=:id
"""

UPDATE_EDITION = "UPDATE sessions SET edition=:edition WHERE id=:id"

SELECT_LAST_SESSION = """
    SELECT state, process, host, seen, snapshot FROM sessions ORDER BY id DESC LIMIT 1
"""

SELECT_SESSION_TIMES = """
    SELECT begun, seen, CASE WHEN json_valid(snapshot) THEN
        CASE WHEN json_type(snapshot, '$.wall_s') IN ('real', 'integer')
        THEN json_extract(snapshot, '$.wall_s') END END AS worked
    FROM sessions ORDER BY id
"""

SELECT_SESSION_TOTALS = """
    SELECT COUNT(*) AS sessions, COALESCE(SUM(retries), 0) AS retries,
        COALESCE(SUM(reused), 0) AS reused, COALESCE(SUM(refused), 0) AS refused
    FROM sessions
"""

SELECT_FINISHED = "SELECT unit, counts FROM finished WHERE edition=:edition"

INSERT_FINISHED = """
    INSERT OR REPLACE INTO finished (edition, unit, counts) VALUES (:edition, :unit, :counts)
"""

INSERT_ROW = """
    INSERT OR REPLACE INTO rows (
        edition, place, id, unit, stage, reason, message, reply, columns, trail
    ) VALUES (
        :edition, :place, :id, :unit, :stage, :reason, :message, :reply, :columns, :trail
    )
"""

DELETE_ROWS_AT = """
    DELETE FROM rows WHERE edition=:edition
    AND (place=:place OR place BETWEEN :place || '.' AND :place || '/')
"""

UNDROP_ROWS = """
    UPDATE rows SET stage='', reason='', message='' WHERE edition=:edition AND stage=:stage
"""

DROP_ROW = """
    UPDATE rows SET stage=:stage, reason=:reason, message=:message
    WHERE edition=:edition AND place=:place
"""

SELECT_OUTCOME = """
    SELECT id, place, unit, columns, trail, stage, reason, message, reply FROM rows
    WHERE edition=:edition AND id=:id
"""

SELECT_SAMPLES = """
    SELECT id, place, unit, columns, trail, stage, reason, message, reply FROM rows
    WHERE edition=:edition AND stage='' AND place>:last ORDER BY place LIMIT :page_size
"""

SELECT_SAMPLE_COLUMNS = """
    SELECT place, columns FROM rows
    WHERE edition=:edition AND stage='' AND place>:last ORDER BY place LIMIT :page_size
"""

SELECT_DROP_LINES = """
    SELECT place, id, columns, stage, reason, message, reply FROM rows
    WHERE edition=:edition AND stage<>'' AND place>:last ORDER BY place LIMIT :page_size
"""

SELECT_DROPS = """
    SELECT id, place, unit, columns, trail, stage, reason, message, reply FROM rows
    WHERE edition=:edition AND stage<>'' AND place>:last ORDER BY place LIMIT :page_size
"""
