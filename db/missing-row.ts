/** A row that is written about is gone: the database was put back to before it (ADR 0016). */
export class MissingRow extends Error {
  readonly of: 'payment' | 'refund';

  constructor(of: MissingRow['of'], id: string) {
    super(`the row of ${id} is gone`);
    this.of = of;
  }
}

/** The key of a row that was built without its merchant's own, which only a hash remembers. */
export function restoredKey(workflowId: string): string {
  return `restored/${workflowId}`;
}
