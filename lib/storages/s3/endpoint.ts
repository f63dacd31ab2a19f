import type * as Sdk from '@aws-sdk/client-s3';
import { DepotError } from '../../errors.js';

/** Where the requests for a bucket go, and how they are to be signed. */
export type Endpoint = ReturnType<Sdk.S3Client['config']['endpointProvider']>;

/**
 * The address of a bucket, as the SDK itself finds it. The configuration of the client does not tell one that comes from the
 * environment or a profile: so a request is prepared by all that the SDK does before it is signed, and goes nowhere.
 */
export async function findEndpoint(
  { PutObjectCommand }: typeof Sdk,
  { middlewareStack, config }: Sdk.S3Client,
  Bucket: string,
): Promise<Endpoint> {
  let endpoint: Endpoint | undefined;
  const command = new PutObjectCommand({ Bucket, Key: 'any' });
  command.middlewareStack.add(
    (_next, context) => async () => {
      endpoint = context.endpointV2;
      return { response: {}, output: { $metadata: {} } };
    },
    { step: 'build', priority: 'high', name: 'depotFindEndpoint' },
  );
  await command.resolveMiddleware(middlewareStack, config, {})(command);
  if (endpoint) return endpoint;
  throw new DepotError('STORAGE_FAILED', `The AWS SDK finds no address of the bucket ${Bucket}`);
}
