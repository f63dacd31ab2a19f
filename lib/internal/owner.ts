import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** After this time (milliseconds) without a change, what a process on another machine has left counts as abandoned. */
export const FOREIGN_OWNER_PATIENCE = 24 * 60 * 60 * 1000;

/** Tells copies of this module apart that are loaded into one process. */
const INSTANCE = randomBytes(4).toString('hex');

/** The namespace of our processes (Linux, pid_namespaces(7)). */
const PROCESS_NAMESPACE = fact(() => readlinkSync('/proc/self/ns/pid').replace('pid', ''));

/** Linux, proc(5). */
const BOOT = fact(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8));

/**
 * Who has begun something: machine, process, the start of that process, so that a later process with the same id is told
 * apart, and the instance of this module in it. Fit to be a folder's name.
 */
export function ownerName(pid: number = process.pid, instance: string = INSTANCE): string {
  return [machineName(), pid, startOfProcess(pid), instance].join('.');
}

/**
 * Whether nobody will come back for what this owner left. For an owner on another machine, who cannot be asked, the
 * time of the last change decides.
 * @param lastChange milliseconds since the epoch
 * @param patience milliseconds that an owner on another machine is given
 */
export function isAbandoned(owner: string, lastChange: number, patience = FOREIGN_OWNER_PATIENCE): boolean {
  const [machine, pid, start] = owner.split('.');
  if (machine !== machineName()) return Date.now() - lastChange > patience;
  return !isRunning(Number(pid)) || startOfProcess(Number(pid)) !== start;
}

/** Containers may share a name, and not see each other's processes: they count as machines of their own. */
function machineName(): string {
  return `${hostname()}-${PROCESS_NAMESPACE}`.replace(/[^A-Za-z0-9-]/g, '-');
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Clock ticks from boot to the start of the process (Linux, proc(5), field 22), with the id of that boot: the first
 * processes of a machine start at the same tick every time. `0` where nobody tells.
 */
function startOfProcess(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const afterCommand = status.slice(status.lastIndexOf(')') + 2);
    return `${afterCommand.split(' ')[19]}-${BOOT}`;
  } catch {
    return '0';
  }
}

/** What Linux says of itself, without what is not fit for a name; `0` where there is no such thing. */
function fact(read: () => string): string {
  try {
    return read().replace(/[^A-Za-z0-9]/g, '');
  } catch {
    return '0';
  }
}
