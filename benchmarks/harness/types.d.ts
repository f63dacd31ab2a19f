/** How one request is made. */
export interface RequestPlan {
  readonly method: string;
  readonly path: string;
  /** Body of this many random bytes. */
  readonly bodySize?: number;
  /** Whether the body goes as a file in a multipart form, as a browser sends it. */
  readonly form?: boolean;
  /** Value of the Range field. */
  readonly range?: string;
  /** Asks with the validators of an earlier answer, as a browser does that has the file in its cache. */
  readonly conditional?: boolean;
  /** Status of a right answer. */
  readonly status: number;
  /** Body bytes of a right answer, where they are known. */
  readonly answerSize?: number;
}

/** How often a request is made, and how many at once. */
export interface Load {
  readonly count: number;
  readonly concurrency: number;
}

export interface LoadJob extends Load {
  readonly port: number;
  readonly plan: RequestPlan;
}

export interface LoadResult {
  readonly seconds: number;
  /** CPU seconds of the load generator. */
  readonly clientCpu: number;
}

/** What a process has used so far. */
export interface Usage {
  /** Seconds. */
  readonly cpu: number;
  /** Resident bytes now. */
  readonly memory: number;
  /** Most resident bytes since the last reset. */
  readonly peakMemory: number;
}

/** One measured run of one candidate. */
export interface Run {
  readonly seconds: number;
  readonly operations: number;
  readonly bytes: number;
  readonly cpu: number;
  readonly clientCpu: number;
  readonly idleMemory: number;
  readonly peakMemory: number;
}

/** A process that is measured. */
export interface Subject {
  /** Does the work that is not counted. */
  warmUp(): Promise<void>;
  /** Does the work that is counted. */
  work(): Promise<LoadResult>;
  /** What the process has used; `reset` begins a new peak of memory. */
  usage(reset: boolean): Promise<Usage>;
  stop(): Promise<void>;
}

export interface Candidate {
  readonly name: string;
  /** Starts a fresh process of this candidate, with an empty folder of its own. */
  start(context: Context): Promise<Subject>;
  /** Fails where the work was not really done; may remove what was stored. */
  verify?(context: Context): Promise<void>;
  /** What this candidate must reach, as ratios to the scenario's first candidate. */
  readonly bar?: Bar;
}

export interface Bar {
  /** At least this many times the speed. */
  readonly speed?: number;
  /** At most this many times the CPU. */
  readonly cpu?: number;
  /** Memory grows by less than this many bytes over idle. */
  readonly growth?: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly rounds: number;
  readonly operations: number;
  /** Bytes of content in one operation. */
  readonly operationBytes: number;
  /** The first one is what the others are compared with. */
  readonly candidates: readonly Candidate[];
  /** Makes what all candidates share, once. */
  prepare?(folder: string): Promise<void>;
  /** Ends what `prepare` has started. */
  finish?(): Promise<void>;
}

export interface Context {
  /** Empty at the start, removed at the end of the run. */
  readonly folder: string;
  /** What `prepare` filled; kept for all runs of the scenario. */
  readonly shared: string;
  readonly client: LoadGenerator;
}

export interface LoadGenerator {
  run(job: LoadJob): Promise<LoadResult>;
  stop(): Promise<void>;
}

export interface Settings {
  /** Parts of names of scenarios; none for all. */
  readonly only: readonly string[];
  /** Parts of names of candidates; none for all. */
  readonly candidate: readonly string[];
  readonly rounds: number | undefined;
  readonly quick: boolean;
  readonly folder: string;
}

/** Middle, smallest and largest of the runs. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface CandidateResult {
  readonly name: string;
  readonly bar: Bar | undefined;
  readonly operationsPerSecond: Spread;
  readonly bytesPerSecond: Spread;
  /** CPU seconds of the server for one operation. */
  readonly cpuPerOperation: Spread;
  readonly idleMemory: Spread;
  readonly peakMemory: Spread;
  /** Bytes. */
  readonly memoryGrowth: Spread;
  /** Share of one core that the load generator used; near 1 it is what limits. */
  readonly clientBusy: Spread;
  /** Ratio to the first candidate in the same round. */
  readonly speedRatio: Spread;
  readonly cpuRatio: Spread;
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly rounds: number;
  readonly candidates: readonly CandidateResult[];
}
