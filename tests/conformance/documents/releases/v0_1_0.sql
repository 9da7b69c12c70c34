PRAGMA application_id = 1279345735;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE imports (
        id TEXT PRIMARY KEY NOT NULL,
        organization_id TEXT NOT NULL,
        issuer_id TEXT NOT NULL,
        params TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        host TEXT NOT NULL,
        request_id TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        run_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        image_id TEXT,
        import_type TEXT,
        attempts INTEGER NOT NULL,
        abandoned INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        worker_id TEXT,
        error TEXT,
        image TEXT
    ) STRICT
    ;
INSERT INTO "imports" VALUES('b2d53278-cb6b-4d7c-9be4-8aeb05986c6b','release-organization','release-issuer','{"album_id":"album","url":"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7","tags":"a,b","controller":"api/v1/imports","action":"create"}',1796196120819,'','535fce43-01b4-430e-8bfe-4b9482a74505',1796196122609,1796196120819,'done','ae1ef816-8c4c-4812-a588-fcd79ee901ff','data',1,0,2,NULL,NULL,'{"format":"GIF","content_type":"image/gif","width":1,"height":1,"frames":1,"byte_size":42,"sha256":"ef1955ae757c8b966c83248350331bd3a30f658ced11f387f8ebf05ab3368629","storage":"local","key":"b2/d5/b2d53278-cb6b-4d7c-9be4-8aeb05986c6b"}');
INSERT INTO "imports" VALUES('1a99aed1-8a03-402d-ba2f-aa0d7bdf7f0c','release-organization','release-issuer','{"album_id":"album","url":"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7AA==","metadata":{"shelf":"1"},"controller":"api/v1/imports","action":"create"}',1796196122629,'','9d7d4581-455b-4011-90f6-b4da74e41fe1',1796196122646,1796196122629,'done','cf1353a6-09ac-4785-a4b1-05c05ee23320','data',1,0,2,NULL,NULL,'{"format":"GIF","content_type":"image/gif","width":1,"height":1,"frames":1,"byte_size":43,"sha256":"b3b57170f856cfaa2dc383ad24692e2b18f064b9aa7b46efd4d88d1f0b99c86b","storage":"local","key":"1a/99/1a99aed1-8a03-402d-ba2f-aa0d7bdf7f0c"}');
INSERT INTO "imports" VALUES('d64703fd-b41f-462d-8a3d-ead3b738dfb7','release-organization','release-issuer','{"album_id":"album","url":"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7AAA=","metadata":{"shelf":"2"},"controller":"api/v1/imports","action":"create"}',1796196122663,'','fa7f9169-6b5f-4fe5-975e-12bbb2a80054',1796196122694,1796196122663,'done','deb5f794-c7ab-4c78-92e8-e74556c126f2','data',1,0,2,NULL,NULL,'{"format":"GIF","content_type":"image/gif","width":1,"height":1,"frames":1,"byte_size":44,"sha256":"2e09cc2e7dde2d5636fe0bed0d424e497967fbcbfbc380ff278d856b068abf5f","storage":"local","key":"d6/47/d64703fd-b41f-462d-8a3d-ead3b738dfb7"}');
INSERT INTO "imports" VALUES('a62332a7-df41-4cee-a1ac-fca14ca61fbc','release-organization','release-issuer','{"album_id":"album","url":"data:text/plain,no%20image","controller":"api/v1/imports","action":"create"}',1796196122717,'','8d6866e9-8079-447b-8557-a024a54cab1a',1796196122746,1796196122717,'failed',NULL,'data',1,0,2,NULL,'{"code":"not_an_image","detail":"The bytes are not an image of a known format.","retryable":false}',NULL);
INSERT INTO "imports" VALUES('5b1b00ef-a642-40f3-b60a-76bc6f0ae84f','release-organization','release-issuer','{"album_id":"album","url":"http://127.0.0.1:8098/never.gif","filename":"never.gif","controller":"api/v1/imports","action":"create"}',1796196122771,'127.0.0.1','f746e437-ea98-4d28-8d4f-1c83c0854631',1796196122776,1796196122771,'running',NULL,NULL,1,0,1,'8066b12c-8148-46ea-9aa2-6eb6b9076843',NULL,NULL);
CREATE TABLE issuers (
        id TEXT PRIMARY KEY NOT NULL,
        organization_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        algorithm TEXT NOT NULL,
        enabled INTEGER NOT NULL,
        require_exp INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "issuers" VALUES('release-issuer','release-organization','4LNnqZro3BcJV-LihA5S2ZcwdET3z5uRvYNeQI6RjN0FjCrzTRALVfa4hHhutJmOETq_b3tkIJ45PUDm7QGXgw','HS256',1,1);
CREATE TABLE workers (id TEXT PRIMARY KEY NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "workers" VALUES('8066b12c-8148-46ea-9aa2-6eb6b9076843',1796196150813);
CREATE INDEX imports_queued ON imports (issuer_id, run_at) WHERE status = 'queued';
CREATE INDEX imports_running ON imports (worker_id) WHERE status = 'running';
COMMIT;
