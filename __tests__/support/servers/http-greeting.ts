import { once } from 'node:events';
import { get } from 'node:http';

/** Fails unless an HTTP server answers 200. */
export async function greetHttp(url: string): Promise<void> {
  const [response] = await once(get(url, { agent: false }), 'response');
  response.resume();
  if (response.statusCode !== 200) throw new Error(`${url} answers ${response.statusCode}`);
}
