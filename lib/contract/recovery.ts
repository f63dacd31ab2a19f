/** What `recover` has found. */
export interface Recovery {
  /** Intents that were settled, or could not be: of processes that are no more, and debts of this one. */
  readonly intents: number;
  /** Paths of the files that were deleted. */
  readonly deleted: readonly string[];
  /** Paths of files that could not be deleted; the next recovery tries again. */
  readonly failed: readonly string[];
}

/** Something that a crash can leave unsettled, such as the attachments of a database. */
export interface Recoverable {
  /** Settles what processes that are no more have left. Several processes may do so at once. */
  recover(): Promise<Recovery>;
}

/** Several recoveries as one. */
export function totalRecovery(recoveries: readonly Recovery[]): Recovery {
  return {
    intents: recoveries.reduce((sum, { intents }) => sum + intents, 0),
    deleted: recoveries.flatMap(({ deleted }) => deleted),
    failed: recoveries.flatMap(({ failed }) => failed),
  };
}
