export { describeWith } from './describe-with.js';
export { type GcsServer, startGcsServer } from './gcs.js';
export { type MongoServer, startMongoServer } from './mongodb.js';
export { type PostgresServer, startPostgresServer } from './postgres.js';
export { pythonWithDepot } from './python.js';
export { type S3Server, startS3Server } from './s3.js';
export { sqliteDriver } from './sqlite.js';
export type { TestServer } from './test-server.js';
