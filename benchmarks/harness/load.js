// @ts-check
import { requestPieces } from './bodies.js';
import { answerCalls } from './child.js';
import { Connection } from './http-client.js';

/** @typedef {import('./types.js').LoadJob} LoadJob */
/** @typedef {import('./types.js').RequestPlan} RequestPlan */

/** Makes the requests of a job; what it sends is made before the clock starts. @param {LoadJob} job */
async function run(job) {
  const { port, plan, count, concurrency } = job;
  const connections = Array.from({ length: concurrency }, () => new Connection(port));
  try {
    const first = /** @type {Connection} */ (connections[0]);
    const pieces = requestPieces(plan, plan.conditional ? await validators(first, plan) : {});
    return await timed(() => requestAll(connections, pieces, plan, count));
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** @param {() => Promise<unknown>} work */
async function timed(work) {
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await work();
  const seconds = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, clientCpu: (user + system) / 1e6 };
}

/** @param {Connection[]} connections @param {Buffer[]} pieces @param {RequestPlan} plan @param {number} count */
function requestAll(connections, pieces, plan, count) {
  let left = count;
  const go = async (/** @type {Connection} */ connection) => {
    while (left > 0) {
      left -= 1;
      checkAnswer(await connection.request(pieces), plan);
    }
  };
  return Promise.all(connections.map(go));
}

/** @param {import('./http-client.js').Answer} answer @param {RequestPlan} plan */
function checkAnswer(answer, plan) {
  if (answer.status !== plan.status)
    throw new Error(`${plan.method} ${plan.path} was answered with ${answer.status}`);
  if (plan.answerSize !== undefined && answer.bodySize !== plan.answerSize) {
    throw new Error(`${plan.path} has ${answer.bodySize} bytes instead of ${plan.answerSize}`);
  }
}

/** What a browser sends that has the file in its cache. @param {Connection} connection @param {RequestPlan} plan */
async function validators(connection, plan) {
  const { headers } = await connection.request(requestPieces(plan));
  /** @type {Record<string, string>} */
  const fields = {};
  const [etag, date] = [headers.get('etag'), headers.get('last-modified')];
  if (etag) fields['If-None-Match'] = etag;
  if (date) fields['If-Modified-Since'] = date;
  return fields;
}

answerCalls({ run });
