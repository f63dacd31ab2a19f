import { Attachment } from '../../attachment.js';

/** All attachments in what is sent to the database, each once. */
export function attachmentsIn(payload: unknown): Attachment[] {
  const found = new Set<Attachment>();
  exchanged(payload, (attachment) => {
    found.add(attachment);
    return attachment;
  });
  return [...found];
}

/** What is sent to the database, with something else in the place of attachments; parts without any are not copied. */
export function exchanged(payload: unknown, act: (attachment: Attachment) => unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload;
  if (payload instanceof Attachment) return act(payload);
  if (Array.isArray(payload)) return exchangedList(payload, act);
  if (payload instanceof Map) return exchangedEntries(Object.fromEntries(payload), act) ?? payload;
  if (isSubdocument(payload)) return exchangedEntries(payload.toBSON(), act) ?? payload;
  return isPlainObject(payload) ? (exchangedEntries(payload, act) ?? payload) : payload;
}

function exchangedList(
  list: readonly unknown[],
  act: (attachment: Attachment) => unknown,
): readonly unknown[] {
  const copy = Array.from(list, (value) => exchanged(value, act));
  return copy.some((value, index) => value !== list[index]) ? copy : list;
}

/** Nothing where nothing is exchanged. */
function exchangedEntries(values: object, act: (attachment: Attachment) => unknown): object | undefined {
  const entries = Object.entries(values).map(([key, value]) => [key, value, exchanged(value, act)] as const);
  if (entries.every(([, value, other]) => value === other)) return undefined;
  return Object.fromEntries(entries.map(([key, , other]) => [key, other]));
}

interface Subdocument {
  readonly $__: object;
  toBSON(): object;
}

function isSubdocument(value: object): value is Subdocument {
  return '$__' in value && 'toBSON' in value && typeof value.toBSON === 'function';
}

/** Of whatever realm. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
