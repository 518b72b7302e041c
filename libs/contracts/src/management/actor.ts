import { IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';

export const ACTOR_KINDS = ['administrator', 'key', 'agent'] as const;
/**
 * `administrator`: the holder of `ADMIN_API_KEY`. `key`: an API key of a tenant. `agent`: an agent
 * with its own API key.
 */
export type ActorKind = (typeof ACTOR_KINDS)[number];

/** An address with or without a port, or a name. */
export const SOURCE_ADDRESS_PATTERN = /^[\w.:%[\]-]{1,64}$/;

/** A reason that a person gives for a change, stored as it was given: one line of 1 to 200 characters, not only spaces. */
export const REASON_PATTERN = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,200}$/u;

/** Who requested a change, as the adapter authenticated the request. */
export class Actor {
  @IsIn(ACTOR_KINDS) kind!: ActorKind;
  /** Id of the key or name of the agent. The administrator has none. */
  @IsOptional() @IsString() @Length(1, 63) id?: string;
  /** Network address of the client; `unknown` if the connection was closed. */
  @Matches(SOURCE_ADDRESS_PATTERN) sourceAddress!: string;
  /** Why, if the request deleted something and gave a reason. In the event it is a part of `detail`. */
  @IsOptional() @Matches(REASON_PATTERN) reason?: string;
}
