import {
  type Actor,
  type OperatorLogoutRequested,
  type OperatorSessionStartRequested,
  type OperatorSessionState,
} from '@countersign/contracts';

/** A sign-in that has begun. */
export interface BegunSignIn {
  readonly returnTo: string;
  readonly recent: boolean;
}

/** Stores the sessions of operators. The row decides whether a session holds, for every copy of every service. */
export abstract class OperatorSessionStore {
  /** Stores a sign-in. Removes those that are too old, and the oldest ones when there are too many. */
  abstract begin(idHash: string, signIn: BegunSignIn): Promise<void>;

  /** Removes the sign-in and returns it; undefined when it does not exist, is too old or was taken before. */
  abstract take(idHash: string): Promise<BegunSignIn | undefined>;

  /** Stores a session and its fact. A repeated command changes nothing. @returns the session */
  abstract start(command: OperatorSessionStartRequested): Promise<OperatorSessionState>;

  /** @param isUse moves the end of the idle time. @returns undefined when the session has ended */
  abstract session(idHash: string, idleSeconds: number, isUse: boolean): Promise<OperatorSessionState | undefined>;

  /** Ends the session, or all sessions of its operator. Stores a fact if one has ended. @returns how many have ended */
  abstract end(commandId: string, idHash: string, everywhere: boolean, actor: Actor): Promise<number>;

  /** Ends the sessions that a logout token names, with a fact. @returns undefined: the token had its effect before */
  abstract logout(command: OperatorLogoutRequested): Promise<number | undefined>;

  /**
   * Removes sessions that have ended by their absolute time, or by the idle time of the adapter that started or used them last. A
   * session of an earlier version has no idle time until it is used.
   */
  abstract purge(): Promise<void>;

  /** How many sessions {@link purge} would keep. */
  abstract count(): Promise<number>;
}
