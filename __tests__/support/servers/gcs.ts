import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { greetHttp } from './http-greeting.js';
import type { Recipe } from './server-process.js';
import { startOwn, type TestServer, useForeign } from './test-server.js';

/** What its clients need to know. */
export interface GcsDetails {
  /** E.g. `http://127.0.0.1:20000`: the `apiEndpoint` of a client, which then asks nobody for tokens. */
  readonly endpoint: string;
  readonly projectId: string;
  /** Of a service account that exists nowhere: enough to sign URLs, which the server does not verify. */
  readonly credentials: { readonly client_email: string; readonly private_key: string };
}

export type GcsServer = TestServer & GcsDetails;

export interface GcsOptions {
  /**
   * Whether objects are in files and outlive a restart. In memory they are lost with it; but only there every answer
   * is of one generation of an object while that is being replaced.
   * @default false
   */
  readonly persistent?: boolean;
}

const PROJECT = 'test-project';

/** A Google Cloud Storage server of the tests' own (fake-gcs-server), or that of `DEPOT_TEST_GCS_URL`. */
export async function startGcsServer({ persistent = false }: GcsOptions = {}): Promise<GcsServer> {
  const { DEPOT_TEST_GCS_URL: endpoint, DEPOT_TEST_GCS_PROJECT } = process.env;
  const account = { projectId: DEPOT_TEST_GCS_PROJECT || PROJECT, credentials: createCredentials() };
  if (endpoint) return useForeign(endpoint, { endpoint, ...account });
  return startOwn(recipe(persistent), (port) => ({ endpoint: `http://127.0.0.1:${port}`, ...account }));
}

function recipe(persistent: boolean): Recipe {
  return {
    program: 'fake-gcs-server',
    folders: ['objects'],
    parameters: (port, folder) => [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', `${port}`, '-log-level', 'warn'],
      // A host without a port is this host at any port: signed URLs work through a proxy too.
      ...['-public-host', '127.0.0.1', '-external-url', `http://127.0.0.1:${port}`],
      ...['-backend', persistent ? 'filesystem' : 'memory', '-filesystem-root', join(folder, 'objects')],
    ],
    greet: (port) => greetHttp(`http://127.0.0.1:${port}/_internal/healthcheck`),
  };
}

function createCredentials(): GcsDetails['credentials'] {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { client_email: `tests@${PROJECT}.iam.gserviceaccount.com`, private_key: privateKey };
}
