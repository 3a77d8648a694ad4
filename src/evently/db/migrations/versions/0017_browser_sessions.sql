-- owner: accounts

-- A session in a browser has a secret that its cookie keeps, and no refresh tokens: a browser may lose an
-- answer at any time, and a token that works once would end the session then.
ALTER TABLE sessions ADD COLUMN browser_hash bytea; -- sha256 of the secret

CREATE UNIQUE INDEX sessions_browser_hash_uq ON sessions (browser_hash); -- find the session of a cookie
