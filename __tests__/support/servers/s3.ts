import { join } from 'node:path';
import { greetHttp } from './http-greeting.js';
import { MissingProgramError } from './missing-program.js';
import type { Recipe } from './server-process.js';
import { startOwn, type TestServer, useForeign } from './test-server.js';

/** What its clients need to know. */
export interface S3Details {
  /** E.g. `http://127.0.0.1:20000`; a bucket is the first part of the path (`forcePathStyle`). */
  readonly endpoint: string;
  readonly region: string;
  /** Of an account that may do anything. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export type S3Server = TestServer & S3Details;

const REGION = 'us-east-1';
const CREDENTIALS = { accessKeyId: 'test-access-key', secretAccessKey: 'test-secret-key' };

/** @param storing where details of objects go */
const recipe = (storing: (folder: string) => readonly string[]): Recipe => ({
  program: 'versitygw',
  folders: ['accounts', 'details', 'objects'],
  parameters: (port, folder) => [
    ...['--port', `127.0.0.1:${port}`, '--region', REGION, '--health', '/health', '--quiet', '--keep-alive'],
    ...['--access', CREDENTIALS.accessKeyId, '--secret', CREDENTIALS.secretAccessKey],
    ...['--iam-dir', join(folder, 'accounts')],
    ...['posix', ...storing(folder), join(folder, 'objects')],
  ],
  greet: (port) => greetHttp(`http://127.0.0.1:${port}/health`),
});

/** Details in attributes of the content's file change with it at one moment; in files beside it they do not. */
const WITH_ATTRIBUTES = recipe(() => []);

/** For file systems without such attributes. */
const WITHOUT_ATTRIBUTES = recipe((folder) => ['--sidecar', join(folder, 'details')]);

/** An S3 server of the tests' own (versitygw), or that of `DEPOT_TEST_S3_URL`. */
export async function startS3Server(): Promise<S3Server> {
  const { DEPOT_TEST_S3_URL: endpoint } = process.env;
  if (endpoint) return useForeign(endpoint, { endpoint, ...foreignAccount() });
  const describe = (port: number) => ({
    endpoint: `http://127.0.0.1:${port}`,
    region: REGION,
    credentials: CREDENTIALS,
  });
  try {
    return await startOwn(WITH_ATTRIBUTES, describe);
  } catch (error) {
    if (error instanceof MissingProgramError) throw error;
    return startOwn(WITHOUT_ATTRIBUTES, describe);
  }
}

function foreignAccount(): Omit<S3Details, 'endpoint'> {
  const { DEPOT_TEST_S3_REGION, DEPOT_TEST_S3_ACCESS_KEY, DEPOT_TEST_S3_SECRET_KEY } = process.env;
  return {
    region: DEPOT_TEST_S3_REGION || REGION,
    credentials: {
      accessKeyId: DEPOT_TEST_S3_ACCESS_KEY ?? '',
      secretAccessKey: DEPOT_TEST_S3_SECRET_KEY ?? '',
    },
  };
}
