/** A row as Prisma gives it; attachments are read by the extension's result component. */
export type Row = Readonly<Record<string, unknown>>;

/** What an operation is given. */
export interface Arguments {
  readonly where?: Row;
  readonly data?: unknown;
  readonly create?: Row;
  readonly update?: Row;
  readonly limit?: number;
  readonly [other: string]: unknown;
}

/** The operations on a model that are used here. */
export interface ModelClient {
  findMany(parameters: object): Promise<Row[]>;
  findUnique(parameters: object): Promise<Row | null>;
  readonly [operation: string]: (parameters: Arguments) => Promise<unknown>;
}

/** What is used of a client, and of the client in a transaction. */
export interface Client {
  $transaction(body: (inner: Client) => Promise<unknown>, options?: object): Promise<unknown>;
  $transaction(operations: readonly unknown[], options?: object): Promise<unknown[]>;
  $queryRawUnsafe(text: string, ...parameters: readonly unknown[]): Promise<Row[]>;
  $extends(extension: object): Client;
}

/** The operations on a model of a client. */
export function modelOf(client: Client, name: string): ModelClient {
  return Reflect.get(client, name);
}
