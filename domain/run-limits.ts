/**
 * How much one run of a workflow may hold before it goes on as a new run. Temporal ends a run at
 * 51,200 events and warns at 10,240; it takes 2,000 updates and 10,000 signals. What is left above
 * these limits is a reserve for captures, cancels and decisions.
 */
export type RunLimits = {
  readonly events: number;
  readonly updates: number;
  readonly signals: number;
  /** How often a payment's provider is asked on request within an hour. */
  readonly verifiesPerHour: number;
};

export const RUN_LIMITS: RunLimits = {
  events: 8_000,
  updates: 500,
  signals: 2_000,
  verifiesPerHour: 60,
};
