/** How long and how much the live feed waits, holds and lets in. Tests shorten it. */
export const LIVE_SETTINGS = {
  /** From the handshake to the first message that says who it is. */
  authenticateMs: 5_000,
  /** Who does not answer a ping until the next is let go. */
  heartbeatMs: 20_000,
  /** How long a revoked key still hears, at most. */
  recheckMs: 30_000,
  /** What no notification told of, or what waited for an older transaction, is found by looking. */
  lookEveryMs: 1_000,
  /** From our close to the end of the connection, for who does not answer it. */
  closeMs: 2_000,
  /** How long a client may take to read what waits for it, before more is sent. */
  stallMs: 30_000,
  /** Places of three kinds, of which none can be taken by another: merchants, all and each… */
  merchantConnectionsMax: 1_600,
  connectionsEachMax: 100,
  /** …operators, all and each… */
  operatorConnectionsMax: 200,
  operatorConnectionsEachMax: 20,
  /** …and who did not say yet who it is, all and for one address. */
  strangersMax: 200,
  strangersEachMax: 50,
  /** Messages of one client that wait for the one before. */
  messagesWaitingMax: 16,
  subscriptionsEachMinute: 60,
  /** Catch-ups that read at the same time; the rest of the pool is the API's. */
  readsMax: 4,
  /** Of these, for one merchant. */
  readsEachMax: 2,
} as const satisfies Record<string, number>;
export type LiveSettings = Readonly<Record<keyof typeof LIVE_SETTINGS, number>>;
