import type { Intent } from './journal/journal.js';

/** A file that may come: its id, and the intent that stands for it. */
export interface Slot {
  readonly id: string;
  readonly intent: Intent;
}

/** A slot for a file that comes now. */
export interface TakenSlot extends Slot {
  /** Resolves when the intent is on record. */
  readonly announced: Promise<void>;
}

export interface SlotDesk {
  newSlot(): Slot;
  announce(slots: readonly Slot[]): Promise<void>;
  /** Takes back slots that are announced, or may be. */
  forget(slots: readonly Slot[]): void;
}

/** Slots that are announced ahead at once, at most. */
const MOST_AHEAD = 15;

/** Milliseconds in which those are used that are announced ahead, or forgotten. */
const LIFETIME = 1000;

/**
 * The slots of one storage. While files come quickly, one that has to be announced takes along others for those that will
 * come next, so that these need not wait.
 */
export class Slots {
  readonly #desk: SlotDesk;
  /** Announced and free. */
  #ready: Slot[] = [];
  #ahead = 0;
  #announcedAt = Number.NEGATIVE_INFINITY;
  /** Of more than one slot. */
  #announcing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(desk: SlotDesk) {
    this.#desk = desk;
  }

  take(): TakenSlot {
    if (!this.#ready.every(isFresh)) this.#forgetReady();
    const ready = this.#ready.pop();
    if (ready) return { ...ready, announced: Promise.resolve() };
    const slot = this.#desk.newSlot();
    const more = this.#announcing ? [] : this.#nextSlots();
    return { ...slot, announced: this.#announce(slot, more) };
  }

  /** Forgets those that are free, also those that are being announced. */
  async release(): Promise<void> {
    this.#forgetReady();
    if (!this.#announcing) return;
    await this.#announcing;
    this.#forgetReady();
  }

  /** More with each time, if the last ones were used up at once. */
  #nextSlots(): Slot[] {
    const now = performance.now();
    const isBusy = now - this.#announcedAt < LIFETIME;
    this.#announcedAt = now;
    this.#ahead = isBusy ? Math.min(2 * this.#ahead + 1, MOST_AHEAD) : 0;
    return Array.from({ length: this.#ahead }, () => this.#desk.newSlot());
  }

  #announce(slot: Slot, more: readonly Slot[]): Promise<void> {
    const announced = this.#desk.announce([slot, ...more]);
    if (more.length > 0) {
      const stockUp = () => this.#stockUp(more);
      this.#announcing = announced
        .then(stockUp, () => this.#desk.forget(more))
        .finally(() => {
          this.#announcing = undefined;
        });
    }
    return announced;
  }

  #stockUp(slots: readonly Slot[]): void {
    this.#ready.push(...slots);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#forgetReady(), LIFETIME).unref();
  }

  #forgetReady(): void {
    clearTimeout(this.#timer);
    this.#desk.forget(this.#ready);
    this.#ready = [];
  }
}

/** A process that has slept must not use what others take for abandoned by now. */
function isFresh({ intent }: Slot): boolean {
  return Date.now() - intent.createdAt.getTime() < 2 * LIFETIME;
}
