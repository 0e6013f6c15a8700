/** What operators may ask of all open payments of a provider at once. */
export const CONTROL_ACTIONS = ['look_up', 'pause', 'resume'] as const;
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

export type Control = {
  readonly action: ControlAction;
  /** Who asked, as the audit trail shows it. */
  readonly by: string;
  readonly reason: string;
};
