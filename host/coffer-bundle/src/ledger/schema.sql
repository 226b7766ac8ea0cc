-- Version 1 of the ledger. No column holds a sensitive value: what is sensitive is a row of `secrets`, that
-- is, the store and the key, and the constraints below refuse anything else. Times are milliseconds since
-- the Unix epoch. Ids are ULIDs in lower case.

CREATE TABLE installations (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'uninstalled', 'deleting')),
    created_ms INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;

-- The parameter and credential sets that an installation uses until it is told otherwise.
CREATE TABLE installation_sets (
    installation TEXT NOT NULL REFERENCES installations (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('credentials', 'parameters')),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (installation, kind, position)
) STRICT;

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    installation TEXT NOT NULL REFERENCES installations (id) ON DELETE CASCADE,
    action TEXT NOT NULL,
    -- bundle.json without the defaults of sensitive definitions.
    bundle TEXT NOT NULL,
    -- Where it was read from, and the SHA-256 of it and its entry point.
    bundle_path TEXT NOT NULL,
    bundle_digest TEXT NOT NULL,
    driver TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN
        ('preparing', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted', 'unsaved')),
    exit_code INTEGER,
    message TEXT,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER
) STRICT;
CREATE INDEX runs_of_installation ON runs (installation, id);

CREATE TABLE sets (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('credentials', 'parameters')),
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    applied_ms INTEGER,
    UNIQUE (kind, namespace, name)
) STRICT;

-- What coffer itself has in stores, or is about to put there (`intended`) or to delete (`doomed`). A
-- row is there before the secret is, and goes after it.
CREATE TABLE secrets (
    id INTEGER PRIMARY KEY,
    store TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'held', 'doomed')),
    installation TEXT REFERENCES installations (id),
    set_id TEXT REFERENCES sets (id),
    -- The run, or the change of a set, that wrote it.
    run TEXT NOT NULL,
    UNIQUE (store, key),
    CHECK ((installation IS NULL) <> (set_id IS NULL))
) STRICT;
CREATE INDEX secrets_of_run ON secrets (run);

-- The values that runs were given and produced. Each is one of: a value that can be shown (`plain`, JSON), a
-- secret of ours, or a reference to something that somebody else keeps (`store`, `source`, `key`). The
-- key of a reference of source `value` would be a value, so there is none.
CREATE TABLE inputs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('credential', 'parameter')),
    name TEXT NOT NULL,
    plain TEXT,
    secret INTEGER REFERENCES secrets (id),
    store TEXT,
    source TEXT CHECK (source IN ('command', 'env', 'path', 'secret')),
    key TEXT,
    PRIMARY KEY (run, kind, name),
    CHECK (kind <> 'credential' OR plain IS NULL),
    CHECK ((plain IS NOT NULL) + (secret IS NOT NULL) + (key IS NOT NULL) = 1),
    CHECK ((key IS NULL) = (store IS NULL) AND (key IS NULL) = (source IS NULL))
) STRICT;

CREATE TABLE outputs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    plain TEXT,
    secret INTEGER REFERENCES secrets (id),
    PRIMARY KEY (run, name),
    CHECK ((plain IS NOT NULL) + (secret IS NOT NULL) = 1)
) STRICT;

-- The parameters that were given to an installation, and are given to its next run.
CREATE TABLE overrides (
    installation TEXT NOT NULL REFERENCES installations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    plain TEXT,
    secret INTEGER REFERENCES secrets (id),
    PRIMARY KEY (installation, name),
    CHECK ((plain IS NOT NULL) + (secret IS NOT NULL) = 1)
) STRICT;

CREATE TABLE set_entries (
    set_id TEXT NOT NULL REFERENCES sets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    secret INTEGER REFERENCES secrets (id),
    -- The store, unless it is the default one at the time of use.
    store TEXT,
    source TEXT CHECK (source IN ('command', 'env', 'path', 'secret')),
    key TEXT,
    PRIMARY KEY (set_id, name),
    CHECK ((secret IS NOT NULL) + (key IS NOT NULL) = 1),
    CHECK ((key IS NULL) = (source IS NULL))
) STRICT;

-- Who acts on an installation or a set. `fence` grows with every holder; one that lost its lease cannot
-- write any more.
CREATE TABLE leases (
    subject TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    fence INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    renewed_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE fences (last INTEGER NOT NULL) STRICT;
INSERT INTO fences VALUES (0);

-- A reference to a secret that was not written, or that is to be deleted, cannot be made.
CREATE TRIGGER inputs_are_held BEFORE INSERT ON inputs WHEN NEW.secret IS NOT NULL AND
    (SELECT state FROM secrets WHERE id = NEW.secret) IS NOT 'held'
BEGIN SELECT RAISE(ABORT, 'the secret is not held'); END;
CREATE TRIGGER outputs_are_held BEFORE INSERT ON outputs WHEN NEW.secret IS NOT NULL AND
    (SELECT state FROM secrets WHERE id = NEW.secret) IS NOT 'held'
BEGIN SELECT RAISE(ABORT, 'the secret is not held'); END;
CREATE TRIGGER overrides_are_held BEFORE INSERT ON overrides WHEN NEW.secret IS NOT NULL AND
    (SELECT state FROM secrets WHERE id = NEW.secret) IS NOT 'held'
BEGIN SELECT RAISE(ABORT, 'the secret is not held'); END;
CREATE TRIGGER set_entries_are_held BEFORE INSERT ON set_entries WHEN NEW.secret IS NOT NULL AND
    (SELECT state FROM secrets WHERE id = NEW.secret) IS NOT 'held'
BEGIN SELECT RAISE(ABORT, 'the secret is not held'); END;
