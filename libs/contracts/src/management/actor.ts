import { ArrayMaxSize, IsArray, IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';

export const ACTOR_KINDS = ['administrator', 'key', 'agent', 'operator'] as const;
/**
 * `administrator`: the holder of `ADMIN_API_KEY`. `key`: an API key of a tenant. `agent`: an agent
 * with its own API key. `operator`: a person who signed in.
 */
export type ActorKind = (typeof ACTOR_KINDS)[number];

/**
 * What an operator may do. `viewer`: read. `operator`: read, unlock, override and reset limits. `admin`: everything that the
 * administrator may. `auditor`: read, follow and export events with their proofs.
 */
export const OPERATOR_ROLES = ['viewer', 'operator', 'admin', 'auditor'] as const;
export type OperatorRoleName = (typeof OPERATOR_ROLES)[number];

/** The subject of an OpenID provider: at most 255 ASCII characters (OpenID Connect Core 1.0, section 2). */
export const OPERATOR_ID_PATTERN = /^[\x21-\x7e]{1,255}$/;
/** A name that people read: one line. */
export const OPERATOR_NAME_PATTERN = /^[^\p{Cc}\p{Cs}]{1,200}$/u;

/** Whether the requester belongs to the installation, and not to one of its tenants. */
export function isOfInstallation({ kind }: Pick<Actor, 'kind'>): boolean {
  return kind === 'administrator' || kind === 'operator';
}

/** An address with or without a port, or a name. */
export const SOURCE_ADDRESS_PATTERN = /^[\w.:%[\]-]{1,64}$/;

/** A reason that a person gives for a change, stored as it was given: one line of 1 to 200 characters, not only spaces. */
export const REASON_PATTERN = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,200}$/u;

/** Who requested a change, as the adapter authenticated the request. */
export class Actor {
  @IsIn(ACTOR_KINDS) kind!: ActorKind;
  /** Id of the key, name of the agent, or subject of the operator at the OpenID provider. The administrator has none. */
  @IsOptional() @IsString() @Length(1, 255) id?: string;
  /** Of an operator, as the provider states it. */
  @IsOptional() @Matches(OPERATOR_NAME_PATTERN) name?: string;
  /** Of an operator: the roles that the request was admitted with. */
  @IsOptional() @IsArray() @ArrayMaxSize(4) @IsIn(OPERATOR_ROLES, { each: true }) roles?: OperatorRoleName[];
  /** Network address of the client; `unknown` if the connection was closed. */
  @Matches(SOURCE_ADDRESS_PATTERN) sourceAddress!: string;
  /** Why, if the request deleted something and gave a reason. In the event it is a part of `detail`. */
  @IsOptional() @Matches(REASON_PATTERN) reason?: string;
}
