import type { Client, ModelClient } from '../../../lib/attachments/orm/prisma/client.js';
import type {
  AttachmentHarness,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
} from '../../../lib/testing/index.js';

type NewDocument = DocumentValues & { readonly name: string };

/** What the harness uses of a client that has attachments; the one in a transaction has less. */
export type ExtendedClient = Client & {
  readonly document: ModelClient;
  readonly folder: ModelClient;
  $attachments(): { recover(): Promise<unknown>; idle(): Promise<void>; close(): Promise<void> };
};

class PrismaOperations implements DocumentOperations {
  readonly #client: ExtendedClient;

  constructor(client: ExtendedClient) {
    this.#client = client;
  }

  async create(data: NewDocument): Promise<string> {
    return idOf(await this.#client.document.create?.({ data }));
  }

  async createMany(data: readonly NewDocument[]): Promise<string[]> {
    const created = await this.#client.document.createManyAndReturn?.({ data });
    return (created as unknown[]).map(idOf);
  }

  async update(id: string, data: DocumentValues): Promise<void> {
    await this.#client.document.update?.({ where: { id: Number(id) }, data });
  }

  updateTwice(id: string, first: DocumentValues, second: DocumentValues): Promise<void> {
    return this.update(id, { ...first, ...second });
  }

  async remove(id: string): Promise<void> {
    await this.#client.document.delete?.({ where: { id: Number(id) } });
  }

  async find(id: string): Promise<DocumentRow | undefined> {
    const row = await this.#client.document.findUnique({ where: { id: Number(id) } });
    return row ? ({ ...row, id } as never as DocumentRow) : undefined;
  }

  async updateMany(ids: readonly string[], data: DocumentValues): Promise<void> {
    await this.#client.document.updateMany?.({ where: { id: { in: ids.map(Number) } }, data });
  }

  async removeMany(ids: readonly string[]): Promise<void> {
    await this.#client.document.deleteMany?.({ where: { id: { in: ids.map(Number) } } });
  }

  async createFolder(documents: readonly NewDocument[]): Promise<string> {
    const data = { name: 'folder', documents: { create: documents } };
    return idOf(await this.#client.folder.create?.({ data }));
  }

  async removeFolder(id: string): Promise<void> {
    await this.#client.folder.delete?.({ where: { id: Number(id) } });
  }

  async nested<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    const body = (inner: Client) => act(new PrismaOperations(inner as ExtendedClient));
    return (await this.#client.$transaction(body, { maxWait: 20_000, timeout: 20_000 })) as Result;
  }
}

function idOf(row: unknown): string {
  return `${(row as { readonly id: number }).id}`;
}

/** What a program does with rows by Prisma. */
export class PrismaHarness extends PrismaOperations implements AttachmentHarness {
  readonly #client: ExtendedClient;
  readonly kill: () => Promise<void>;
  readonly #close: () => Promise<void>;

  constructor(client: ExtendedClient, kill: () => Promise<void>, close: () => Promise<void>) {
    super(client);
    this.#client = client;
    this.kill = kill;
    this.#close = close;
  }

  transaction<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    return this.nested(act);
  }

  async recover(): Promise<void> {
    await this.#client.$attachments().recover();
  }

  idle(): Promise<void> {
    return this.#client.$attachments().idle();
  }

  async close(): Promise<void> {
    await this.#client.$attachments().close();
    await this.#close();
  }
}
