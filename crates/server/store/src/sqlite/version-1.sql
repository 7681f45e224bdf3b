-- One row: what holds for the whole store. Times are milliseconds since 1970 everywhere.
CREATE TABLE meta (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    installation  TEXT    NOT NULL,
    history       TEXT    NOT NULL,
    epoch         INTEGER NOT NULL DEFAULT 0,
    revision      INTEGER NOT NULL DEFAULT 0,
    at            INTEGER NOT NULL DEFAULT 0,
    next_job      INTEGER NOT NULL DEFAULT 1,
    restored      INTEGER NOT NULL DEFAULT 0,
    feed_from     INTEGER NOT NULL DEFAULT 0, -- a revision: the feed can be resumed from it
    history_place INTEGER NOT NULL DEFAULT 0, -- up to here only the newest version of each object is kept
    history_from  INTEGER NOT NULL DEFAULT 0  -- since when all versions are kept
) STRICT;

-- Every live object but jobs.
CREATE TABLE objects (
    kind     TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

-- Every job, open or ended. Its body is the one in history at its place: bodies of jobs are long, change often, and
-- writing each twice was half of what a commit cost. The other columns are copies out of it, for filters.
CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY,
    place    INTEGER NOT NULL, -- of its newest version in history, which stays there as long as this row
    revision INTEGER GENERATED ALWAYS AS (place >> 20) VIRTUAL,
    open     INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    title    TEXT    NOT NULL, -- in small letters
    created  INTEGER NOT NULL,
    ended    INTEGER,
    key      TEXT
) STRICT;
CREATE INDEX jobs_open ON jobs (id) WHERE open = 1;
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_kind ON jobs (kind, id);
CREATE INDEX jobs_key ON jobs (ended) WHERE key IS NOT NULL AND open = 0;

CREATE TABLE job_about (
    about TEXT    NOT NULL,
    job   INTEGER NOT NULL,
    PRIMARY KEY (about, job)
) STRICT, WITHOUT ROWID;

-- Every change. The feed reads it in order, an object's history by the object, a job's changes by the job.
CREATE TABLE history (
    place    INTEGER PRIMARY KEY,
    revision INTEGER GENERATED ALWAYS AS (place >> 20) VIRTUAL,
    ordinal  INTEGER GENERATED ALWAYS AS (place & 1048575) VIRTUAL,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    op       TEXT    NOT NULL CHECK (op IN ('put', 'gone')),
    job      INTEGER,
    actor    TEXT    NOT NULL,
    body     TEXT                              -- none when gone, or when the object is a secret
) STRICT;
CREATE INDEX history_object ON history (kind, id, place);
CREATE INDEX history_job ON history (job, place) WHERE job IS NOT NULL;
