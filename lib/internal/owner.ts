import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

/** After this time (milliseconds) without a change, what a process on another machine has left counts as abandoned. */
export const FOREIGN_OWNER_PATIENCE = 24 * 60 * 60 * 1000;

/** What Linux does not tell, or another system. */
const UNKNOWN = '0';

/** Tells copies of this module apart that are loaded into one process. */
const INSTANCE = randomBytes(4).toString('hex');

/** Tells machines of one name apart; hashed, as it is not to be shown (Linux, machine-id(5)). */
const MACHINE_ID = fact(() => {
  const id = readFileSync('/etc/machine-id', 'latin1').trim();
  return id && createHash('sha256').update(`filedepot ${id}`).digest('hex').slice(0, 8);
});

/** The namespace of our processes (Linux, pid_namespaces(7)). */
const PROCESS_NAMESPACE = fact(() => linkTarget('/proc/self/ns/pid').replace('pid', ''));

/** Linux, proc(5). */
const BOOT = fact(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8));

/** The thread that has loaded this module: what a worker has begun ends with it, not with its process. */
const THREAD = threadId();

/**
 * Who has begun something: machine, process or worker's thread, the start of that, so that a later one with the same id is
 * told apart, and the instance of this module in it. Fit to be a folder's name.
 */
export function ownerName(pid: number = THREAD, instance: string = INSTANCE): string {
  return [machineName(), pid, startOf(pid), instance].join('.');
}

/**
 * Whether nobody will come back for what this owner left. For an owner on another machine, who cannot be asked, the
 * time of the last change decides.
 * @param lastChange milliseconds since the epoch
 * @param patience milliseconds that an owner on another machine is given
 */
export function isAbandoned(owner: string, lastChange: number, patience = FOREIGN_OWNER_PATIENCE): boolean {
  const [machine, pid, start = ''] = owner.split('.');
  const isForeign = !isName(machine) || isOfOtherMachine(start, lastChange);
  if (isForeign) return Date.now() - lastChange > patience;
  return !isRunning(Number(pid)) || startOf(Number(pid)) !== start;
}

/** Containers may share a name, and not see each other's processes: they count as machines of their own. */
function machineName(): string {
  return nameOf(hostname(), MACHINE_ID, PROCESS_NAMESPACE);
}

/** Whether a machine is called as this one is now, or as it was when names had no machine's id yet. */
function isName(machine: string | undefined): boolean {
  return machine === machineName() || machine === nameOf(hostname(), PROCESS_NAMESPACE);
}

function nameOf(...facts: string[]): string {
  return facts.join('-').replace(/[^A-Za-z0-9-]/g, '-');
}

/** What was changed since this machine was started was not changed before: another machine has the same name, and its own boot. */
function isOfOtherMachine(start: string, lastChange: number): boolean {
  const [, boot = BOOT] = start.split('-');
  return boot !== BOOT && lastChange > Date.now() - uptime() * 1000;
}

/** The system's id of this thread, that of the process for its first one (Linux, proc(5)); elsewhere the process' id. */
function threadId(): number {
  const [pid, , thread] = linkTarget('/proc/thread-self').split('/').map(Number);
  return thread !== undefined && pid === process.pid && startOf(thread) !== UNKNOWN ? thread : process.pid;
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
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
 * Clock ticks from boot to the start of a process or thread (Linux, proc(5), field 22), with the id of that boot: the first
 * processes of a machine start at the same tick every time. `0` where nobody tells.
 */
function startOf(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const afterCommand = status.slice(status.lastIndexOf(')') + 2);
    return `${afterCommand.split(' ')[19]}-${BOOT}`;
  } catch {
    return UNKNOWN;
  }
}

/** What Linux says of itself, without what is not fit for a name; `0` where there is no such thing. */
function fact(read: () => string): string {
  try {
    return read().replace(/[^A-Za-z0-9]/g, '') || UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}
