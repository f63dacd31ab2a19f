import { DepotError } from '../../../errors.js';
import type { Attachment } from '../../attachment.js';
import { fieldOf } from './assignments.js';
import { attachmentsIn } from './payload.js';
import { onlyTakesAway } from './pipelines.js';
import type { Places } from './places.js';
import type { Operation, WriteCall } from './write-call.js';

type Pipeline = Operation & { readonly payload: readonly unknown[] };

/**
 * Refuses what attachments cannot follow, before anything is done.
 * @param values all that the call gives to attachment fields
 * @throws DepotError `ATTACHMENT_UNSUPPORTED`
 */
export function refuseUnsupported(call: WriteCall, values: readonly Attachment[], places: Places): void {
  const { method, operations, options } = call;
  if (values.some((value) => !fieldOf(value)))
    throw unsupported(method, 'an attachment is not in a field of the schema, or was not cast');
  if (isUnacknowledged(options))
    throw unsupported(method, 'without an acknowledgement (w: 0), its end is unknown');
  for (const operation of operations) refuseOperation(call, operation, places);
}

/**
 * A row that an upsert makes has what its filter says.
 * @throws DepotError `ATTACHMENT_UNSUPPORTED`
 */
export function refuseUpserts({ method, operations }: WriteCall): void {
  if (operations.some(({ filter, options }) => options.upsert && attachmentsIn(filter).length > 0))
    throw unsupported(method, 'an upsert would give the attachment in its filter to another row');
}

function refuseOperation({ method, operations }: WriteCall, operation: Operation, places: Places): void {
  const { kind, isMany, payload } = operation;
  const hasValues = kind === 'update' && attachmentsIn(payload).length > 0;
  if (hasValues && isMany)
    throw unsupported(method, 'several rows would share one file: update them one by one');
  if (hasValues && isPipeline(operation)) throw unsupported(method, 'a pipeline cannot have new attachments');
  if (isPipeline(operation) && !onlyTakesAway(operation.payload, places))
    throw unsupported(method, 'a pipeline that computes attachments: it can only take them away');
  if (isUpdate(operation) && changedPaths(payload).some((path) => places.reachesInto(path)))
    throw unsupported(method, 'an attachment is written as a whole only');
  if (renamesAway(operation, places))
    throw unsupported(method, '$rename would take an attachment out of its field');
  if (operations.length > 1 && mayDrop(operation, places) && !isPinned(operation))
    throw unsupported(method, 'in a bulk with others, a change of attachments needs the _id in its filter');
}

/** Whether rows may have fewer attachments after an operation than before. */
export function mayDrop(operation: Operation, places: Places): boolean {
  const { kind, payload } = operation;
  if (places.isEmpty || kind === 'insert') return false;
  if (!isUpdate(operation)) return true;
  return changedPaths(payload).some((path) => places.touches(path));
}

/** What update operators name, new names of `$rename` included. */
function changedPaths(update: unknown): string[] {
  return operatorsOf(update).flatMap(([operator, changes]) => [
    ...Object.keys(changes),
    ...(operator === '$rename' ? Object.values(changes).map(String) : []),
  ]);
}

function renamesAway(operation: Operation, places: Places): boolean {
  const { payload } = operation;
  if (!isUpdate(operation)) return false;
  const [, renames = {}] = operatorsOf(payload).find(([operator]) => operator === '$rename') ?? [];
  return Object.entries(renames).some(([from, to]) => places.touches(from) && !places.touches(String(to)));
}

/** By operators. */
function isUpdate(operation: Operation): boolean {
  return operation.kind === 'update' && !isPipeline(operation);
}

function isPipeline(operation: Operation): operation is Pipeline {
  return operation.kind === 'update' && Array.isArray(operation.payload);
}

function operatorsOf(update: unknown): [string, object][] {
  return Object.entries(Object(update)).map(([operator, changes]) => [operator, Object(changes)]);
}

/** Whether an operation concerns one row only, that no other operation of the bulk can bring into its filter. */
function isPinned({ filter }: Operation): boolean {
  const id: unknown = filter?._id;
  return id !== undefined && id !== null && !isCondition(id);
}

function isCondition(id: unknown): boolean {
  return typeof id === 'object' && id !== null && Object.keys(id).some((key) => key.startsWith('$'));
}

function isUnacknowledged({ writeConcern, w }: WriteCall['options']): boolean {
  return (writeConcern?.w ?? w) === 0;
}

function unsupported(method: string, reason: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', `${method}: ${reason}`);
}
