/** What the command line gives to a campaign. */
export interface CampaignOptions {
  readonly quick: boolean;
  readonly selfTestOnly: boolean;
  readonly json: boolean;
  readonly seed: number;
  /** Aborted by the first Ctrl-C: stop breaking things, check what was seen, say it. */
  readonly signal: AbortSignal;
}

/** One thing that must hold whatever is killed. */
export interface Campaign {
  readonly description: string;
  /** Whether chance decides what happens: then a seed repeats it, and a self-test proves that the checks can fail. */
  readonly drawsFaults: boolean;
  /** Resolves with whether it held. */
  run(options: CampaignOptions): Promise<boolean>;
  /** Checks again what a failed run has kept in `folder`, and resolves likewise. Absent where a run keeps nothing. */
  checkAgain?(folder: string, json: boolean): Promise<boolean>;
}
