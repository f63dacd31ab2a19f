import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FaultProxy } from '../support/fault-proxy.js';
import { until } from '../support/until.js';

const PIECE = Buffer.alloc(200_000, 'piece of data');

async function listen(server: Server | HttpServer): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** All that arrives until the other side ends; this side stays open. */
async function receive(socket: Socket): Promise<Buffer> {
  const received: Buffer[] = [];
  socket.on('data', (piece: Buffer) => received.push(piece));
  await once(socket, 'end');
  return Buffer.concat(received);
}

function closing(...sockets: Socket[]): Promise<unknown> {
  return Promise.all(sockets.map((socket) => new Promise((closed) => socket.once('close', closed))));
}

describe('a TCP proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  /** The server's side of the connection. */
  let peers: Socket[];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    peers = [];
    server = createServer({ allowHalfOpen: true }, (peer) => {
      peer.on('error', () => {});
      peers.push(peer);
    });
    proxy = await FaultProxy.start(`mongodb://${await listen(server)}/?directConnection=true`);
  });

  afterEach(async () => {
    for (const socket of [...sockets.splice(0), ...peers]) socket.destroy();
    await proxy.stop();
    server.close();
  });

  /** The two ends of a connection by way of the proxy. */
  async function open(): Promise<[Socket, Socket]> {
    const { hostname, port } = new URL(proxy.url);
    const client = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    client.on('error', () => {});
    sockets.push(client);
    const known = peers.length;
    await until(() => peers.length > known, 'the connection');
    return [client, peers[known] as Socket];
  }

  async function send(from: Socket, to: Socket, data: Buffer | string): Promise<Buffer> {
    const received: Buffer[] = [];
    const collect = (piece: Buffer) => received.push(piece);
    to.on('data', collect);
    from.write(data);
    await until(() => Buffer.concat(received).length >= data.length, 'the data');
    to.off('data', collect);
    return Buffer.concat(received);
  }

  test('keeps the rest of the URL', () => {
    expect(proxy.url).toMatch(/^mongodb:\/\/127\.0\.0\.1:\d+\/\?directConnection=true$/);
  });

  test('passes data and ends on, both ways', async () => {
    const [client, peer] = await open();
    expect((await send(client, peer, PIECE)).equals(PIECE)).toBe(true);
    client.end();
    await once(peer.resume(), 'end');
    peer.end(PIECE);
    expect((await buffer(client)).equals(PIECE)).toBe(true);
    await until(() => proxy.openConnections === 0, 'the end of the connection');
    expect(proxy.connections).toBe(1);
  });

  test('delays, and then does not', async () => {
    const [client, peer] = await open();
    proxy.set({ delay: 1000 });
    const start = performance.now();
    await send(client, peer, 'late');
    expect(performance.now() - start).toBeGreaterThan(990);
    await send(peer, client, 'late');
    expect(performance.now() - start).toBeGreaterThan(1980);
    proxy.clear();
    const second = performance.now();
    await send(client, peer, 'prompt');
    expect(performance.now() - second).toBeLessThan(990);
  });

  test.each(['request', 'response'] as const)('resets both sides at a byte of the %s', async (direction) => {
    const [client, peer] = await open();
    const [from, to] = direction === 'request' ? [client, peer] : [peer, client];
    proxy.set({ cut: { kind: 'reset', direction, after: 1000 } });
    await send(from, to, Buffer.alloc(1000));
    await send(to, from, Buffer.alloc(2000));
    const closed = closing(client, peer);
    const received = buffer(to).catch((error) => error);
    from.write('x');
    await closed;
    expect(await received).toMatchObject({ code: 'ECONNRESET' });
    expect(to.bytesRead).toBe(1000);
  });

  test.each(['request', 'response'] as const)('ends the %s at a byte', async (direction) => {
    const [client, peer] = await open();
    const [from, to] = direction === 'request' ? [client, peer] : [peer, client];
    proxy.set({ cut: { kind: 'truncate', direction, after: 1000 } });
    from.end(PIECE);
    expect((await receive(to)).equals(PIECE.subarray(0, 1000))).toBe(true);
    to.end('answer');
    expect(`${await receive(from)}`).toBe('answer');
  });

  test.each(['request', 'response'] as const)('stalls the %s at a byte and goes on', async (direction) => {
    const [client, peer] = await open();
    const [from, to] = direction === 'request' ? [client, peer] : [peer, client];
    proxy.set({ cut: { kind: 'stall', direction, after: 1000 } });
    const received = buffer(to);
    from.end(PIECE);
    await until(() => to.bytesRead === 1000, 'what passes');
    await send(to, from, 'the other direction passes');
    expect(to.bytesRead).toBe(1000);
    proxy.clear();
    expect((await received).equals(PIECE)).toBe(true);
  });

  test('counts anew for each connection and each fault', async () => {
    const cut = { kind: 'truncate', direction: 'request', after: 10 } as const;
    proxy.set({ cut });
    const [first, firstPeer] = await open();
    await send(first, firstPeer, '0123456');
    proxy.set({ cut });
    await send(first, firstPeer, '0123456');
    const [second, secondPeer] = await open();
    await send(second, secondPeer, '0123456789');
    second.write('x');
    expect(await text(secondPeer)).toBe('');
  });

  test('cuts as many connections as it is told', async () => {
    proxy.set({ cut: { kind: 'reset', direction: 'request', after: 0, times: 2 } });
    for (let time = 0; time < 2; time++) {
      const [client] = await open();
      client.write('x');
      await closing(client);
    }
    const [client, peer] = await open();
    await send(client, peer, 'passes');
  });

  test('drops connections', async () => {
    const [client, peer] = await open();
    const closed = closing(client, peer);
    proxy.dropConnections();
    await closed;
    await until(() => proxy.openConnections === 0, 'the end of the connection');
    await open();
  });

  test('passes on that the server is gone', async () => {
    const [client, peer] = await open();
    peer.resetAndDestroy();
    await expect(text(client)).rejects.toMatchObject({ code: 'ECONNRESET' });
    server.close();
    const { hostname, port } = new URL(proxy.url);
    await expect(text(connect(Number(port), hostname))).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('closes everything when it stops, what stalls too', async () => {
    const [client, peer] = await open();
    proxy.set({ cut: { kind: 'stall', direction: 'request', after: 0 } });
    const closed = closing(client, peer);
    client.write(PIECE);
    const { hostname, port } = new URL(proxy.url);
    await proxy.stop();
    await closed;
    await expect(text(connect(Number(port), hostname))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    proxy = await FaultProxy.start('mongodb://127.0.0.1:1/');
  });
});

describe('an HTTP proxy', () => {
  let server: HttpServer;
  let proxy: FaultProxy;

  beforeEach(async () => {
    server = createHttpServer(async (request, response) => {
      const size = (await buffer(request)).length;
      const { method, url, headers } = request;
      response.setHeader('Set-Cookie', ['a', 'b']);
      response.end(JSON.stringify({ method, url, host: headers.host, size }));
    });
    proxy = await FaultProxy.start(`http://${await listen(server)}`);
  });

  afterEach(async () => {
    await proxy.stop();
    server.close();
  });

  async function statuses(count: number, method = 'GET'): Promise<number[]> {
    const found: number[] = [];
    for (let request = 0; request < count; request++) {
      const answer = await fetch(`${proxy.url}/file`, { method });
      await answer.text();
      found.push(answer.status);
    }
    return found;
  }

  test('passes requests and answers on as they are', async () => {
    const answer = await fetch(`${proxy.url}//a%2Fb?c=d`, { method: 'PUT', body: PIECE });
    expect(answer.status).toBe(200);
    expect(answer.headers.getSetCookie()).toEqual(['a', 'b']);
    expect(await answer.json()).toEqual({
      method: 'PUT',
      url: '//a%2Fb?c=d',
      host: new URL(proxy.url).host,
      size: PIECE.length,
    });
    expect(proxy.requests).toEqual(['PUT //a%2Fb?c=d']);
  });

  test('answers a number of requests with 503, on connections that stay open', async () => {
    proxy.set({ unavailable: { requests: 8 } });
    expect(await statuses(10)).toEqual([...Array(8).fill(503), 200, 200]);
    expect(proxy.requests).toHaveLength(10);
    // The client is free to open a second one while it finishes with the first.
    expect(proxy.connections).toBeLessThanOrEqual(2);
  });

  test('answers with 503 when it has read the request', async () => {
    proxy.set({ unavailable: {} });
    const answer = await fetch(proxy.url, { method: 'PUT', body: Buffer.alloc(5_000_000) });
    expect(answer.status).toBe(503);
    proxy.clear();
    expect(await statuses(1)).toEqual([200]);
  });

  test('answers some of the requests with 503, the same ones each time', async () => {
    const unavailable = { probability: 0.3 };
    proxy.set({ unavailable });
    const first = await statuses(100);
    const refused = first.filter((status) => status === 503).length;
    expect(refused).toBeGreaterThan(20);
    expect(refused).toBeLessThan(40);
    proxy.set({ unavailable });
    expect(await statuses(100)).toEqual(first);
  });

  test('answers only certain requests with 503', async () => {
    proxy.set({ unavailable: { matching: /^DELETE / } });
    expect(await statuses(1, 'DELETE')).toEqual([503]);
    expect(await statuses(1)).toEqual([200]);
  });

  test('breaks off an answer', async () => {
    proxy.set({ cut: { kind: 'truncate', direction: 'response', after: 150 } });
    const failure = await fetch(proxy.url)
      .then((answer) => answer.text())
      .catch((error) => error);
    expect(failure.name).toBe('TypeError');
  });

  test('has a broken connection where the server has one', async () => {
    server.removeAllListeners('request').on('request', (request) => request.socket.resetAndDestroy());
    await expect(fetch(proxy.url)).rejects.toThrow('fetch failed');
  });
});
