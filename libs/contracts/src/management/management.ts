import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { Actor, REASON_PATTERN } from './actor.js';
import { Message } from '../messages/message.js';
import { IsName, IsSubjectId } from '../names.js';
import { Preconditions } from './preconditions.js';
import { REPLY, TOPICS } from '../topics.js';
import { METHODS, type Method, type Violation } from '../verification/verification.js';

const HEX_64 = /^[0-9a-f]{64}$/;

/**
 * How a change is applied. `set`: each given field replaces the old value; other fields stay. `merge`: a merge patch (RFC
 * 7396) at every depth, in which null removes a field.
 */
export const CHANGE_MODES = ['set', 'merge'] as const;
export type ChangeMode = (typeof CHANGE_MODES)[number];

/** Base of the commands that the REST adapter sends for an authenticated request. */
export abstract class ManagementCommand extends Message {
  @Length(8, 128) commandId!: string;
  /** Recorded in the event of the change. */
  @IsObject() @ValidateNested() @Type(() => Actor) actor!: Actor;
  /** Of an operator only: whether the sign-in is recent enough for what demands it. */
  @IsOptional() @IsBoolean() isSignInRecent?: boolean;
}

/** Base of the commands about one tenant, or about what belongs to it in the directory. */
export abstract class DirectoryCommand extends ManagementCommand {
  @IsName() tenant!: string;
  /** Only in a command that changes something: conditions on the resource as it is before the change. */
  @IsOptional() @ValidateNested() @Type(() => Preconditions) preconditions?: Preconditions;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Most agents of one tenant. Every cache has all of them in memory, and a change of the tenant publishes each. */
export const MAX_AGENTS = 1000;

/** Base of the commands about one agent. */
abstract class AgentCommand extends DirectoryCommand {
  @IsName() agent!: string;
}

/**
 * Creates a tenant (mode `set`) or changes its name and policy. `policy` is raw: the directory validates it as a whole.
 */
export class TenantChangeRequested extends DirectoryCommand {
  static readonly type = 'tenant.change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsIn(CHANGE_MODES) mode!: ChangeMode;
  /** Present in mode `set`. */
  @IsOptional() @IsString() @Length(1, 200) name?: string;
  /** `null` in mode `merge`: removes the whole policy of this level. */
  @IsOptional() @IsObject() policy?: Record<string, unknown> | null;
}

/** A disabled tenant has no agent that can authenticate; a disabled agent cannot authenticate. */
export const DIRECTORY_STATES = ['enabled', 'disabled'] as const;
export type DirectoryState = (typeof DIRECTORY_STATES)[number];

/** `deleting`: its data is being erased, after which the tenant does not exist. */
export const TENANT_STATES = [...DIRECTORY_STATES, 'deleting'] as const;
export type TenantLifeState = (typeof TENANT_STATES)[number];

/** Enables or disables a tenant. */
export class TenantStateChangeRequested extends DirectoryCommand {
  static readonly type = 'tenant.state-change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsIn(DIRECTORY_STATES) state!: DirectoryState;
  @IsOptional() @Matches(REASON_PATTERN) reason?: string;
}

/** Begins to delete a disabled tenant with its agents and all of its data. */
export class TenantDeleteRequested extends DirectoryCommand {
  static readonly type = 'tenant.delete-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Requests a tenant as it is stored. */
export class TenantRequested extends DirectoryCommand {
  static readonly type = 'tenant.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Most items of one page of a list. */
export const MAX_PAGE_SIZE = 200;

/** Requests one page of all tenants, in the order of their ids. */
export class TenantListRequested extends ManagementCommand {
  static readonly type = 'tenant-list.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  /** The page begins after this id. */
  @IsOptional() @IsName() cursor?: string;
  /** Absent: tenants in any state. */
  @IsOptional() @IsIn(TENANT_STATES) state?: TenantLifeState;
  /** Only these tenants, of an operator with roles in some. Absent: all. */
  @IsOptional() @IsArray() @IsName({ each: true }) tenants?: string[];
  get partitionKey(): string {
    return this.commandId;
  }
}

/** Creates an agent. The REST adapter creates its secrets and shows them once; only their SHA-256 travels. */
export class AgentCreateRequested extends AgentCommand {
  static readonly type = 'agent.create-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsOptional() @IsString() @Length(1, 200) name?: string;
  @IsOptional() @IsObject() policy?: Record<string, unknown>;
  @Matches(HEX_64) passwordHash!: string;
  @Matches(HEX_64) apiKeyHash!: string;
}

/** Gives an agent new secrets; the old ones stay valid for `graceSeconds`. */
export class AgentRotateRequested extends AgentCommand {
  static readonly type = 'agent.rotate-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Matches(HEX_64) passwordHash!: string;
  @Matches(HEX_64) apiKeyHash!: string;
  @IsInt() @Min(0) @Max(604_800) graceSeconds!: number;
}

/** Changes the name and the policy of an agent; `mode` and `policy` as in {@link TenantChangeRequested}. */
export class AgentChangeRequested extends AgentCommand {
  static readonly type = 'agent.change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsIn(CHANGE_MODES) mode!: ChangeMode;
  @IsOptional() @IsString() @Length(1, 200) name?: string;
  @IsOptional() @IsObject() policy?: Record<string, unknown> | null;
}

/** Enables or disables an agent. */
export class AgentStateChangeRequested extends AgentCommand {
  static readonly type = 'agent.state-change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsIn(DIRECTORY_STATES) state!: DirectoryState;
  @IsOptional() @Matches(REASON_PATTERN) reason?: string;
}

/** Deletes an agent. */
export class AgentDeleteRequested extends AgentCommand {
  static readonly type = 'agent.delete-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Requests an agent as it is stored, without its secrets. */
export class AgentRequested extends AgentCommand {
  static readonly type = 'agent.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Requests one page of a tenant's agents, in the order of their ids; fields as in {@link TenantListRequested}. */
export class AgentListRequested extends DirectoryCommand {
  static readonly type = 'agent-list.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  @IsOptional() @IsName() cursor?: string;
  @IsOptional() @IsIn(DIRECTORY_STATES) state?: DirectoryState;
}

/** Requests the effective policy of a tenant, or of an agent of it, with the level that each value comes from. */
export class PolicyRequested extends DirectoryCommand {
  static readonly type = 'policy.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  /** Absent: the policy of the tenant itself. */
  @IsOptional() @IsName() agent?: string;
}

/** Changes the policy of an existing tenant or agent; answered as {@link PolicyRequested}. */
export class PolicyChangeRequested extends DirectoryCommand {
  static readonly type = 'policy.change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsOptional() @IsName() agent?: string;
  @IsIn(CHANGE_MODES) mode!: ChangeMode;
  @IsObject() policy!: Record<string, unknown>;
}

/** Base of the commands about one subject; personal data and secrets travel sealed for the verification service. */
abstract class SubjectCommand extends ManagementCommand {
  @IsName() tenant!: string;
  @IsSubjectId() subject!: string;
  get partitionKey(): string {
    return `${this.tenant}:id:${this.subject}`;
  }
}

/**
 * Creates a subject or changes it. `sealed` is a compact JWE of `{phones?, displayName?, locale?}`: an absent field keeps its
 * value, `null` removes it.
 */
export class SubjectChangeRequested extends SubjectCommand {
  static readonly type = 'subject.change-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  /** True: a missing subject is an error and is not created. */
  @IsBoolean() mustExist!: boolean;
  @IsOptional() @ValidateNested() @Type(() => Preconditions) preconditions?: Preconditions;
  @Length(1, 16_384) sealed!: string;
}

/** Enrols or changes the PIN of a subject. `sealed` is a compact JWE of `{pin, forceChange?}`. */
export class PinChangeRequested extends SubjectCommand {
  static readonly type = 'pin.change-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @Length(1, 8192) sealed!: string;
}

/** Enrols the answers of a subject and removes all earlier ones. `sealed` is a compact JWE of `{answers: {question: text}}`. */
export class KnowledgeChangeRequested extends SubjectCommand {
  static readonly type = 'knowledge.change-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @Length(1, 16_384) sealed!: string;
}

/** Requests the state of a subject: counters and locks, nothing secret and nothing derived from a secret. */
export class SubjectStateRequested extends SubjectCommand {
  static readonly type = 'subject.state-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
}

/** Erases a subject with its profile, credentials and key. The attempt counter stays. */
export class SubjectEraseRequested extends SubjectCommand {
  static readonly type = 'subject.erase-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @IsOptional() @ValidateNested() @Type(() => Preconditions) preconditions?: Preconditions;
}

/** Removes the PIN or the answers of a subject. The attempt counter and the earlier PINs stay. */
export class CredentialRemoveRequested extends SubjectCommand {
  static readonly type = 'credential.remove-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @IsIn(METHODS) method!: Method;
}

/** `none`: nothing is enrolled; `locked`, `disabled`: at least one credential is. */
export const CREDENTIAL_FILTERS = ['none', 'locked', 'disabled'] as const;
export type CredentialFilter = (typeof CREDENTIAL_FILTERS)[number];

/**
 * Requests one page of a tenant's subjects, in the order of their ids. Only with `credential`, a page can have fewer subjects
 * than its limit although further pages follow.
 */
export class SubjectListRequested extends ManagementCommand {
  static readonly type = 'subject-list.requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @IsName() tenant!: string;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  /** The page begins after this id. */
  @IsOptional() @IsSubjectId() cursor?: string;
  @IsOptional() @IsIn(CREDENTIAL_FILTERS) credential?: CredentialFilter;
  /** Only the subject with a telephone number in E.164, or with an id: a compact JWE of `{phone}` or `{subject}`. */
  @IsOptional() @Length(1, 4096) sealed?: string;
  get partitionKey(): string {
    return this.commandId;
  }
}

/** Unlocks a subject. */
export class SubjectUnlockRequested extends SubjectCommand {
  static readonly type = 'subject.unlock-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @Matches(REASON_PATTERN) reason!: string;
}

/**
 * `not_disabled`: a tenant must be disabled before it is deleted. `deleting`: the tenant is being deleted, so nothing of it can
 * change. `precondition_failed`: {@link Preconditions} are not met, and nothing was changed. `scope_missing`: the change needs
 * the scope `audit`. `recent_sign_in_required`: the change loosens a policy, and the operator did not sign in recently.
 */
export const COMMAND_RESULTS = [
  'created',
  'updated',
  'found',
  'not_found',
  'taken',
  'not_disabled',
  'deleting',
  'precondition_failed',
  'scope_missing',
  'recent_sign_in_required',
  'invalid',
  'unavailable',
] as const;

/** The answer to any management command. */
export class CommandAnswered extends Message {
  static readonly type = 'command.answered.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  @IsIn(COMMAND_RESULTS) answer!: (typeof COMMAND_RESULTS)[number];
  /** Only with `invalid`. */
  @IsOptional() violations?: Violation[];
  /** The state of the changed or requested object, as the REST adapter shows it. */
  @IsOptional() @IsObject() body?: Record<string, unknown>;
  get partitionKey(): string {
    return this.commandId;
  }
}
